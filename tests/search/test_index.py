"""The index of shapes: exact search in chunks, one file that says what made it."""

import json
import os
import stat
from dataclasses import asdict, replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch.nn.functional import normalize

from pointclip.cameras import rigs
from pointclip.errors import InputError, WeightsError
from pointclip.feature_spec import FeatureSpec
from pointclip.fusion.pooling import blended
from pointclip.search import index as index_module
from pointclip.search.index import Hit, Origin, ShapeIndex, nearest, write_index

ORIGIN = Origin(FeatureSpec.of("tiny", "abc", rigs.views("ring-2"), "auto"), 300, "z", 4, "0.1.0", "../shapes")


def small_numbers(rows, channels, seed=0):
    """Make products that are exact in float32, with many ties."""
    return torch.randint(-3, 4, (rows, channels), generator=torch.Generator().manual_seed(seed)).float()


@pytest.mark.parametrize("chunk", [1, 7, 64, 1000])
@pytest.mark.parametrize("k", [1, 10, 64, 2000])
def test_the_top_is_that_of_a_full_sort_with_ties_to_the_lower_row(chunk, k):
    matrix, query = small_numbers(1000, 3), small_numbers(1, 3, seed=1)[0]
    scores, rows = nearest(matrix.split(chunk), query, k)
    products = (matrix @ query).tolist()
    order = sorted(range(1000), key=lambda row: (-products[row], row))[:k]
    assert len(set(products)) < 40  # ties there are
    assert rows.tolist() == order
    assert scores.tolist() == [products[row] for row in order]


@pytest.mark.parametrize("chunk", [8, 33])
def test_random_unit_vectors(chunk):
    generator = torch.Generator().manual_seed(2)
    matrix = normalize(torch.randn(500, 24, generator=generator), dim=-1)
    for query in normalize(torch.randn(5, 24, generator=generator), dim=-1):
        scores, rows = nearest(matrix.split(chunk), query, 20)
        truth = (matrix.double() @ query.double()).sort(descending=True)
        assert rows.tolist() == truth.indices[:20].tolist()
        torch.testing.assert_close(scores, truth.values[:20].float())


def test_a_file_gives_back_names_and_what_made_it(tmp_path, monkeypatch):
    monkeypatch.setattr(index_module, "CHUNK", 2)
    names = ["a/chair.obj", "Stühle/椅子.ply", "", "a b.xyz", "bad\udcff.obj"]
    write_index(tmp_path / "i.safetensors", torch.eye(5), names, ORIGIN)
    found = ShapeIndex(tmp_path / "i.safetensors")
    assert [found.name(place) for place in range(len(found))] == names
    assert (found.channels, found.origin.points, found.origin.up, found.origin.seed) == (5, 300, "z", 4)
    assert found.origin.spec.views.names == rigs.views("ring-2").names
    assert found.place(0) == tmp_path / "../shapes/a/chair.obj"
    query = torch.tensor([0.0, 0.0, 0.6, 0.8, 0.6])
    close = [pytest.approx(value) for value in (0.8, 0.6, 0.6)]
    places = ((3, "a b.xyz"), (2, ""), (4, "bad\udcff.obj"))
    assert found.search(query, 3) == [Hit(*place, value) for place, value in zip(places, close, strict=True)]
    assert len(found.search(query, 99)) == 5


def test_the_same_shapes_give_the_same_bytes_that_others_may_read(tmp_path):
    for name in ("one", "two"):
        write_index(tmp_path / name, torch.eye(3), ["a", "b", "c"], ORIGIN)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    (tmp_path / "plain").touch()
    assert (tmp_path / "one").stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "plain", "two"]


def test_another_model_is_refused_by_its_weights(tmp_path):
    write_index(tmp_path / "i", torch.eye(3), ["a", "b", "c"], ORIGIN)
    found = ShapeIndex(tmp_path / "i")
    found.refuse_another(replace(ORIGIN.spec, model="a new name"))
    with pytest.raises(InputError, match="i was made with the model 'tiny', not with the model 'other'"):
        found.refuse_another(replace(ORIGIN.spec, model="other", identity="xyz"))
    with pytest.raises(InputError, match="other weights of the same name"):
        found.refuse_another(replace(ORIGIN.spec, identity="xyz"))


def test_an_index_of_version_0_1_is_read(tmp_path):
    path = tmp_path / "i"
    write_index(path, torch.eye(3), ["a", "b", "c"], ORIGIN)
    with safe_open(path, "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        about = json.loads(file.metadata()["pointclip index"])
    old = ("model", "identity", "rig", "cameras", "style", "settings")
    about["eye"] = {key: about["spec"][key] for key in old}
    del about["spec"], about["sha256"]
    about["format"] = 1
    for flags in ({}, {"drop_outliers": False, "skip_background": True}):
        save_file(tensors, path, {"pointclip index": json.dumps(about | flags)})
        assert asdict(ShapeIndex(path).origin.spec) == asdict(replace(ORIGIN.spec, **flags))


def test_pooled_views_are_their_weighted_mean(tmp_path):
    views = normalize(torch.randn(4, 3, 8, generator=torch.Generator().manual_seed(0)), dim=-1)
    weights = torch.tensor([2.0, 0.0, 1.0])
    expected = normalize(2 * views[:, 0] + views[:, 2], dim=-1)
    torch.testing.assert_close(blended(views, weights), expected)


def _cut(path):
    path.write_bytes(path.read_bytes()[:-20])


def _text(path):
    path.write_text("not an index")


def _foreign(path):
    save_file({"features": torch.eye(3)}, path)


def _newer(path):
    content = path.read_bytes()
    assert b'\\"format\\": 2' in content
    path.write_bytes(content.replace(b'\\"format\\": 2', b'\\"format\\": 9'))


def _swapped(path):
    rows = torch.eye(3).numpy().tobytes()
    content = path.read_bytes()
    assert rows in content
    path.write_bytes(content.replace(rows, torch.eye(3)[[1, 0, 2]].numpy().tobytes()))


def _renamed(path):
    content = path.read_bytes()
    assert b"abc" in content
    path.write_bytes(content.replace(b"abc", b"bac"))


def _turned(path):
    content = path.read_bytes()
    assert b'\\"up\\": \\"z\\"' in content
    path.write_bytes(content.replace(b'\\"up\\": \\"z\\"', b'\\"up\\": \\"y\\"'))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_cut, "cut or no safetensors"),
        (_text, "cut or no safetensors"),
        (_foreign, "is no index"),
        (_newer, "format 9"),
        (_swapped, "damaged, its sha256 is another"),
        (_renamed, "damaged, its sha256 is another"),
        (_turned, "damaged, its sha256 is another"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path, damage, message):
    path = tmp_path / "i.safetensors"
    write_index(path, torch.eye(3), ["a", "b", "c"], ORIGIN)
    damage(path)
    with pytest.raises(InputError, match=message):
        ShapeIndex(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda about, _: about["spec"]["cameras"].update(rotations="no"),
        lambda about, _: about["spec"]["cameras"].pop("names"),
        lambda about, _: about["spec"].update(cameras=5),
        lambda about, _: about["spec"].update(settings={"kind": "None"}),
        lambda about, _: about.update(folder=5),
        lambda about, _: about.pop("spec"),
        lambda _, tensors: tensors.update(ends=torch.tensor([1, 2])),
        lambda _, tensors: tensors.update(ends=torch.tensor([1, 2, 9])),
        lambda _, tensors: tensors.update(features=torch.zeros(3)),
    ],
)
def test_what_no_writer_leaves_behind_is_refused_without_a_digest_too(tmp_path, change):
    path = tmp_path / "i"
    write_index(path, torch.eye(3), ["a", "b", "c"], ORIGIN)
    with safe_open(path, "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        about = json.loads(file.metadata()["pointclip index"])
    del about["sha256"]
    about["format"] = 1
    change(about, tensors)
    save_file(tensors, path, {"pointclip index": json.dumps(about)})
    with pytest.raises((InputError, WeightsError)):
        ShapeIndex(path)


def test_wrong_arguments(tmp_path):
    with pytest.raises(InputError, match="at least one shape"):
        write_index(tmp_path / "i", torch.zeros(0, 3), [], ORIGIN)
    with pytest.raises(InputError, match="features"):
        write_index(tmp_path / "i", torch.eye(3), ["a"], ORIGIN)
    write_index(tmp_path / "i", torch.eye(3), ["a", "b", "c"], ORIGIN)
    with pytest.raises(InputError, match="k must be"):
        ShapeIndex(tmp_path / "i").search(torch.ones(3), 0)
    with pytest.raises(InputError, match="query"):
        ShapeIndex(tmp_path / "i").search(torch.ones(4))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_is_no_regular_file_is_written_to_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    held = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)  # a reader that waits: the writer does not block
    try:
        write_index(pipe, normalize(small_numbers(3, 4) + 0.5, dim=-1), ["a", "b", "c"], ORIGIN)
        assert stat.S_ISFIFO(pipe.stat().st_mode)
        assert b"pointclip index" in os.read(held, 1 << 16)
    finally:
        os.close(held)
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]

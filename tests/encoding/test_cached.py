"""Features are encoded once, kept whole or not at all, and made anew exactly when something that counts has changed."""

import logging
from dataclasses import replace

import pytest
import torch
from support.boxes import write_box, write_boxes

from pointclip.datasets.folder import ClassFolder
from pointclip.datasets.protocol import label_of
from pointclip.encoding import cached as features
from pointclip.encoding.cached import Augmentation, encode
from pointclip.errors import InputError
from pointclip.model import PointCLIP

TWO = Augmentation(copies=2)


@pytest.fixture
def shapes(tmp_path):
    return ClassFolder(write_boxes(tmp_path / "boxes", 2), num_points=300)


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "features"


@pytest.fixture
def encoded(monkeypatch):
    """List the copies that are really encoded: (name of the shape, copy)."""
    seen = []
    plain = features._encode_cloud

    def spy(model, cloud, wanted, *rest):
        seen.extend((cloud.name, copy) for _, copy in wanted)
        return plain(model, cloud, wanted, *rest)

    monkeypatch.setattr(features, "_encode_cloud", spy)
    return seen


def test_the_clean_copy_is_what_the_model_sees(model, shapes, cache):
    found = encode(model, shapes, augmentation=TWO, cache=cache)
    assert found.shape == (6, 3, 2, 16) and found.dtype == torch.float32
    for index in range(6):
        cloud = shapes.item(index)[0]
        assert torch.equal(found[index, 0], model.encode_views(cloud.points[None], cloud.normals[None])[0])
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(6, 3, 2))


def test_nothing_is_encoded_or_read_twice(model, shapes, cache, encoded, monkeypatch):
    first = encode(model, shapes, augmentation=TWO, cache=cache)
    assert len(encoded) == 18
    monkeypatch.setattr(ClassFolder, "item", None)
    assert torch.equal(encode(model, shapes, augmentation=TWO, cache=cache), first)
    assert torch.equal(encode(model, shapes, [4, 1], cache=cache), first[[4, 1], :1])
    assert len(encoded) == 18


def test_further_copies_and_shapes_add_to_what_is_there(model, shapes, cache, encoded):
    clean = encode(model, shapes, [0, 1], cache=cache)
    two = encode(model, shapes, [0, 1], augmentation=TWO, cache=cache)
    four = encode(model, shapes, [0, 1, 2], augmentation=replace(TWO, copies=4), cache=cache)
    assert torch.equal(two[:, :1], clean) and torch.equal(four[:2, :3], two)
    assert len(encoded) == 15


def test_copies_differ_and_follow_the_seed(model, shapes, cache):
    one = encode(model, shapes, [0], augmentation=TWO, cache=cache)[0]
    other = encode(model, shapes, [0], augmentation=TWO, seed=1, cache=cache)[0]
    assert torch.equal(one[0], other[0])
    copies = [one[0], one[1], one[2], other[1], other[2]]
    assert all(not torch.allclose(a, b, atol=1e-4) for k, a in enumerate(copies) for b in copies[:k])


def test_twin_files_share_a_row(model, tmp_path, cache, encoded):
    for name in ("a", "b"):
        write_box(tmp_path / "twins" / "cube" / f"{name}.obj", (1, 1, 2))
    found = encode(model, ClassFolder(tmp_path / "twins", num_points=100), cache=cache)
    assert torch.equal(found[0], found[1]) and len(encoded) == 1


@pytest.mark.parametrize("stop", [0, 2, 4])
def test_an_interrupted_run_goes_on_where_it_stopped(stop, model, shapes, cache, encoded, tmp_path):
    whole = encode(model, shapes, augmentation=TWO, cache=tmp_path / "other")
    encoded.clear()

    def interrupt(done, total):
        if done >= stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode(model, shapes, augmentation=TWO, cache=cache, batch_size=2, watch=interrupt)
    before = len(encoded)
    assert before == 3 * stop
    told = []
    resumed = encode(
        model, shapes, augmentation=TWO, cache=cache, batch_size=2, watch=lambda *progress: told.append(progress)
    )
    assert torch.equal(resumed, whole)
    assert len(encoded) == 18 and told[0] == (0, 6 - stop) and told[-1] == (6 - stop, 6 - stop)
    assert [path.suffix for path in cache.iterdir()] == [".safetensors"]


def test_a_changed_file_is_encoded_anew_and_alone(model, shapes, cache, encoded):
    before = encode(model, shapes, cache=cache)
    write_box(shapes.entries[3].path, (1, 2, 3))
    encoded.clear()
    after = encode(model, shapes, cache=cache)
    assert encoded == [("1", None)]
    assert not torch.equal(after[3], before[3])
    assert torch.equal(after[[0, 1, 2, 4, 5]], before[[0, 1, 2, 4, 5]])


@pytest.mark.parametrize("length", [0, 5, 200, -1])
def test_a_cut_file_is_seen_and_rebuilt(length, model, shapes, cache, caplog):
    before = encode(model, shapes, cache=cache)
    (path,) = cache.iterdir()
    path.write_bytes(path.read_bytes()[:length])
    with caplog.at_level(logging.WARNING):
        assert torch.equal(encode(model, shapes, cache=cache), before)
    assert "cut or damaged" in caplog.text and str(path) in caplog.text
    caplog.clear()
    assert torch.equal(encode(model, shapes, cache=cache), before) and not caplog.text


def test_a_changed_byte_costs_its_row_only(model, shapes, cache, encoded, caplog):
    before = encode(model, shapes, cache=cache)
    (path,) = cache.iterdir()
    content = bytearray(path.read_bytes())
    row = before[2].numpy().tobytes()
    content[content.index(row) + 7] ^= 1
    path.write_bytes(content)
    encoded.clear()
    assert torch.equal(encode(model, shapes, cache=cache), before)
    assert encoded == [("0", None)] and "1 damaged rows" in caplog.text


def test_features_of_a_program_that_draws_otherwise_are_stale(model, shapes, cache, encoded, monkeypatch, caplog):
    encode(model, shapes, cache=cache)
    encoded.clear()
    plain = PointCLIP.render
    monkeypatch.setattr(PointCLIP, "render", lambda self, *cloud: 1.0 - plain(self, *cloud))
    encode(model, shapes, cache=cache)
    assert len(encoded) == 6 and "another version" in caplog.text


@pytest.mark.parametrize("changed", [{"views": "ring-3"}, {"style": "depth"}])
def test_rig_and_style_have_files_of_their_own(changed, model, shapes, cache, encoded):
    encode(model, shapes, [0], cache=cache)
    other = PointCLIP(model.clip, **{"views": "ring-2", "style": "auto", **changed})
    encode(other, shapes, [0], cache=cache)
    encode(model, shapes, [0], cache=cache)
    assert len(encoded) == 2 and len(list(cache.iterdir())) == 2


def test_a_dataset_with_the_bare_protocol_works(model, shapes, cache, encoded):
    class Bare:
        labels, split = shapes.labels, "all"

        def __len__(self):
            return len(shapes)

        def item(self, index):
            return shapes.item(index)

    first = encode(model, Bare(), cache=cache)
    assert torch.equal(first, encode(model, shapes, cache=cache / "other"))
    encoded.clear()
    assert torch.equal(encode(model, Bare(), cache=cache), first) and not encoded
    assert label_of(Bare(), 5) == shapes.label(5)


def test_towers_and_random_state_stay_as_they_are(model, shapes, cache):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.get_rng_state()
    encode(model, shapes, augmentation=TWO, cache=cache)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_the_users_cache_folder_is_the_default(model, shapes, own_cache):
    encode(model, shapes, [0])
    assert len(list((own_cache / "features").glob("*.safetensors"))) == 1


def test_a_cache_that_cannot_be_written_costs_only_time(model, shapes, tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    found = encode(model, shapes, cache=tmp_path / "file")
    assert found.shape == (6, 1, 2, 16) and "could not be written" in caplog.text


def test_an_unreadable_shape_is_named(model, shapes, cache):
    shapes.entries[1].path.write_text("v 0 0 nonsense")
    with pytest.raises(InputError, match=shapes.entries[1].path.name):
        encode(model, shapes, cache=cache)


@pytest.mark.parametrize("wrong", [{"copies": -1}, {"zoom": 0.0}, {"stretch": (0.0, 1.0)}, {"jitter": -1.0}])
def test_augmentation_refuses_what_makes_no_sense(wrong):
    with pytest.raises(InputError, match="augmentation needs"):
        Augmentation(**wrong)


def test_a_moved_picture_stays_within_its_frame():
    page = torch.ones(1, 3, 64, 64)
    page[..., 4:60, 4:60] = 0.0
    ink = []
    for seed in range(40):
        moved = features.shrink_and_move(page, 0.6, torch.Generator().manual_seed(seed))
        assert float(moved[..., [0, -1], :].min()) > 0.999 and float(moved[..., [0, -1]].min()) > 0.999
        ink.append(float((1 - moved).mean()))
    full = float((1 - page).mean())
    assert 0.6**2 * full * 0.95 < min(ink) < 0.5 * full and 0.85 * full < max(ink) < 1.01 * full

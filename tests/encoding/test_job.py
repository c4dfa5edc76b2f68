"""Features are encoded once, found again by whoever asks next, and made anew when something that counts changed."""

import logging
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import trimesh
from support.boxes import write_box, write_boxes

import pointclip as pc
from pointclip._base.threads import one_thread
from pointclip.datasets.folder import ClassFolder
from pointclip.datasets.protocol import UNREADABLE, label_of
from pointclip.encoding import local
from pointclip.encoding.job import encode, encode_dataset
from pointclip.encoding.looks import Augmentation
from pointclip.errors import InputError
from pointclip.model import PointCLIP
from pointclip.reading.items import read_items

TWO = Augmentation(copies=2)


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "features"


@pytest.fixture
def boxes(tmp_path):
    return ClassFolder(write_boxes(tmp_path / "boxes", 2), num_points=300)


@pytest.fixture
def solids(tmp_path):
    root = tmp_path / "solids"
    for number in range(7):
        for name, mesh in (("box", trimesh.creation.box((1, 2, 1 + number))), ("ball", trimesh.creation.icosphere(1))):
            (root / name).mkdir(parents=True, exist_ok=True)
            mesh.apply_scale(1 + number / 7).export(root / name / f"{number}.obj")
    return ClassFolder(root, num_points=300)


def bytes_of(encodings):
    whole = encodings.whole()
    return whole.ids, whole.labels, whole.errors, whole.features.numpy().tobytes()


def test_features_are_those_of_the_model(model, solids, cache):
    whole = encode_dataset(model, solids, cache=cache).whole()
    for place, index in enumerate(whole.index):
        cloud, label, name = solids.item(index)
        alone = model.encode_views(cloud)[0]
        torch.testing.assert_close(whole.features[place], alone, atol=2e-5, rtol=0)
        assert (whole.ids[place], whole.labels[place]) == (name, label)
    assert whole.index == list(range(14))
    assert all(min(seconds) > 0 for seconds in whole.seconds.values())


def test_the_clean_copy_is_what_the_model_sees(model, boxes, cache):
    found = encode(model, boxes, augmentation=TWO, cache=cache)
    assert found.shape == (6, 3, 2, 16) and found.dtype == torch.float32
    for index in range(6):
        cloud = boxes.item(index)[0]
        with one_thread():  # as a job encodes
            assert torch.equal(found[index, 0], model.encode_views(cloud)[0])
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(6, 3, 2))


def test_parts_are_the_whole(model, solids, cache, monkeypatch):
    monkeypatch.setattr("pointclip.encoding.job.PART_SIZE", 5)
    found = encode_dataset(model, solids, cache=cache)
    parts = list(found)
    assert [len(part) for part in parts] == [5, 5, 4]
    assert torch.equal(torch.cat([part.features for part in parts]), found.whole().features)
    assert [name for part in parts for name in part.ids] == found.whole().ids


def test_workers_do_not_change_a_byte(model, solids, tmp_path):
    one = encode_dataset(model, solids, cache=tmp_path / "one", workers=1)
    three = encode_dataset(model, solids, cache=tmp_path / "three", workers=3)
    assert bytes_of(one) == bytes_of(three)


def test_nothing_is_encoded_or_read_twice(model, boxes, cache, encoded, monkeypatch):
    first = encode(model, boxes, augmentation=TWO, cache=cache)
    assert len(encoded) == 18
    monkeypatch.setattr(ClassFolder, "item", None)
    assert torch.equal(encode(model, boxes, augmentation=TWO, cache=cache), first)
    assert torch.equal(encode(model, boxes, [4, 1], cache=cache), first[[4, 1], :1])
    assert torch.equal(encode_dataset(model, boxes, cache=cache).whole().features, first[:, 0])
    assert len(encoded) == 18


def test_further_copies_shapes_and_poses_add_to_what_is_there(model, boxes, cache, encoded):
    clean = encode(model, boxes, [0, 1], cache=cache)
    two = encode(model, boxes, [0, 1], augmentation=TWO, cache=cache)
    four = encode(model, boxes, [0, 1, 2], augmentation=replace(TWO, copies=4), cache=cache)
    assert torch.equal(two[:, :1], clean) and torch.equal(four[:2, :3], two)
    assert len(encoded) == 15
    posed = encode_dataset(model, boxes, indices=[0], pose="search", cache=cache)
    assert len(encoded) == 20 and posed.ups == ("y", "z", "x", "-y", "-z", "-x")
    assert posed.whole().features.shape == (1, 12, 16) and torch.equal(posed.whole().features[:, :2], clean[:1, 0])


def test_copies_differ_and_follow_the_seed(model, boxes, cache):
    one = encode(model, boxes, [0], augmentation=TWO, cache=cache)[0]
    other = encode(model, boxes, [0], augmentation=TWO, seed=1, cache=cache)[0]
    assert torch.equal(one[0], other[0])
    copies = [one[0], one[1], one[2], other[1], other[2]]
    assert all(not torch.allclose(a, b, atol=1e-4) for k, a in enumerate(copies) for b in copies[:k])


def test_twin_files_share_a_row(model, tmp_path, cache, encoded):
    for name in ("a", "b"):
        write_box(tmp_path / "twins" / "cube" / f"{name}.obj", (1, 1, 2))
        (tmp_path / "twins" / "cube" / f"bad {name}.obj").write_text("not a mesh")
    told = []
    twins = ClassFolder(tmp_path / "twins", num_points=100)
    found = encode_dataset(model, twins, cache=cache, watch=lambda *now: told.append(now)).whole()
    assert torch.equal(found.features[0], found.features[1]) and len(encoded) == 1
    assert [bool(error) for error in found.errors] == [False, False, True, True]
    assert all(name in error for name, error in zip(found.ids[2:], found.errors[2:], strict=True))
    assert told[0] == (0, 4) and told[-1] == (4, 4)


@pytest.mark.parametrize("stop", [0, 2, 4])
def test_an_interrupted_run_goes_on_where_it_stopped(stop, model, boxes, cache, encoded, tmp_path):
    whole = encode(model, boxes, augmentation=TWO, cache=tmp_path / "other")
    encoded.clear()

    def interrupt(done, total):
        if done >= stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode(model, boxes, augmentation=TWO, cache=cache, watch=interrupt)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("pointclip-encode")]
    encoded.clear()
    told = []
    resumed = encode(model, boxes, augmentation=TWO, cache=cache, watch=lambda *now: told.append(now))
    assert torch.equal(resumed, whole)
    assert len(encoded) == 3 * (6 - stop) and told[0] == (stop, 6) and told[-1] == (6, 6)


def test_a_changed_file_is_encoded_anew_and_alone(model, boxes, cache, encoded):
    before = encode(model, boxes, cache=cache)
    write_box(boxes.entries[3].path, (1, 2, 3))
    encoded.clear()
    after = encode(model, boxes, cache=cache)
    assert encoded == [("1", None)]
    assert not torch.equal(after[3], before[3])
    assert torch.equal(after[[0, 1, 2, 4, 5]], before[[0, 1, 2, 4, 5]])


def test_a_damaged_row_is_encoded_anew_and_alone(model, boxes, cache, encoded, caplog):
    before = encode(model, boxes, cache=cache)
    (path,) = cache.glob("*/*.rows")
    content = bytearray(path.read_bytes())
    content[content.index(before[2].numpy().tobytes()) + 7] ^= 1
    path.write_bytes(content)
    encoded.clear()
    assert torch.equal(encode(model, boxes, cache=cache), before)
    assert encoded == [("0", None)] and "damaged row" in caplog.text


def test_features_of_a_program_that_draws_otherwise_are_stale(model, boxes, cache, encoded, monkeypatch, caplog):
    encode(model, boxes, cache=cache)
    encoded.clear()
    plain = PointCLIP.render
    monkeypatch.setattr(PointCLIP, "render", lambda self, *cloud: 1.0 - plain(self, *cloud))
    encode(model, boxes, cache=cache)
    assert len(encoded) == 6 and "another version" in caplog.text


@pytest.mark.parametrize("changed", [{"views": "ring-3"}, {"style": "depth"}])
def test_rig_and_style_have_rows_of_their_own(changed, model, boxes, cache, encoded):
    encode(model, boxes, [0], cache=cache)
    other = PointCLIP(model.clip, **{"views": "ring-2", "style": "auto", **changed})
    encode(other, boxes, [0], cache=cache)
    encode(model, boxes, [0], cache=cache)
    assert len(encoded) == 2 and len(list(cache.iterdir())) == 2


def test_a_dataset_with_the_bare_protocol_works(model, boxes, cache, encoded):
    class Bare:
        labels, split = boxes.labels, "all"

        def __len__(self):
            return len(boxes)

        def item(self, index):
            return boxes.item(index)

    first = encode(model, Bare(), cache=cache)
    assert torch.equal(first, encode(model, boxes, cache=cache / "other"))
    encoded.clear()
    assert torch.equal(encode(model, Bare(), cache=cache), first) and not encoded
    assert label_of(Bare(), 5) == boxes.label(5)


def test_towers_random_state_and_threads_stay_as_they_are(model, boxes, cache):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        encode(model, boxes, augmentation=TWO, cache=cache)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_the_users_cache_folder_is_the_default(model, boxes, own_cache):
    encode(model, boxes, [0])
    assert len(list((own_cache / "features").glob("*/*.rows"))) == 1


def test_a_cache_that_cannot_be_written_costs_only_time(model, boxes, tmp_path, cache, caplog):
    (tmp_path / "file").write_text("in the way")
    with caplog.at_level(logging.WARNING):
        found = encode(model, boxes, cache=tmp_path / "file")
    assert torch.equal(found, encode(model, boxes, cache=cache)) and caplog.text.count("could not be written") == 1


def test_reading_ends_with_a_job_that_fails_even_while_its_error_is_kept(model, solids, cache, monkeypatch):
    ended = []

    def noted(*arguments):
        try:
            yield from read_items(*arguments)
        finally:
            ended.append(True)

    def fail(*_):
        raise RuntimeError("no reason")

    monkeypatch.setattr(local, "read_items", noted)
    monkeypatch.setattr(local, "encode_shape", fail)
    with pytest.raises(RuntimeError, match="no reason") as kept:
        encode_dataset(model, solids, cache=cache, workers=1)
    assert ended and kept.tb is not None


def test_a_bad_shape_has_its_error_in_its_place(model, solids, cache):
    (solids.root / "box" / "3.obj").write_text("not a mesh")
    whole = encode_dataset(model, solids, cache=cache).whole()
    bad = whole.ids.index("box/3.obj")
    assert "box/3.obj" in whole.errors[bad] and not whole.features[bad].any()
    assert sum(map(bool, whole.errors)) == 1
    assert (whole.features.norm(dim=-1).sum(1) > 1).sum() == 13
    with pytest.raises(InputError, match=r"3\.obj"):
        encode(model, solids, cache=cache)


def test_a_style_that_needs_what_a_shape_lacks_is_an_error_of_the_shape(tiny_file, solids, cache):
    model = pc.PointCLIP.from_pretrained(tiny_file, views="ring-2", style="color", precision="fp32", device="cpu")
    whole = encode_dataset(model, solids, cache=cache).whole()
    assert all("colours" in error for error in whole.errors)
    assert len(whole) == 14


def test_what_cannot_be_read_twice_is_not_found_again(model, boxes, cache, encoded, monkeypatch):
    monkeypatch.setattr(ClassFolder, "fingerprint", lambda *_: f"{UNREADABLE}no regular file")
    found = [encode(model, boxes, cache=cache) for _ in range(2)]
    assert len(encoded) == 12 and torch.equal(*found)
    assert not any(torch.equal(found[0][0], other) for other in found[0][1:])


def test_rows_that_are_gone_while_they_are_read_are_told(model, boxes, cache):
    found = encode_dataset(model, boxes, cache=cache)
    for path in cache.glob("*/*.rows"):
        path.write_bytes(b"")
    with pytest.raises(InputError, match="run the same command again"):
        found.whole()


@pytest.mark.parametrize("wrong", [{"engine": "spark"}, {"workers": 0}, {"pose": "sideways"}])
def test_wrong_arguments(model, boxes, cache, wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        encode_dataset(model, boxes, cache=cache, **wrong)
    assert not cache.exists()


CHILD = """
import sys, pointclip as pc
from pointclip.datasets.folder import ClassFolder
from pointclip.encoding.job import encode_dataset
sys.path.insert(0, sys.argv[4])
from support.tiny_towers import register
import pathlib
register(pathlib.Path(sys.argv[3]))
model = pc.PointCLIP.from_pretrained(sys.argv[5], views="ring-2", precision="fp32", device="cpu")
shapes = ClassFolder(sys.argv[1], num_points=300)
encode_dataset(model, shapes, cache=sys.argv[2], watch=lambda done, total: print(done, flush=True))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a system with SIGKILL")
def test_a_killed_run_is_resumed_to_the_same_bytes(model, solids, tmp_path, tiny_file, encoded):
    whole = bytes_of(encode_dataset(model, solids, cache=tmp_path / "undisturbed"))
    (tmp_path / "arch").mkdir()
    here = str(Path(__file__).parent.parent)
    command = [sys.executable, "-c", CHILD, solids.root, tmp_path / "run", tmp_path / "arch", here, tiny_file]
    child = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    while (line := child.stdout.readline()) and int(line) < 3:
        pass
    child.kill()
    child.wait()
    child.stdout.close()
    (path,) = (tmp_path / "run").glob("*/*.rows")
    path.write_bytes(path.read_bytes()[:-9])  # as if it were killed within a row
    encoded.clear()
    assert bytes_of(encode_dataset(model, solids, cache=tmp_path / "run")) == whole
    assert 1 <= len(encoded) <= 12

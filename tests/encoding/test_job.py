"""The long encoding job: parts that are whole or absent, resumed, and the same whatever the number of workers."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
import trimesh

import pointclip as pc
from pointclip.datasets.folder import ClassFolder
from pointclip.encoding import job as encodings
from pointclip.encoding.job import encode_dataset
from pointclip.encoding.parts import part_path, read_part
from pointclip.errors import InputError
from pointclip.reading.items import read_items


@pytest.fixture
def shapes(tmp_path):
    root = tmp_path / "shapes"
    for number in range(7):
        for name, mesh in (("box", trimesh.creation.box((1, 2, 1 + number))), ("ball", trimesh.creation.icosphere(1))):
            (root / name).mkdir(parents=True, exist_ok=True)
            mesh.apply_scale(1 + number / 7).export(root / name / f"{number}.obj")
    return ClassFolder(root, num_points=300)


def bytes_of(encodings):
    whole = encodings.whole()
    return whole.ids, whole.labels, whole.errors, whole.features.numpy().tobytes()


def test_features_are_those_of_the_model(model, shapes, tmp_path):
    whole = encode_dataset(model, shapes, tmp_path / "run", part_size=4, workers=1).whole()
    for place, index in enumerate(whole.index):
        cloud, label, name = shapes.item(index)
        alone = model.encode_views(cloud.points[None], cloud.normals[None])[0]
        torch.testing.assert_close(whole.features[place], alone, atol=2e-5, rtol=0)
        assert (whole.ids[place], whole.labels[place]) == (name, label)
    assert whole.index == list(range(14))
    assert all(min(seconds) > 0 for seconds in whole.seconds.values())


def test_workers_do_not_change_a_byte(model, shapes, tmp_path):
    one = encode_dataset(model, shapes, tmp_path / "one", part_size=3, workers=1)
    two = encode_dataset(model, shapes, tmp_path / "two", part_size=3, workers=3)
    assert bytes_of(one) == bytes_of(two)


def test_threads_of_the_caller_are_left_alone(model, shapes, tmp_path):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        encode_dataset(model, shapes, tmp_path / "run", part_size=8)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_finished_parts_are_kept_and_damaged_ones_made_again(model, shapes, tmp_path):
    first = encode_dataset(model, shapes, tmp_path / "run", part_size=4)
    whole = bytes_of(first)
    kept = part_path(tmp_path / "run", 0).stat().st_mtime_ns
    cut = part_path(tmp_path / "run", 1)
    cut.write_bytes(cut.read_bytes()[:-100])
    part_path(tmp_path / "run", 2).unlink()
    told = []
    again = encode_dataset(model, shapes, tmp_path / "run", part_size=4, watch=lambda *now: told.append(now))
    assert bytes_of(again) == whole
    assert part_path(tmp_path / "run", 0).stat().st_mtime_ns == kept
    assert told == [(6, 14), (10, 14), (14, 14)]


def test_another_job_is_refused_in_the_same_folder(model, shapes, tmp_path):
    encode_dataset(model, shapes, tmp_path / "run", part_size=8)
    with pytest.raises(InputError, match="another folder"):
        encode_dataset(model, shapes, tmp_path / "run", part_size=4)
    (shapes.root / "box" / "0.obj").write_text((shapes.root / "box" / "1.obj").read_text())
    with pytest.raises(InputError, match="other files, points, up axis or seed: name"):
        encode_dataset(model, shapes, tmp_path / "run", part_size=8)


def test_what_differs_between_two_jobs_is_said_in_words(model, shapes, tmp_path):
    encode_dataset(model, shapes, tmp_path / "run", indices=[0])
    other = pc.PointCLIP(model.clip, views=model.views, style="depth")
    with pytest.raises(InputError, match="holds a job with other style: name another folder"):
        encode_dataset(other, shapes, tmp_path / "run", indices=[0])
    (tmp_path / "run" / "plan.json").write_text("7")
    with pytest.raises(InputError, match="plan.json cannot be read"):
        encode_dataset(model, shapes, tmp_path / "run", indices=[0])


def test_after_an_interruption_nothing_is_written(model, shapes, tmp_path):
    def stop(done, _):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode_dataset(model, shapes, tmp_path / "run", part_size=3, workers=2, watch=stop)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("pointclip-encode")]


def test_reading_ends_with_a_job_that_fails_even_while_its_error_is_kept(model, shapes, tmp_path, monkeypatch):
    ended = []

    def noted(*arguments):
        try:
            yield from read_items(*arguments)
        finally:
            ended.append(True)

    def full(path, part):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(encodings, "read_items", noted)
    monkeypatch.setattr(encodings, "write_part", full)
    with pytest.raises(InputError, match="No space left") as kept:
        encode_dataset(model, shapes, tmp_path / "run", part_size=1, workers=1)
    assert ended and kept.tb is not None


def test_removing_parts_leaves_what_is_not_of_the_job(model, shapes, tmp_path):
    found = encode_dataset(model, shapes, tmp_path / "run", indices=[0])
    (tmp_path / "run" / "part-00007.tries").write_text(".")
    (tmp_path / "run" / "notes.txt").write_text("mine")
    found.remove()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["notes.txt"]
    encode_dataset(model, shapes, tmp_path / "other", indices=[0]).remove()
    assert not (tmp_path / "other").exists()


def test_a_bad_shape_is_a_row_with_its_error(model, shapes, tmp_path):
    (shapes.root / "box" / "3.obj").write_text("not a mesh")
    whole = encode_dataset(model, shapes, tmp_path / "run", part_size=5).whole()
    bad = whole.ids.index("box/3.obj")
    assert "box/3.obj" in whole.errors[bad] and not whole.features[bad].any()
    assert sum(map(bool, whole.errors)) == 1
    assert (whole.features.norm(dim=-1).sum(1) > 1).sum() == 13


def test_a_style_that_needs_what_a_shape_lacks_is_an_error_of_the_shape(tiny_file, shapes, tmp_path):
    model = pc.PointCLIP.from_pretrained(tiny_file, views="ring-2", style="color", precision="fp32", device="cpu")
    whole = encode_dataset(model, shapes, tmp_path / "run", part_size=5).whole()
    assert all("colours" in error for error in whole.errors)
    assert len(whole) == 14


@pytest.mark.parametrize("wrong", [{"engine": "spark"}, {"part_size": 0}, {"workers": 0}])
def test_wrong_arguments(model, shapes, tmp_path, wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        encode_dataset(model, shapes, tmp_path / "run", **wrong)
    assert not (tmp_path / "run").exists()


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
encode_dataset(model, shapes, sys.argv[2], part_size=1, watch=lambda done, total: print(done, flush=True))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a system with SIGKILL")
def test_a_killed_run_is_resumed_to_the_same_bytes(model, shapes, tmp_path, tiny_file):
    whole = bytes_of(encode_dataset(model, shapes, tmp_path / "undisturbed", part_size=1, workers=1))
    (tmp_path / "arch").mkdir()
    here = str(Path(__file__).parent.parent)
    command = [sys.executable, "-c", CHILD, shapes.root, tmp_path / "run", tmp_path / "arch", here, tiny_file]
    child = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    while (line := child.stdout.readline()) and int(line) < 3:
        pass
    child.kill()
    child.wait()
    plan = json.loads((tmp_path / "run" / "plan.json").read_text())
    assert plan["shapes"] == 14
    done = [read_part(part_path(tmp_path / "run", number), [number]) is not None for number in range(14)]
    assert 3 <= sum(done) < 14
    assert bytes_of(encode_dataset(model, shapes, tmp_path / "run", part_size=1)) == whole

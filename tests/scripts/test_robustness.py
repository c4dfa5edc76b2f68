"""The robustness script: each damage does what its name says, runs resume, the table counts right."""

import csv
import runpy
import sys
from pathlib import Path

import pytest
import torch
from support.boxes import write_boxes
from support.solids import box

import pointclip as pc
from pointclip.points.poses import UP_AXES

SCRIPTS = Path(__file__).parent.parent.parent / "scripts"
sys.path.insert(0, str(SCRIPTS))

import _damages as damages  # noqa: E402
import robustness  # noqa: E402

BY_NAME = {condition.name: condition for condition in damages.conditions()}


@pytest.fixture(scope="module")
def cloud():
    points, normals = box(4000, (1.0, 1.4, 0.6))
    return pc.PointCloud(points, normals, torch.rand(4000, 3), "box").normalized()


def changed(name, cloud, shape_id="a"):
    condition = BY_NAME[name]
    return condition.change(cloud, robustness.generator_for(0, condition.family, shape_id))


@pytest.mark.parametrize("name", BY_NAME)
def test_damages_are_fixed_by_the_shape_and_change_nothing_in_place(name, cloud):
    before = cloud.points.clone()
    once, again = changed(name, cloud), changed(name, cloud)
    others = [changed(name, cloud, shape_id).points for shape_id in "bcdefg"]
    assert torch.equal(once.points, again.points)
    assert torch.equal(cloud.points, before)
    random = BY_NAME[name].family not in ("clean", "scale", "count")
    assert random == any(other.shape != once.points.shape or not torch.equal(other, once.points) for other in others)


def test_points_are_dropped_and_halves_are_missing(cloud):
    known = {tuple(row) for row in cloud.points.tolist()}
    for name, count in (("50 % of the points", 2000), ("10 % of the points", 400), ("half missing", 2000)):
        found = changed(name, cloud)
        assert len(found) == len(found.normals) == count
        assert {tuple(row) for row in found.points.tolist()} <= known
    half = changed("half missing", cloud).points
    assert (half.mean(0) - cloud.points.mean(0))[[0, 2]].norm() > 0.1
    side = changed("seen from one side", cloud)
    assert 0.25 < len(side) / len(cloud) < 0.65, "three faces of a box"


def test_noise_and_outliers_are_as_large_as_named(cloud):
    moved = changed("noise 2 %", cloud).points - cloud.points
    assert moved.std() == pytest.approx(0.02, rel=0.05)
    for name, count, low, high in (
        ("1 outlier at 10x", 1, 10, 10),
        ("1 % outliers at 3x to 10x", 40, 3, 10),
        ("1 % outliers at 1x to 3x, not dropped", 40, 1, 3),
    ):
        found = changed(name, cloud).points
        far = found[(found != cloud.points).any(1)].norm(dim=1)
        assert len(far) == count
        assert (far >= low - 1e-4).all()
        assert (far <= high + 1e-4).all()
    kept = [condition.drop_outliers for condition in BY_NAME.values() if "outlier" in condition.name]
    assert kept == [True] * 5 + [False] * 5


@pytest.mark.parametrize("name", ["turned about up", "any rotation", "another axis up"])
def test_rotations_are_rigid_and_take_the_normals_along(name, cloud):
    found = changed(name, cloud)
    rotation = torch.linalg.lstsq(cloud.points, found.points).solution.T
    assert torch.allclose(rotation @ rotation.T, torch.eye(3), atol=1e-4)
    assert torch.linalg.det(rotation) == pytest.approx(1, abs=1e-4)
    assert torch.allclose(found.normals, cloud.normals @ rotation.T, atol=1e-4)
    if name == "turned about up":
        assert torch.allclose(found.points[:, 1], cloud.points[:, 1], atol=1e-5)
    if name == "another axis up":
        others = [torch.equal(found.points, cloud.turned(up).points) for up in UP_AXES[1:]]
        assert others.count(True) == 1


@pytest.fixture
def script(tiny_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POINTCLIP_CACHE", str(tmp_path / "cache"))
    write_boxes(tmp_path / "boxes", 3)

    def run(*arguments):
        fixed = ["--model", tiny_file, "--views", "ring-1", "--points", "300", "--dataset", "boxes"]
        fixed += ["--out", "out.csv", "--plot", "out.png"]
        monkeypatch.setattr(sys, "argv", ["robustness.py", *fixed, *map(str, arguments)])
        runpy.run_path(str(SCRIPTS / "robustness.py"), run_name="__main__")
        with open("out.csv", newline="") as file:  # noqa: PTH123
            rows = list(csv.DictReader(file))
        return {row["condition"]: {k: v for k, v in row.items() if k != "load"} for row in rows}

    return run


def test_a_stopped_run_goes_on_and_ends_the_same(script, monkeypatch):
    few = ("--limit", 2, "--conditions", "clean", "1 outlier at 100x*", "any*")
    whole = script(*few)
    starts = ("clean", "1 outlier at 100x", "any")
    assert list(whole) == [name for name in BY_NAME if name.startswith(starts) and name != "clean, pose searched"]
    assert {row["shapes"] for row in whole.values()} == {"2"}
    assert whole["clean"]["changed"] == "0.0"
    assert whole["1 outlier at 100x"]["changed"] == "0.0", "it is dropped"
    assert whole["any rotation, pose searched"]["up_is_y"] != "" == whole["any rotation"]["up_is_y"]
    assert Path("out.png").stat().st_size > 1000
    (work,) = Path("build/robustness").iterdir()
    answers = work.read_text()
    lines = answers.splitlines(keepends=True)
    work.write_text("".join(lines[:7]) + lines[7][:-6])  # a kill in the middle of a line
    assert script(*few) == whole
    assert work.read_text() == answers
    monkeypatch.setattr(pc.PointCLIP, "from_pretrained", lambda *_, **__: pytest.fail("a model was loaded"))
    assert script(*few) == whole, "what is answered is not asked again"
    assert list(script("--limit", 2, "--conditions", "clean")) == list(whole)


def test_other_settings_share_nothing(script):
    script("--limit", 2, "--conditions", "clean")
    script("--limit", 2, "--conditions", "clean", "--seed", 1)
    script("--limit", 2, "--conditions", "clean", "--no-normals")
    assert len(list(Path("build/robustness").iterdir())) == 3


def test_an_unknown_condition_is_refused(script):
    with pytest.raises(SystemExit, match="no condition is called 'noize'"):
        script("--conditions", "noize")


def test_percentages_are_counted_by_hand():
    answers = {}
    for shape, clean, far in (("a", "bed", "bed"), ("b", "sofa", "bed"), ("c", "bed", "sofa"), ("d", "lamp", "lamp")):
        for condition, told in (("clean", clean), ("1 outlier at 3x", far)):
            answer = {"label": "bed", "predicted": told, "in_top5": str(told != "lamp"), "up": "y"}
            answers[condition, shape] = answer
    clean, far = robustness.summary(answers, list("abcd"), damages.conditions())
    assert (clean["top1"], clean["top5"], clean["changed"]) == (50.0, 75.0, 0.0)
    assert (far["top1"], far["top5"], far["changed"]) == (50.0, 75.0, 50.0)

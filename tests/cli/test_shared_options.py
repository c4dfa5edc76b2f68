"""``--pose``, ``--keep-outliers`` and ``--skip-background``: the same meaning in classify, eval and embed."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from support.boxes import write_boxes
from support.command_line import run
from support.solids import box

import pointclip as pc
from pointclip.clip import frozen as clip
from pointclip.datasets import open_dataset
from pointclip.search.index import ShapeIndex


@pytest.fixture
def fixed(tiny_file):
    return ("--model", tiny_file, "--views", "ring-2", "--points", 200, "--precision", "fp32", "--device", "cpu")


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Write boxes for training, and boxes, a broken file and a cloud with a stray point to judge."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POINTCLIP_CACHE", str(tmp_path / "cache"))
    write_boxes(tmp_path / "boxes" / "train", 2)
    write_boxes(tmp_path / "boxes" / "test", 1, seed=1)
    (tmp_path / "boxes" / "test" / "cube" / "broken.obj").write_text("not a mesh")
    cloud = np.concatenate([box(199, (1.0, 0.6, 0.3))[0].numpy(), [[0.0, 9.0, 0.0]]])
    np.savetxt(tmp_path / "boxes" / "test" / "plank" / "stray.xyz", cloud)
    return tmp_path


def evaluated(*arguments, out="r"):
    told = run("eval", "boxes", "--out", out, "--no-calibrate", *arguments)
    assert told.code == 2 and "broken.obj" in told.err and "1 of 5 shapes" in told.err, told.err
    with (Path(out) / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return json.loads((Path(out) / "result.json").read_text()), {row["id"]: row for row in rows}


def refused(*arguments):
    told = run("eval", "boxes", "--out", "r", "--no-calibrate", *arguments)
    assert told.code == 2 and told.err.count("error:") == 1
    return told.err


def loaded(fixed, **settings):
    return pc.PointCLIP.from_pretrained(fixed[1], views="ring-2", precision="fp32", device="cpu", **settings)


def check(rows, model, drop_outliers=True, **how):
    shapes = open_dataset("boxes", "test", num_points=200, drop_outliers=drop_outliers)
    ups = set()
    for index in range(len(shapes)):
        row = rows[shapes.id(index)]
        if row["error"]:
            assert row.get("up", "") == ""
            continue
        expected = model.classify(shapes.item(index)[0], shapes.labels, **how)
        assert row["top5"].split("|") == list(expected.labels)
        assert float(row["probability"]) == pytest.approx(expected.probs[0], abs=2e-5)
        assert row.get("up", "y") == expected.up
        ups.add(expected.up)
    return ups


def test_eval_searches_the_pose_as_classify_does(data, fixed):
    result, rows = evaluated("--pose", "search", *fixed)
    assert result["settings"]["pose"] == "search"
    assert check(rows, loaded(fixed), pose="search") - {"y"}, "else this shows nothing"
    result, rows = evaluated(*fixed, out="given")
    assert result["settings"]["pose"] == "given" and "up" not in next(iter(rows.values()))
    check(rows, loaded(fixed))
    assert "finds the axis that points up: leave --up z out" in refused("--pose", "search", "--up", "z", *fixed)


def test_temperature_and_rejection_are_chosen_in_the_searched_pose(data, fixed):
    how = ("--pose", "search", "--reject", "--unknown", "pole", "--split", "train", "--val-split", "val")
    write_boxes(data / "boxes" / "val", 2, seed=2)
    told = run("eval", "boxes", "--json", *how, *fixed)
    assert told.code == 0, told.err
    assert told.json["validation"]["shapes"] == 6 and told.json["metrics"]["temperature"] > 0


def test_eval_keeps_outliers_in_reading_and_drawing(data, fixed):
    result, rows = evaluated("--keep-outliers", *fixed)
    assert result["settings"]["drop_outliers"] is False
    check(rows, loaded(fixed, drop_outliers=False), drop_outliers=False)
    usual, others = evaluated(*fixed, out="usual")
    assert usual["settings"]["drop_outliers"] is True
    assert usual["dataset"]["sha256"] != result["dataset"]["sha256"]
    changed = {name for name, row in rows.items() if row["probability"] != others[name]["probability"]}
    assert changed == {"test/plank/stray.xyz"}
    assert run("eval", "--compare", "r", "usual").code == 0


def test_eval_skips_background(data, fixed):
    result, rows = evaluated("--skip-background", *fixed)
    assert result["settings"]["skip_background"] is True
    check(rows, loaded(fixed, skip_background=True))
    assert evaluated(*fixed, out="usual")[0]["settings"]["skip_background"] is False


def test_classify_skips_background(data, fixed, monkeypatch):
    seen = []
    usual = clip.background.kept_patches
    monkeypatch.setattr(clip.background, "kept_patches", lambda *args: seen.append(args) or usual(*args))
    for option in ((), ("--skip-background",)):
        told = run("classify", "boxes/test/plank/0.obj", "--labels", "plank,pole", "--json", *option, *fixed)
        assert told.code == 0, told.err
        assert told.json["skip_background"] is bool(option) and bool(seen) is bool(option)


@pytest.mark.parametrize("command", [("classify", "boxes/test"), ("eval", "boxes"), ("embed", "boxes", "--out", "i")])
def test_background_is_skipped_by_vits_only(data, command):
    told = run(*command, "--skip-background", "--device", "cpu", "--precision", "fp32")
    assert told.code == 2 and told.err.count("error:") == 1
    assert "skip_background needs a ViT of open_clip with a class token, and the image tower of 'embedded'" in told.err


@pytest.mark.parametrize("option", ["--keep-outliers", "--skip-background"])
def test_an_index_is_searched_as_it_was_made(data, fixed, option):
    (data / "boxes" / "test" / "cube" / "broken.obj").unlink()
    stray = "boxes/test/plank/stray.xyz"
    for name, options in (("usual", ()), ("other", (option,))):
        told = run("embed", "boxes", "--out", name, *options, *fixed)
        assert told.code == 0, told.err
        hit = run("search", stray, "--in", name, "-k", 1, "--json", "--device", "cpu", "--precision", "fp32").json
        assert hit["hits"][0]["path"] == stray and hit["hits"][0]["similarity"] == pytest.approx(1, abs=1e-6)
    usual, other = ShapeIndex("usual"), ShapeIndex("other")
    assert (usual.origin.spec.drop_outliers, usual.origin.spec.skip_background) == (True, False)
    assert (other.origin.spec.drop_outliers, other.origin.spec.skip_background) == (option[2] != "k", option[2] == "s")
    place = [other.name(k) for k in range(len(other))].index(stray)
    moved = float((usual._features[place] - other._features[place]).abs().max())
    assert (moved > 1e-3) is (option == "--keep-outliers")  # the tiny tower has too few patches to leave one out

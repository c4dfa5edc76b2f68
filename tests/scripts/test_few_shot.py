"""The few-shot scripts run on a small folder, keep train and test apart, and tell what they found."""

import csv
import json
import runpy
import sys
from pathlib import Path

import pytest
from support.boxes import write_boxes

from pointclip.heads.checkpoint import load_checkpoint

SCRIPTS = Path(__file__).parent.parent.parent / "scripts"
PER_CLASS = 6


@pytest.fixture
def script(tiny_file, tmp_path, monkeypatch):
    """Run a script on a folder of boxes with the tiny tower."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POINTCLIP_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(SCRIPTS))
    write_boxes(tmp_path / "boxes", PER_CLASS)

    def run(name, *arguments):
        fixed = ["--model", tiny_file, "--views", "ring-2", "--points", "200"]
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments), *fixed])
        return runpy.run_path(str(SCRIPTS / name), run_name="__main__")

    return run


def test_few_shot_writes_a_checkpoint_and_a_report(script, capsys):
    script("few_shot.py", "boxes", "--shots", 2, "--method", "probe", "--out", "mine.safetensors")
    told = json.loads(Path("mine.json").read_text())
    assert load_checkpoint("mine.safetensors").labels == ("cube", "plank", "pole")
    assert told["num_train"] == 6 and told["num_test"] == 6 and told["num_val"] == 6
    assert told["few_shot"]["accuracy"] > told["zero_shot"]["accuracy"]
    assert "few_shot on 6 test shapes" in capsys.readouterr().out


def test_curve_has_a_row_per_fit_and_zero_shot_at_0(script, capsys):
    arguments = ("--dataset", "boxes", "--shots", "1,2", "--methods", "cache,weights", "--seeds", 2, "--out", "c.csv")
    script("few_shot_curve.py", *arguments)
    with open("c.csv", newline="") as file:  # noqa: PTH123
        rows = list(csv.DictReader(file))
    keys = [(row["method"], row["shots"], row["seed"]) for row in rows]
    assert len(keys) == len(set(keys)) == 2 * (1 + 2 * 2)
    assert {row["shots"] for row in rows if row["method"] == "zero-shot"} == {"0"}
    assert all(int(row["num_test"]) == 9 and 0 <= float(row["accuracy"]) <= 1 for row in rows)
    assert "| zero-shot |" in capsys.readouterr().out and Path("c.png").stat().st_size > 1000
    before = Path("c.csv").read_bytes()
    script("few_shot_curve.py", *arguments)
    assert Path("c.csv").read_bytes() == before


@pytest.mark.parametrize("most", [None, 2])
def test_parts_share_nothing_and_follow_the_seed(most, script, monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    from few_shot_curve import parts

    from pointclip.datasets.folder import ClassFolder

    pool = ClassFolder("boxes")
    train, test = parts(pool, pool.labels, 0, most, None)
    assert sorted(train.places + test.places) == list(range(len(pool)))
    assert len(train) == 3 * (3 if most is None else most) and (train.split, test.split) == ("train", "test")
    assert parts(pool, pool.labels, 1, most, None)[0].places != train.places
    assert parts(pool, pool.labels, 0, most, None)[0].places == train.places


def test_shapes_the_head_was_trained_on_are_no_test(script, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["few_shot_curve.py", "--dataset", "sweethome3d"])
    with pytest.raises(SystemExit):
        runpy.run_path(str(SCRIPTS / "few_shot_curve.py"), run_name="__main__")
    assert "was trained on shapes of this pool" in capsys.readouterr().err

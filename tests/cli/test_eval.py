"""``pointclip eval`` on small folders of boxes: the result folder, what is refused, and two results side by side."""

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.boxes import KINDS, write_boxes
from support.command_line import run

import pointclip as pc
from pointclip.datasets.folder import ClassFolder

SAME_BYTES = ("result.json", "predictions.csv", "per_class.csv", "confusion.csv", "confusion.png", "reliability.png")
LOOK = ("--views", "ring-2", "--points", 200)


@pytest.fixture(scope="module")
def fixed(fixed):
    return (*fixed, *LOOK)


@pytest.fixture(scope="module")
def boxes(tmp_path_factory):
    """Write train and test, one test shape damaged."""
    root = tmp_path_factory.mktemp("data") / "boxes"
    write_boxes(root / "train", 8)
    write_boxes(root / "test", 4, seed=1)
    (root / "test" / "cube" / "2.obj").write_text("not a mesh")
    return root


@pytest.fixture(scope="module")
def done(boxes, fixed, tmp_path_factory):
    """Evaluate with everything on; give the run, its folder and its command."""
    folder = tmp_path_factory.mktemp("done") / "result"
    logits = folder.parent / "other.npz"
    write_other(logits, boxes)
    command = ("eval", boxes, "--out", folder, "--reject", "--unknown", "pole", "--with-logits", logits, *fixed)
    return run(*command), folder, command


@pytest.fixture
def away(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_other(path, root, wrong=0):
    """Write another network's logits, right on all shapes but the first few."""
    ids, rows = [], []
    for split in ("train", "test"):
        shapes = ClassFolder(root, split)
        for index in range(len(shapes)):
            ids.append(shapes.id(index))
            rows.append(np.eye(3)[(shapes.labels.index(shapes.label(index)) + (index < wrong)) % 3])
    np.savez(path, ids=np.array(ids), logits=np.array(rows))


def predictions(folder):
    with (folder / "predictions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_damaged_shape_is_a_row_and_counts_as_wrong(done):
    told, folder, _ = done
    assert told.code == 2 and "1 of 12 shapes could not be classified" in told.err and "cube/2.obj" in told.err
    rows, result = predictions(folder), json.loads((folder / "result.json").read_text())
    assert len(rows) == result["dataset"]["shapes"] == 12 and result["failed"] == 1
    assert "counted as wrong: 1 shape that could not be classified" in result["notes"]
    bad = [row for row in rows if row["error"]]
    assert [row["id"] for row in bad] == ["test/cube/2.obj"] and "2.obj" in bad[0]["error"]
    assert {bad[0][name] for name in ("predicted", "probability", "rank", "open_set", "together")} == {""}
    right = sum(row["predicted"] == row["label"] for row in rows)
    assert result["metrics"]["accuracy"] == pytest.approx(right / 12)
    means = [np.mean([row["predicted"] == kind for row in rows if row["label"] == kind]) for kind in KINDS]
    assert result["metrics"]["mean_class_accuracy"] == pytest.approx(np.mean(means))


def test_predictions_are_those_of_classify(done, boxes, tiny_file):
    model = pc.PointCLIP.from_pretrained(tiny_file, views="ring-2", precision="fp32", device="cpu")
    shapes = ClassFolder(boxes, "test", num_points=200)
    for index, row in enumerate(predictions(done[1])):
        if row["error"]:
            continue
        expected = model.classify(shapes.item(index)[0], shapes.labels)
        assert row["id"] == shapes.id(index) and row["label"] == shapes.label(index)
        assert row["top5"].split("|") == list(expected.labels)
        assert float(row["probability"]) == pytest.approx(expected.probs[0], abs=1e-4)
        assert int(row["rank"]) == expected.labels.index(row["label"]) + 1


def test_the_result_says_how_it_came_about(done, boxes):
    _, folder, _ = done
    result = json.loads((folder / "result.json").read_text())
    assert result["command"].startswith(f"pointclip eval {boxes} --")
    assert f" --out {folder} " in result["command"] and " --model tiny-vit@" in result["command"]
    assert result["versions"]["pointclip"] == pc.__version__ and len(result["versions"]) == 5
    assert result["dataset"]["split"] == "test" and result["validation"]["split"] == "train"
    assert result["validation"]["shapes"] == 6  # a quarter of 24
    assert (result["settings"]["seed"], result["settings"]["points"], result["settings"]["up"]) == (0, 200, "own")
    numbers = result["metrics"]
    for name in ("accuracy", "mean_class_accuracy", "top5"):
        low, high = numbers[f"{name}_interval"]
        assert 0 <= low <= numbers[name] <= high <= 1
    assert 0.01 <= numbers["temperature"] <= 100 and numbers["calibration_error"] >= 0
    seconds = json.loads((folder / "timing.json").read_text())["seconds_per_shape"]
    assert set(seconds) == {"read", "draw", "encode"} and min(seconds.values()) > 0


def test_tables_and_plots(done):
    _, folder, _ = done
    table = list(csv.reader((folder / "confusion.csv").open()))
    assert table[0] == ["true class", "cube", "plank", "pole", "(failed)"]
    assert sum(int(cell) for row in table[1:] for cell in row[1:]) == 12 and table[1][-1] == "1"
    rows = list(csv.DictReader((folder / "per_class.csv").open()))
    assert [row["class"] for row in rows] == ["cube", "plank", "pole"] and {row["shapes"] for row in rows} == {"4"}
    for name in ("confusion.png", "reliability.png"):
        with Image.open(folder / name) as picture:
            assert min(picture.size) > 300 and len(picture.convert("RGB").getcolors(1 << 20)) > 10


def test_the_ensemble_and_the_open_set_are_reported(done):
    _, folder, _ = done
    result = json.loads((folder / "result.json").read_text())
    assert result["ensemble"]["accuracy_other"] == 1 and result["ensemble"]["weight_of_other"] > 0.5
    assert result["ensemble"]["accuracy_together"] == pytest.approx(11 / 12)  # the damaged shape
    opened = result["open_set"]
    assert opened["unknown_classes"] == ["pole"] and (opened["known"], opened["unknown"]) == (7, 4)
    assert 0 <= opened["auroc"] <= 1 and opened["score"] in ("probability", "logit")
    answers = {row["open_set"] for row in predictions(folder) if not row["error"]}
    assert answers <= {"cube", "plank", "unknown"}


def test_again_is_quick_and_the_same(done, encoded):
    told, folder, command = done
    before = {name: (folder / name).read_bytes() for name in SAME_BYTES}
    again = run(*command)
    assert not encoded and (again.code, again.out) == (told.code, told.out)
    assert {name: (folder / name).read_bytes() for name in SAME_BYTES} == before


def test_json_is_the_result(away, boxes, fixed):
    told = run("eval", boxes, "--limit", 6, "--split", "train", "--json", "--seed", 3, *fixed)
    assert told.code == 0, told.err
    assert told.json["dataset"]["shapes"] == 6 and told.json["settings"]["limit"] == 6
    assert told.json["validation"] is None and "temperature" not in told.json["metrics"]
    assert "there are no shapes to choose on besides the judged ones" in told.json["notes"][0]
    assert [path.name for path in away.iterdir()] == []


def test_a_folder_without_splits_is_judged_whole(away, fixed):
    write_boxes(away / "plain", 2)
    told = run("eval", "plain", "--out", "r", "--reject", "--unknown", "pole", *fixed)
    assert told.code == 0, told.err
    result = json.loads((away / "r" / "result.json").read_text())
    assert (result["dataset"]["split"], result["dataset"]["shapes"], result["validation"]) == ("all", 6, None)
    assert "left out, for there are no shapes to choose on" in told.err and "a temperature, the threshold" in told.err
    assert result["open_set"]["threshold"] is None and 0 <= result["open_set"]["auroc"] <= 1


def test_a_folder_with_nothing_but_test_is_judged(away, fixed):
    write_boxes(away / "only" / "test", 1)
    dataset = run("eval", "only", "--json", *fixed).json["dataset"]
    assert (dataset["split"], dataset["shapes"]) == ("test", 3)


def test_a_few_shot_head_is_judged_on_the_classes_it_knows(away, boxes, fixed):
    quick = ("--method", "probe", "--shots", 2, "--copies", 0, "--labels", "pole,cube")
    fitted = run("fit", boxes, "--out", "head.safetensors", *quick, *fixed)
    assert fitted.code == 0, fitted.err
    model = [*fixed[:6], "--points", 200]
    told = run("eval", boxes, "--adapter", "head.safetensors", "--json", *model)
    assert told.json["dataset"]["classes"] == ["pole", "cube"] and told.json["dataset"]["left_out"] == 4
    assert "left out: 4 shapes of classes that the few-shot head does not know" in told.json["notes"]
    assert "left out of the validation shapes: 4 shots of the few-shot head" in told.json["notes"]
    assert told.json["metrics"]["accuracy"] >= 7 / 8 - 1e-9  # all but the damaged one
    refused = run("eval", boxes, "--adapter", "head.safetensors", "--views", "ring-6", *model)
    assert refused.code == 2 and "leave --views out" in refused.err
    missing = run("eval", boxes, "--adapter", "none.safetensors", *model)
    assert missing.code == 2 and "none.safetensors does not exist" in missing.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--val-split", "test"), "'test' is one by its name: choose on another one, such as val or a part of train"),
        (("--split", "train", "--val-split", "train"), "judged"),
        (("--split", "dev"), "no split 'dev'"),
        (("--unknown", "pole"), "named for --reject"),
        (("--reject", "--unknown", "sofa"), "'sofa' cannot play an unknown class"),
        (("--reject", "--reject-at-most", "1"), "[0, 1)"),
        (("--with-logits", "none.npz"), "no such file of logits"),
        (("--with-logits", __file__), "(object) data): write it with"),
        (("--out", "file"), "is a file"),
        (("--views", "rung-6"), "did you mean 'ring-K'"),
        (("--compare", "a", "b"), "no dataset"),
    ],
)
def test_bad_input_is_one_sentence_before_any_work(arguments, words, away, boxes, fixed, monkeypatch):
    monkeypatch.setattr("pointclip.evaluation.run.encode_dataset", None)
    (away / "file").write_text("")
    told = run("eval", boxes, *fixed, *arguments)
    assert told.code == 2 and words in told.err and told.err.count("error:") == 1, told.err
    assert [path.name for path in away.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        ((), "name a dataset"),
        (("nowhere",), "nowhere"),
        (("empty",), "holds no folder"),
        (("modelnet40",), "modelnet40"),
    ],
)
def test_datasets_that_are_none(dataset, words, away, fixed):
    (away / "empty").mkdir()
    told = run("eval", *dataset, *fixed)
    assert told.code == 2 and words in told.err and told.err.count("error:") == 1


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that not even root can write to")
def test_a_result_in_the_dataset_is_refused(boxes, fixed):
    told = run("eval", boxes, "--out", boxes / "result", *fixed)
    assert told.code == 2 and "would be taken for a class" in told.err and not (boxes / "result").exists()


def test_a_place_that_cannot_be_written_is_refused(boxes, fixed, monkeypatch):
    monkeypatch.setattr("pointclip.evaluation.run.encode_dataset", None)
    told = run("eval", boxes, "--out", "/proc/result", *fixed)
    assert told.code == 2 and "cannot be written" in told.err and told.err.count("error:") == 1
    told = run("eval", boxes, "--out", boxes / "result", *fixed)
    assert told.code == 2 and "would be taken for a class" in told.err and not (boxes / "result").exists()


def test_logits_of_too_few_shapes_are_refused_before_any_work(away, boxes, fixed, monkeypatch):
    monkeypatch.setattr("pointclip.evaluation.run.encode_dataset", None)
    shapes = ClassFolder(boxes, "test")
    np.savez("part.npz", ids=np.array([shapes.id(k) for k in range(12)]), logits=np.zeros((12, 3)))
    told = run("eval", boxes, "--with-logits", "part.npz", *fixed)
    assert told.code == 2 and "lack 6 of 6 shapes" in told.err  # those of validation


def test_ctrl_c_says_how_to_go_on(away, boxes, fixed, monkeypatch):
    def stop(*_, watch, **__):
        watch(5, 18)
        raise KeyboardInterrupt

    monkeypatch.setattr("pointclip.evaluation.run.encode_dataset", stop)
    told = run("eval", boxes, "--out", "r", *fixed)
    assert told.code == 130 and "what was done is kept: the same command goes on" in told.err


CHILD = """
import pathlib, sys, time
sys.path.insert(0, sys.argv[1])
from support.tiny_towers import register
register(pathlib.Path(sys.argv[2]))
from pointclip.encoding.rows import RowStore
from pointclip.cli import app
whole = RowStore.add
def slow(self, *row):
    whole(self, *row)
    print("row", flush=True)
    time.sleep(0.05)
RowStore.add = slow
app(sys.argv[3:])
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a system with SIGKILL")
def test_a_killed_run_is_resumed_to_the_same_bytes(tmp_path, fixed, monkeypatch, encoded):
    write_boxes(tmp_path / "data" / "train", 4)
    write_boxes(tmp_path / "data" / "test", 5, seed=1)
    command = ["eval", str(tmp_path / "data"), "--out", "result", *map(str, fixed)]
    for name in ("undisturbed", "killed", "arch"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("POINTCLIP_CACHE", "cache")
    monkeypatch.chdir(tmp_path / "undisturbed")
    assert run(*command).code == 0
    assert len(encoded) == 18  # three of validation
    monkeypatch.chdir(tmp_path / "killed")
    start = [sys.executable, "-c", CHILD, str(Path(__file__).parent.parent), str(tmp_path / "arch"), *command]
    child = subprocess.Popen(start, stdout=subprocess.PIPE, text=True)
    for _ in range(7):
        assert child.stdout.readline() == "row\n"
    child.kill()
    child.wait()
    child.stdout.close()
    assert not Path("result").exists()
    encoded.clear()
    assert run(*command).code == 0
    assert 1 <= len(encoded) <= 11
    for name in SAME_BYTES:
        assert Path("result", name).read_bytes() == (tmp_path / "undisturbed" / "result" / name).read_bytes(), name


def test_what_one_command_encoded_all_others_find(boxes, away, own_cache, fixed, encoded):
    def count(*command):
        encoded.clear()
        told = run(*command, *(fixed[:6] if "--adapter" in command else fixed[:8]), "--points", 200)
        assert told.code == 0, told.err
        return len(encoded)

    write_boxes(away / "boxes" / "train", 3)
    write_boxes(away / "boxes" / "test", 2, seed=1)
    assert count("eval", "boxes", "--out", "r1") == 8  # two of validation
    assert count("eval", "boxes", "--out", "r2") == 0
    assert Path("r1", "predictions.csv").read_bytes() == Path("r2", "predictions.csv").read_bytes()
    assert count("eval", "boxes", "--split", "train", "--no-calibrate", "--templates", "pointclip", "--out", "r3") == 7
    learn = ("fit", "boxes", "--shots", 2, "--method", "probe")
    assert count(*learn, "--copies", 0, "--out", "h0") == 0
    assert count(*learn, "--copies", 2, "--out", "h1") == 12 and None not in {copy for _, copy in encoded}
    assert count("embed", "boxes", "--out", "index") == 0
    assert count("eval", "boxes", "--adapter", "h1", "--out", "r4") == 0  # a head needs no features of its own
    assert count("eval", "boxes", "--pose", "search", "--no-calibrate", "--out", "r5") == 5 * 6
    assert count("eval", "boxes", "--seed", 1, "--no-calibrate", "--out", "r6") == 6  # other points of the meshes

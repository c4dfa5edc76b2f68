"""``pointclip classify`` end to end on a tiny random tower: answers, outputs, files good and bad."""

import csv
import os
import re

import numpy as np
import pytest
import trimesh
from PIL import Image
from support.command_line import run

import pointclip as pc
from pointclip._base.assets import asset
from pointclip.points import load
from pointclip.prompts import sentences as prompts

LABELS = ("--labels", "ball,night_stand, box")
SHAPES = ["box.obj", "sub/ball.ply", "sub/cloud.xyz"]


def told(text):
    """Read tables back: path to list of (rank, label, probability)."""
    found, path = {}, ""
    for line in text.splitlines():
        row = re.fullmatch(r"  +(\d+)  (.+?) +(\d\.\d{3})", line.rstrip())
        if row:
            found[path].append((int(row[1]), row[2], float(row[3])))
        elif not line.startswith(" "):
            path = line.strip()
            found[path] = []
    return found


@pytest.fixture
def expected(tiny_file, shapes):
    model = pc.PointCLIP.from_pretrained(tiny_file, views="ring-2", device="cpu", precision="fp32")

    def predict(path, labels, **options):
        return model.classify(load(path, 300, **options), labels)

    return predict


def test_tables_json_and_csv_tell_what_the_model_says(classify, expected):
    labels = ("ball", "night stand", "box")
    as_json, as_table = classify(*SHAPES, *LABELS, "--json"), classify(*SHAPES, *LABELS, "--csv", "out.csv")
    assert (as_json.code, as_table.code) == (0, 0)
    table, document = told(as_table.out), as_json.json
    rows = list(csv.DictReader(open("out.csv", newline="")))  # noqa: PTH123, SIM115
    assert [entry["path"] for entry in document["shapes"]] == list(table) == SHAPES
    for entry in document["shapes"]:
        path = entry["path"]
        truth = expected(path, labels)
        best = [(p["rank"], p["label"], p["probability"]) for p in entry["predictions"]]
        assert [label for _, label, _ in best] == list(truth.labels)
        assert [rank for rank, _, _ in best] == [1, 2, 3]
        assert [prob for _, _, prob in best] == pytest.approx(truth.probs, abs=1e-6)
        assert table[path] == [(rank, label, round(prob, 3)) for rank, label, prob in best]
        mine = [(int(r["rank"]), r["label"]) for r in rows if r["path"] == path]
        assert mine == [(rank, label) for rank, label, _ in best]
        assert [float(r["probability"]) for r in rows if r["path"] == path] == pytest.approx(truth.probs, rel=1e-4)


def test_json_says_what_was_run(classify, tiny_file):
    document = classify("sub", *LABELS, "--json", "--seed", 7, "--up", "z").json
    assert document["pointclip"] == pc.__version__
    assert document["labels"] == ["ball", "night stand", "box"]
    wanted = {"model": tiny_file, "views": "ring-2", "style": "auto", "templates": "shape"}
    wanted |= {"up": "z", "points": 300, "seed": 7, "device": "cpu", "precision": "fp32"}
    assert {key: document[key] for key in wanted} == wanted
    assert [entry["style"] for entry in document["shapes"]] == ["shaded", "depth"], "a cloud has no normals"


def test_options_reach_the_model(classify, expected):
    labels = prompts.read_labels(asset("labels/modelnet40.txt"))
    entry = classify("box.obj", "--up", "z", "--seed", 5, "--top-k", 7, "--json").json["shapes"][0]
    truth = expected("box.obj", labels, up="z", seed=5)
    assert [p["label"] for p in entry["predictions"]] == list(truth.labels[:7])
    assert [p["probability"] for p in entry["predictions"]] == pytest.approx(truth.probs[:7], abs=1e-6)
    plain = classify("box.obj", "--json").json
    assert len(plain["shapes"][0]["predictions"]) == 5
    assert plain["labels"] == list(labels)
    assert plain["shapes"][0]["predictions"][0]["probability"] != pytest.approx(truth.probs[0], abs=1e-9)


def test_labels_from_a_file(classify, shapes):
    (shapes / "labels.txt").write_text("# mine\nlamp\n\nbar_stool\n")
    assert classify("box.obj", "--labels-file", "labels.txt", "--json").json["labels"] == ["lamp", "bar stool"]


def test_folders_and_patterns(classify):
    assert list(told(classify(".", *LABELS).out)) == SHAPES
    assert list(told(classify("**/*.xyz", "*.obj", *LABELS).out)) == ["sub/cloud.xyz", "box.obj"]


def test_saved_pictures_are_what_the_encoder_sees(classify, shapes, tiny_file):
    (shapes / "sub" / "box.obj").write_bytes((shapes / "box.obj").read_bytes())
    ran = classify(".", *LABELS, "--save-views", "views", "--json")
    assert ran.code == 0
    saved = [picture for entry in ran.json["shapes"] for picture in entry["pictures"]]
    assert len(set(saved)) == 4 * 2
    assert sorted(saved) == sorted(str(path.relative_to(shapes)) for path in (shapes / "views").rglob("*.png"))
    cloud = load("box.obj", 300)
    model = pc.PointCLIP.from_pretrained(tiny_file, views="ring-2", device="cpu", precision="fp32")
    drawn = model.render(cloud)[0, 1].permute(1, 2, 0)
    pixels = np.asarray(Image.open(ran.json["shapes"][0]["pictures"][1])) / 255
    assert abs(pixels - drawn.numpy()).max() < 0.003


BAD = {
    "empty.obj": ("", "is empty"),
    "nan.obj": ("v 0 0 nan\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "NaN"),
    "one.xyz": ("1 2 3\n", "single point"),
    "cut.off": ("OFF\n3 1 0\n0 0 0\n1 0 0\n", "ends before the last"),
    "notes.doc": ("hello", "unknown file type"),
    "binary.obj": (bytes(range(256)) * 20, "not a text file"),
}


@pytest.fixture
def bad_files(shapes):
    for name, (content, _) in BAD.items():
        (shapes / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    (shapes / "nothing").mkdir()
    return [*BAD, "missing.obj", "zz*.obj", "nothing"]


def test_bad_files_among_good_ones(classify, bad_files):
    ran = classify("box.obj", *bad_files, "sub", *LABELS, "--csv", "out.csv")
    assert ran.code == 2
    table = told(ran.out)
    assert list(table) == ["box.obj", *bad_files, "sub/ball.ply", "sub/cloud.xyz"]
    assert [path for path, rows in table.items() if rows] == SHAPES
    for name, (_, words) in BAD.items():
        assert re.search(rf"^  error: {re.escape(name)} .*{words}.*: .*", ran.out, re.MULTILINE)
    assert ran.err.splitlines()[-1] == "error: 9 of 12 shapes could not be classified"
    assert "Traceback" not in ran.out + ran.err
    rows = list(csv.DictReader(open("out.csv", newline="")))  # noqa: PTH123, SIM115
    assert [row["path"] for row in rows if row["error"]] == bad_files
    assert [row["path"] for row in rows if row["rank"] == "1"] == SHAPES


def test_an_off_file_without_faces_is_a_cloud(classify, shapes):
    (shapes / "points.off").write_text("OFF\n3 0 0\n0 0 0\n1 0 0\n0 1 0\n")
    ran = classify("points.off", *LABELS, "--json")
    assert (ran.code, ran.json["counts"]["classified"]) == (0, 1)


def test_json_stays_whole_with_bad_files(classify, bad_files):
    ran = classify(*bad_files, "box.obj", *LABELS, "--json")
    assert ran.code == 2
    assert ran.json["counts"] == {"files": 10, "classified": 1, "failed": 9}
    errors = [entry["error"] for entry in ran.json["shapes"] if "error" in entry]
    assert ran.err.splitlines()[-10:-1] == [f"error: {error}" for error in errors], "and each error is on stderr"


@pytest.mark.parametrize("name", [*BAD, "missing.obj", "zz*.obj", "nothing"])
def test_one_bad_file_is_one_sentence(classify, bad_files, name):
    ran = classify(name, *LABELS)
    assert (ran.code, ran.out) == (2, "")
    last = ran.err.splitlines()[-1]
    assert re.fullmatch(rf"error: {re.escape(name)} .+: .+", last), "the file, what is wrong, and what to do"


def test_nothing_to_read_loads_no_model(classify, bad_files, monkeypatch):
    monkeypatch.setattr(pc.PointCLIP, "from_pretrained", lambda *_, **__: pytest.fail("a model was loaded"))
    ran = classify("missing.obj", "nothing", "zz*", "--json")
    assert ran.code == 2
    assert ran.json["counts"]["failed"] == 3


def test_a_style_that_needs_what_a_shape_lacks_is_an_error_of_that_shape(classify):
    ran = classify("box.obj", "sub/cloud.xyz", *LABELS, "--style", "color", "--json")
    assert ran.code == 2
    assert re.match(r"box.obj: style 'color' needs colours", ran.json["shapes"][0]["error"])


WRONG = [
    (("--labels", "chair,chair"), "labels must differ, got 'chair' and 'chair': remove one"),
    (("--labels", ""), "labels must not be empty"),
    (("--labels", "a,,b"), "labels must not be empty"),
    (("--labels-file", "none.txt"), "none.txt does not exist"),
    (("--labels-file", "blank.txt"), "blank.txt: labels must hold at least one"),
    (("--labels-file", "sub"), "sub is a folder: name a text file"),
    (("--labels", "a", "--labels-file", "blank.txt"), "--labels and --labels-file name classes twice: give one"),
    (("--views", "rin-6"), "no rig is named 'rin-6': did you mean"),
    (("--style", "shadd"), "no style is named 'shadd': did you mean 'shaded'"),
    (("--templates", "sinle"), "no template set .*'sinle': did you mean 'single'"),
    (("--templates", "a photo of {} or {}"), "exactly once"),
    (("--device", "tpuu"), "device 'tpuu' cannot be used here"),
    (("--csv", "sub"), "sub is a folder: name a file"),
    (("--csv", "none/a.csv"), "none is no folder: make it first"),
    (("--csv", "box.obj/a.csv"), "box.obj is no folder"),
    (("--csv", "/proc/a.csv"), "/proc/a.csv cannot be written"),
    (("--save-views", "box.obj"), "box.obj cannot be a folder, for it is a file"),
    (("--save-views", "/proc/pictures"), "/proc/pictures cannot be written"),
    (("--up", "w"), "Invalid value for '--up'"),
    (("--top-k", "0"), "Invalid value for '--top-k'"),
    (("--points", "1"), "Invalid value for '--points'"),
    (("--seed", "-1"), "Invalid value for '--seed'"),
    (("--precision", "fp8"), "Invalid value for '--precision'"),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG)
def test_wrong_arguments_are_refused_before_the_model_is_loaded(classify, shapes, monkeypatch, arguments, words):
    (shapes / "blank.txt").write_text("# nothing\n")
    before = sorted(shapes.rglob("*"))
    monkeypatch.setattr(pc.PointCLIP, "from_pretrained", lambda *_, **__: pytest.fail("a model was loaded"))
    ran = classify("box.obj", *arguments, env={"COLUMNS": "200"})
    assert (ran.code, ran.out) == (2, "")
    assert re.search(words, ran.err)
    assert "Traceback" not in ran.err
    assert sorted(shapes.rglob("*")) == before, "nothing is left behind"


def test_weights_that_cannot_be_had_are_one_sentence(shapes):
    for name in ("nothing", f"RN50@{shapes}/none.pt"):
        ran = run("classify", "box.obj", "--model", name, "--csv", "out.csv")
        assert (ran.code, ran.out) == (2, "")
        assert re.fullmatch(r"error: .*(did you mean|expected|does not exist).*\n", ran.err)
    assert not any(name.endswith((".csv", ".part")) for name in os.listdir(shapes))  # noqa: PTH208


def test_ten_thousand_answers_are_not_kept_as_tensors(classify, monkeypatch):
    """Rows hold strings and numbers only, so that a run over many files stays small."""
    from pointclip.cli import report

    kept = []
    monkeypatch.setattr(report, "as_document", lambda rows, _: kept.extend(rows) or {})
    classify("box.obj", *LABELS, "--json")
    kinds = {type(value) for row in kept for value in (*row.labels, *row.probs, row.path, row.style)}
    assert kinds == {str, float}


@pytest.mark.parametrize("name", ["names.json", "missing.txt", "box.obj"])
def test_a_file_given_to_labels_is_no_class(classify, shapes, name):
    (shapes / "names.json").write_text('["ball", "box"]')
    ran = classify("box.obj", "--labels", name)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.splitlines()[-1].endswith("give a file of names to --labels-file")


def test_shapes_of_a_folder_that_are_not_read_are_counted(classify, shapes):
    for name in ("a.fbx", "sub/b.FBX", "sub/c.step", ".hidden.fbx", "notes.pdf", "readme.txt"):
        (shapes / name).write_text("nothing")
    ran = classify(".", *LABELS)
    assert ran.code == 0
    assert "note: left out of the folders: 2 .fbx, 1 .step (name one" in ran.err
    assert classify(".", *LABELS, "--json").json["notes"][0].startswith("left out of the folders: 2 .fbx, 1 .step")
    assert "notes" not in classify("box.obj", *LABELS, "--json").json


def test_labels_of_one_prompt_are_noted(classify, shapes):
    (shapes / "words.json").write_text('{"ball": ["a thing."], "box": ["a thing."]}')
    ran = classify("box.obj", "--labels", "ball,box", "--templates", "words.json")
    assert ran.code == 0 and "note: the text tower cannot tell 'ball' from 'box'" in ran.err


def test_a_shape_from_standard_input(classify, shapes):
    data = (shapes / "sub" / "ball.ply").read_bytes()
    truth = classify("sub/ball.ply", *LABELS, "--json").json["shapes"][0]
    ran = classify("-", *LABELS, "--json", "--csv", "out.csv", input=data)
    assert ran.code == 0, ran.err
    assert ran.json["shapes"] == [{**truth, "path": "-"}]
    assert list(csv.DictReader(open("out.csv", newline="")))[0]["path"] == "-"  # noqa: PTH123, SIM115, RUF015


def test_a_row_left_out_is_a_note(classify, shapes):
    rows = [f"{k % 7} {k % 5} {k % 3}" for k in range(200)]
    (shapes / "scan.xyz").write_text("\n".join([*rows, "nan 0 0"]))
    ran = classify("scan.xyz", *LABELS, "--json")
    assert (ran.code, ran.json["shapes"][0]["notes"]) == (0, ["1 row with NaN or infinite coordinates left out"])


def test_many_files_are_encoded_once_and_answered_as_few_are(classify, shapes, encoded):
    for number in range(9):
        trimesh.creation.box((1, 2, 1 + number)).export(f"{number}.stl")
    (shapes / "4.stl").write_text("no mesh")
    many = classify(".", "gone.obj", *LABELS, "--json", "--pose", "search", "--save-views", "views")
    assert many.code == 2 and many.err.count("error:") == 3 and len(encoded) == 11 * 6
    told = [entry for entry in many.json["shapes"] if not entry.get("error")]
    assert len(told) == 11 and all(len(entry["pictures"]) == 2 for entry in told)
    for entry in told[::3]:
        few = classify(entry["path"], *LABELS, "--json", "--pose", "search").json["shapes"][0]
        assert [(row["label"], pytest.approx(row["probability"], abs=1e-5)) for row in few["predictions"]] == [
            (row["label"], row["probability"]) for row in entry["predictions"]
        ]
        assert {name: few[name] for name in ("path", "style", "up")} == {
            name: entry[name] for name in ("path", "style", "up")
        }
    other = classify(".", "gone.obj", "--labels", "box,pole", "--json")
    assert len(encoded) == 11 * 6
    assert [entry["path"] for entry in other.json["shapes"]] == [entry["path"] for entry in many.json["shapes"]]

"""The command line with its default model, end to end."""

from importlib.util import find_spec

import pytest
from support.command_line import run

from pointclip.cli import doctor
from pointclip.weights import embedded

LACKING = [package for package in embedded.PACKAGES if find_spec(package) is None]
pytestmark = pytest.mark.skipif(bool(LACKING), reason=f"the extra 'embedded' is not installed: {', '.join(LACKING)}")


def test_classify_works_without_any_option(shapes):
    ran = run("classify", "box.obj", "sub/ball.ply")
    assert ran.code == 0
    assert "a small default that needs no network, not CLIP" in ran.err
    lines = ran.out.splitlines()
    assert [lines[0], lines[6]] == ["box.obj", "sub/ball.ply"]
    for block in (lines[1:6], lines[7:12]):
        ranked = [line.split() for line in block]
        probs = [float(words[-1]) for words in ranked]
        assert [words[0] for words in ranked] == ["1", "2", "3", "4", "5"]
        assert probs == sorted(probs, reverse=True)
        assert 0 < sum(probs) <= 1.003


def test_json_of_the_default_model(shapes):
    document = run("classify", "sub", "--labels", "ball,cube,chair", "--json").json
    assert document["model"] == "embedded"
    assert document["counts"] == {"files": 2, "classified": 2, "failed": 0}
    for entry in document["shapes"]:
        assert sum(row["probability"] for row in entry["predictions"]) == pytest.approx(1, abs=1e-4)


def test_labels_that_the_default_model_cannot_read_are_noted(shapes):
    labels = "\u6905\u5b50,\u684c\u5b50,\u6c99\u53d1"
    ran = run("classify", "box.obj", "--labels", labels, "--json")
    notes = ran.json["notes"]
    assert any("cannot tell" in note for note in notes) or any("has no words for" in note for note in notes)
    told = run("classify", "box.obj", "--labels", labels)
    assert [line for line in told.err.splitlines() if line.startswith("note: ")] == [f"note: {note}" for note in notes]


def test_a_label_of_no_known_meaning_is_noted(shapes):
    document = run("classify", "box.obj", "--labels", "ball,glass box,flurb", "--json").json
    assert document["notes"] == ["no meaning is known of flurb: name a more common kind of thing"]
    assert "notes" not in run("classify", "box.obj", "--json").json, "the 40 default labels are all known"


def test_models_and_doctor_find_the_default_model_ready(monkeypatch, tmp_path):
    monkeypatch.setenv("POINTCLIP_CACHE", str(tmp_path))
    first = run("models", "--json").json["models"][0]
    assert (first["name"], first["ready"]) == ("embedded", True)
    check = doctor.examine("embedded")
    assert check.ok
    assert "precision: " in check.note

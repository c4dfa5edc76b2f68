"""Two results side by side: the paired test, and results that cannot be paired."""

import json

import numpy as np
import pytest
from scipy.stats import binom
from support.command_line import run

from pointclip.errors import InputError
from pointclip.evaluation.comparison import compare, paired_test
from pointclip.evaluation.judged import Judged
from pointclip.evaluation.result_folder import as_document, write_result
from pointclip.evaluation.run import Evaluation
from pointclip.evaluation.scores import accuracies, calibration_errors

CLASSES = ("bowl", "cup", "sofa")


@pytest.fixture(autouse=True)
def no_plots(monkeypatch):
    """Pictures play no part here."""
    monkeypatch.setattr("pointclip.evaluation.plots.plot_confusion", lambda *_: None)
    monkeypatch.setattr("pointclip.evaluation.plots.plot_reliability", lambda *_: None)


def write(folder, wrong, *, ids=range(40), name="things", split="test", sha="files", classes=CLASSES, **settings):
    """Write a result whose shapes are right but those listed."""
    places = np.array(list(ids))
    targets = places % len(classes)
    logits = np.eye(len(classes), dtype=np.float32)[(targets + np.isin(places, wrong)) % len(classes)]
    errors = [""] * len(places)
    judged = Judged(split, classes, [f"{k}.obj" for k in places], targets, logits, errors, {}, sha)
    judged.seconds = {stage: np.zeros(len(places)) for stage in ("read", "draw", "encode")}
    found = Evaluation(judged, metrics=accuracies(judged) | calibration_errors(judged, None))
    folder.mkdir()
    write_result(folder, found, as_document(found, name, {"points": 100, "up": "y", "seed": 0} | settings))
    return folder


def test_the_exact_test_by_hand():
    a = np.array([True] * 12 + [False] * 3 + [True] * 25)
    b = np.array([False] * 12 + [True] * 3 + [True] * 25)
    told = paired_test(a, b)
    assert (told["only_a"], told["only_b"], told["both"], told["neither"]) == (12, 3, 25, 0)
    assert told["p_value"] == pytest.approx(2 * binom.cdf(3, 15, 0.5))
    assert told["difference"] == pytest.approx(-9 / 40)
    low, high = told["difference_interval"]
    assert low < -9 / 40 < high < 0
    swapped = paired_test(b, a)
    assert swapped["p_value"] == pytest.approx(told["p_value"]) and swapped["difference"] == -told["difference"]
    assert paired_test(a, a)["p_value"] == 1.0 and paired_test(a, a)["difference_interval"] == [0, 0]


def test_side_by_side(tmp_path):
    a, b = write(tmp_path / "a", [0, 1, 2, 3, 4, 5, 6]), write(tmp_path / "b", [0, 8], sha="sampled", points=500)
    told = compare(a, b)
    assert (told["paired"]["only_a"], told["paired"]["only_b"], told["paired"]["neither"]) == (1, 6, 1)
    assert told["a"]["metrics"]["accuracy"] == pytest.approx(33 / 40)
    shown = run("eval", "--compare", a, b)
    assert shown.code == 0 and "82.5 %" in shown.out and "+12.5 points" in shown.out and "p = 0.125" in shown.out
    assert run("eval", "--compare", a, b, "--json").json == json.loads(json.dumps(told))


def test_only_shapes_that_both_have_are_paired(tmp_path):
    a, b = write(tmp_path / "a", [0, 1]), write(tmp_path / "b", [0], ids=range(0, 40, 2), sha="fewer")
    told = compare(a, b)
    assert told["paired"]["shapes"] == 20 and told["paired"]["neither"] == 1


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"name": "others"}, "different datasets"),
        ({"split": "train"}, "different splits"),
        ({"classes": ("bowl", "cup", "bed")}, "different classes"),
        ({"sha": "changed"}, "changed between the two"),
        ({"ids": range(50, 60)}, "no shape in common"),
    ],
)
def test_results_that_cannot_be_paired(other, words, tmp_path):
    a, b = write(tmp_path / "a", [0]), write(tmp_path / "b", [1], **other)
    with pytest.raises(InputError, match=words):
        compare(a, b)


def test_another_truth_is_refused(tmp_path):
    a, b = write(tmp_path / "a", [0]), write(tmp_path / "b", [1], ids=range(39), sha="fewer")
    path = b / "predictions.csv"
    path.write_text(path.read_text().replace("0.obj,bowl", "0.obj,cup", 1))
    with pytest.raises(InputError, match="two different true classes"):
        compare(a, b)


def test_folders_without_a_result(tmp_path):
    a = write(tmp_path / "a", [0])
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    for name in ("empty", "file", "nowhere"):
        told = run("eval", "--compare", a, tmp_path / name)
        assert told.code == 2 and "holds no result.json" in told.err and told.err.count("error:") == 1
    for content, words in (("{", "cannot be read"), ("[]", "no result of this version"), ("{}", "no result of this")):
        (tmp_path / "empty" / "result.json").write_text(content)
        (tmp_path / "empty" / "predictions.csv").write_text("id\n1\n")
        told = run("eval", "--compare", a, tmp_path / "empty")
        assert told.code == 2 and words in told.err
    (a / "predictions.csv").write_text("id,label\n1,2\n")
    assert "lacks rows or columns" in run("eval", "--compare", a, a).err

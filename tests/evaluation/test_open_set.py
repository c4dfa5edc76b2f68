"""Rejection of unknown classes: what is chosen, on what, and how it is judged; and the part to choose on."""

import numpy as np
import pytest

from pointclip.errors import InputError
from pointclip.evaluation.judged import Judged
from pointclip.evaluation.open_set import Rejection, fit_rejection, hold_out, judge_rejection
from pointclip.evaluation.scores import held_out, without_classes
from pointclip.evaluation.splits import evenly, validation_part, validation_split


def shapes(count, classes, gain, seed, split="val"):
    """Make judged shapes whose true class gets ``gain`` more than the others' noise."""
    random = np.random.default_rng(seed)
    targets = np.arange(count) % classes
    logits = random.normal(size=(count, classes)).astype(np.float32)
    logits[np.arange(count), targets] += gain
    names = tuple(f"class {k}" for k in range(classes))
    return Judged(split, names, [f"{split} {k}" for k in range(count)], targets, logits, [""] * count, {})


@pytest.mark.parametrize("goal", [0.0, 0.05, 0.2])
def test_the_threshold_rejects_at_most_the_goal_on_validation(goal):
    val = shapes(400, 10, 4.0, 0)
    found = fit_rejection(val.logits, val.targets, split="val", goal=goal)
    assert found.rejects(val.logits).mean() == pytest.approx(goal)
    test = shapes(4000, 10, 4.0, 1)
    assert found.rejects(test.logits).mean() == pytest.approx(goal, abs=0.04)


def test_the_score_that_tells_more_is_chosen():
    """Unknown shapes have no high logit here; or the logits' level says nothing and only the margin does."""
    val = shapes(400, 10, 4.0, 0)
    assert fit_rejection(val.logits, val.targets, split="val").score == "logit"
    level = 20 * np.random.default_rng(2).normal(size=(400, 1))
    assert fit_rejection(val.logits + level, val.targets, split="val").score == "probability"


def test_a_siglips_probability_takes_the_place_of_the_logit():
    """The order of shapes is the logit's; the threshold is a probability of a match, with the bias in it."""
    val = shapes(400, 10, 4.0, 0)
    plain = fit_rejection(val.logits, val.targets, split="val")
    found = fit_rejection(val.logits, val.targets, split="val", bias=-3.0)
    assert (plain.score, found.score, found.bias) == ("logit", "sigmoid", -3.0)
    assert found.threshold == pytest.approx(1 / (1 + np.exp(3.0 - plain.threshold)))
    assert found.rejects(val.logits).tolist() == plain.rejects(val.logits).tolist()
    assert Rejection("sigmoid", bias=-3.0).scores(np.array([[3.0, 1.0]])).tolist() == [0.5]
    told, _ = without_classes(shapes(100, 5, 5.0, 1, "test"), None, ["class 0"], 0.05, True, bias=-3.0)
    assert told["score"] == "sigmoid" and told["threshold"] is None


def test_unknown_classes_are_struck_off_and_found():
    test, val = shapes(600, 10, 6.0, 1, "test"), shapes(400, 10, 6.0, 0)
    told, answers = without_classes(test, val, ["class 3", "class 7"], 0.05, True)
    assert (told["known"], told["unknown"]) == (480, 120)
    assert told["auroc"] > 0.97 and told["detection_rate"] > 0.8 and told["false_rejection_rate"] < 0.12
    assert not {"class 3", "class 7"} & set(answers)
    said = np.array([answer == "unknown" for answer in answers])
    unknown = np.isin(test.targets, [3, 7])
    assert said[unknown].mean() == told["detection_rate"] and said[~unknown].mean() == told["false_rejection_rate"]


def test_validation_shapes_of_unknown_classes_are_not_looked_at():
    test, val = shapes(200, 8, 5.0, 1, "test"), shapes(160, 8, 5.0, 0)
    expected = without_classes(test, val, ["class 2"], 0.05, True)
    val.logits[val.targets == 2] = 1000 * np.random.default_rng(5).random((20, 8))
    val.logits[:, 2] += 50
    assert without_classes(test, val, ["class 2"], 0.05, True) == expected


def test_without_validation_there_is_no_threshold():
    told, answers = without_classes(shapes(100, 5, 5.0, 1, "test"), None, ["class 0"], 0.05, True)
    assert told["threshold"] is None and told["auroc"] > 0.8 and "detection_rate" not in told
    assert "unknown" not in answers


def test_failed_shapes_have_no_answer():
    test = shapes(100, 5, 5.0, 1, "test")
    test.errors[4] = "bad"
    told, answers = without_classes(test, shapes(50, 5, 5.0, 0), ["class 0"], 0.05, False)
    assert told["known"] + told["unknown"] == 99 and [k for k, answer in enumerate(answers) if not answer] == [4]


def test_a_leak_is_refused():
    val = shapes(40, 4, 5.0, 0, split="test")
    with pytest.raises(InputError, match="nothing is chosen on a test split"):
        fit_rejection(val.logits, val.targets, split="test")
    with pytest.raises(InputError, match="nothing is chosen on a test split"):
        without_classes(shapes(40, 4, 5.0, 1, "test"), val, ["class 0"], 0.05, False)


def test_who_plays_the_unknown():
    names = [f"class {k}" for k in range(20)]
    drawn = hold_out(names, seed=1)
    assert len(drawn) == 4 and drawn == hold_out(names, seed=1) != hold_out(names, seed=2)
    assert set(held_out(names, set(names[:5]), (), 0)) < set(names[:5])
    for named, words in ((["sofa"], "'sofa' cannot play"), (["class 9"], "no judged shape"), (names[:5], "must stay")):
        with pytest.raises(InputError, match=words):
            held_out(names, set(names[:5]), named)
    with pytest.raises(InputError, match="at least 3 classes"):
        hold_out(["a", "b"])
    with pytest.raises(InputError, match=r"\[0, 1\)"):
        fit_rejection(np.zeros((1, 2)), np.array([0]), split="val", goal=1.0)


def test_without_a_threshold_nothing_is_rejected():
    assert not Rejection().rejects(np.zeros((3, 2))).any()
    assert judge_rejection(Rejection(), np.eye(2), np.array([0, -1]))["auroc"] == 0.5


@pytest.mark.parametrize(
    ("splits", "judged", "expected"),
    [
        (("test", "train", "val"), "test", "val"),
        (("test", "train"), "test", "train"),
        (("train", "val"), "val", "train"),
        (("test", "train"), "train", None),
        (("test",), "test", None),
        (("all",), "all", None),
        (("test", "train", "val"), "all", None),
    ],
)
def test_the_split_to_choose_on(splits, judged, expected):
    assert validation_split(splits, judged) == expected


@pytest.mark.parametrize(
    ("judged", "wanted", "words"),
    [("val", "test", "test split"), ("val", "val", "judged"), ("all", "val", "judged"), ("test", "dev", "no split")],
)
def test_wrong_splits_to_choose_on(judged, wanted, words):
    with pytest.raises(InputError, match=words):
        validation_split(("test", "train", "val"), judged, wanted)


def test_the_part_of_train_holds_each_class_in_proportion():
    labels = ["a"] * 40 + ["b"] * 400 + ["c"] * 4
    part = validation_part(labels, "train", seed=0)
    assert len(part) == len(set(part)) == 111 and part == sorted(part)
    counts = [sum(labels[k] == name for k in part) for name in "abc"]
    assert counts == [10, 100, 1]
    assert part == validation_part(labels, "train", seed=0) != validation_part(labels, "train", seed=1)
    assert len(validation_part(["a"] * 9000, "train")) == 500 and len(validation_part(["a"] * 300, "val")) == 300
    assert validation_part([], "val") == []
    with pytest.raises(InputError, match="test split"):
        validation_part(labels, "test")


def test_even_steps():
    assert evenly(5, None) == evenly(5, 9) == [0, 1, 2, 3, 4]
    assert evenly(1000, 3) == [166, 500, 833]

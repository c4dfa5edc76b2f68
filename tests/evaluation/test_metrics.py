"""Scores against scikit-learn's on random predictions, and the rules that they must keep."""

import numpy as np
import pytest
from sklearn import metrics as judge
from sklearn.calibration import calibration_curve

from pointclip.errors import InputError
from pointclip.evaluation import Judged, calibration, metrics, scores


@pytest.fixture(params=range(4))
def case(request):
    """Give random logits that know a little, targets of uneven classes, and the number of classes."""
    random = np.random.default_rng(request.param)
    classes = 6 + 5 * request.param
    targets = np.minimum(random.integers(0, classes, 300), random.integers(0, classes, 300))
    logits = random.normal(size=(300, classes))
    logits[np.arange(300), targets] += 1.5
    return logits, targets, classes


def test_accuracies_are_those_of_scikit_learn(case):
    logits, targets, classes = case
    predicted = logits.argmax(1)
    assert metrics.accuracy(predicted, targets) == pytest.approx(judge.accuracy_score(targets, predicted))
    balanced = judge.balanced_accuracy_score(targets, predicted)
    assert metrics.mean_class_accuracy(predicted, targets) == pytest.approx(balanced)
    ranks = metrics.true_ranks(logits, targets)
    for k in (1, 3, 5):
        expected = judge.top_k_accuracy_score(targets, logits, k=k, labels=range(classes))
        assert (ranks <= k).mean() == pytest.approx(expected)


def test_the_confusion_matrix_and_its_classes_are_those_of_scikit_learn(case):
    logits, targets, classes = case
    predicted = logits.argmax(1)
    table = metrics.confusion(predicted, targets, classes)
    np.testing.assert_array_equal(table[:, :classes], judge.confusion_matrix(targets, predicted, labels=range(classes)))
    assert not table[:, classes].any()
    expected = judge.precision_recall_fscore_support(targets, predicted, labels=range(classes), zero_division=0)
    scores = metrics.per_class(table)
    for name, column in zip(("precision", "recall", "f1", "shapes"), expected, strict=True):
        np.testing.assert_allclose([getattr(score, name) for score in scores], column)


def test_auroc_is_that_of_scikit_learn(case):
    logits, targets, _ = case
    scores, positive = logits.max(1).round(1), targets % 2 == 0  # rounding makes ties
    assert metrics.auroc(scores, positive) == pytest.approx(judge.roc_auc_score(positive, scores))
    with pytest.raises(InputError, match="both kinds"):
        metrics.auroc(scores, positive | True)


def test_reliability_is_that_of_scikit_learn_and_gives_the_calibration_error(case):
    logits, targets, _ = case
    confidence, right = calibration.softmax(logits, 0.5).max(1), logits.argmax(1) == targets
    bins = calibration.reliability(confidence, right, bins=10)
    accuracy, mean = calibration_curve(right, confidence, n_bins=10)
    np.testing.assert_allclose([one.accuracy for one in bins], accuracy)
    np.testing.assert_allclose([one.confidence for one in bins], mean)
    shares = np.array([one.shapes for one in bins]) / len(right)
    expected = (shares * np.abs(accuracy - mean)).sum()
    assert calibration.expected_calibration_error(bins) == pytest.approx(expected)


def test_failed_shapes_count_as_wrong_and_have_a_column():
    predicted, targets = np.array([0, metrics.FAILED, 1, metrics.FAILED]), np.array([0, 0, 1, 1])
    assert metrics.accuracy(predicted, targets) == metrics.mean_class_accuracy(predicted, targets) == 0.5
    assert metrics.confusion(predicted, targets, 2).tolist() == [[1, 0, 1], [0, 1, 1]]


def test_the_rank_of_equal_logits_agrees_with_the_prediction():
    ranks = metrics.true_ranks(np.zeros((3, 3)), np.arange(3))
    assert ranks.tolist() == [1, 2, 3]  # argmax takes the first


def test_the_bootstrap_is_seeded_and_as_wide_as_theory_says():
    right = np.random.default_rng(0).random(400) < 0.6

    def share(places):
        return right[places].mean()

    low, high = metrics.bootstrap(share, 400, seed=3)
    assert (low, high) == metrics.bootstrap(share, 400, seed=3) != metrics.bootstrap(share, 400, seed=4)
    mean = right.mean()
    wide = 2 * 1.96 * np.sqrt(mean * (1 - mean) / 400)
    assert high - low == pytest.approx(wide, rel=0.05) and low < mean < high


@pytest.mark.parametrize(("right", "count"), [(0, 5), (5, 5), (1, 30), (240, 400), (50, 100)])
def test_wilsons_ends_are_where_the_score_test_just_rejects(right, count):
    """An end p is where the observed share lies 1.96 of p's own standard deviations away, or 0 or 1."""
    for end in metrics.wilson(right, count):
        if 0 < end < 1:
            away = abs(right / count - end) / np.sqrt(end * (1 - end) / count)
            assert away == pytest.approx(1.959964, rel=1e-5)
        else:
            assert end == right / count
    low, high = metrics.wilson(right, count)
    assert low <= right / count <= high and low < high


def test_few_shapes_that_are_all_right_prove_little():
    logits = np.eye(5, dtype=np.float32)
    judged = Judged("test", tuple("abcde"), list("vwxyz"), np.arange(5), logits, [""] * 5, {})
    told = scores.accuracies(judged)
    assert told["accuracy"] == told["mean_class_accuracy"] == told["top5"] == 1
    for name in ("accuracy", "mean_class_accuracy", "top5"):
        assert [round(100 * end, 1) for end in told[f"{name}_interval"]] == [56.6, 100.0]


def test_a_temperature_that_was_put_in_is_found():
    random = np.random.default_rng(1)
    logits = 2 * random.normal(size=(20000, 5))
    probs = calibration.softmax(logits)
    targets = (probs.cumsum(1) < random.random((20000, 1))).sum(1)
    assert calibration.fit_temperature(logits, targets, split="val") == pytest.approx(1, rel=0.03)
    hot = calibration.fit_temperature(7 * logits, targets, split="val")
    assert hot == pytest.approx(7, rel=0.03)
    right = logits.argmax(1) == targets
    before, after = (
        calibration.expected_calibration_error(
            calibration.reliability(calibration.softmax(7 * logits, heat).max(1), right)
        )
        for heat in (1.0, hot)
    )
    assert before > 0.1 > 0.02 > after


@pytest.mark.parametrize("split", ["test", "modelnet40_test", "Testing"])
def test_a_temperature_on_test_is_refused(split):
    with pytest.raises(InputError, match="nothing is chosen on a test split"):
        calibration.fit_temperature(np.zeros((2, 2)), np.array([0, 1]), split=split)


def test_nothing_can_be_scored_of_nothing():
    with pytest.raises(InputError, match="at least one"):
        metrics.accuracy(np.zeros(0, int), np.zeros(0, int))
    with pytest.raises(InputError, match="at least one"):
        metrics.bootstrap(lambda places: 0.0, 0)
    with pytest.raises(InputError, match="validation shapes"):
        calibration.fit_temperature(np.zeros((0, 2)), np.zeros(0, int), split="val")

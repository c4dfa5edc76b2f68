"""Scores of predictions: accuracies, ranks, a table per class, the confusion matrix, bootstrap intervals, AUROC.

Everywhere ``predicted`` and ``targets`` are (N,) class indices, and a shape that could not be read has predicted
``FAILED``: it counts as wrong.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from pointclip.errors import InputError

Array = np.ndarray[Any, Any]
FAILED = -1
RESAMPLES, LEVEL = 2000, 0.95


def accuracy(predicted: Array, targets: Array) -> float:
    """Return the share of shapes predicted right.

    Example:
        >>> accuracy(np.array([0, 1, FAILED, 1]), np.array([0, 1, 1, 0]))
        0.5
    """
    _check(predicted, targets)
    return float((predicted == targets).mean())


def mean_class_accuracy(predicted: Array, targets: Array) -> float:
    """Return the mean, over the classes that have shapes, of the share predicted right.

    Example:
        >>> mean_class_accuracy(np.array([0, 0, 0, 0]), np.array([0, 0, 0, 1]))
        0.5
    """
    _check(predicted, targets)
    counts = np.bincount(targets)
    right = np.bincount(targets, weights=predicted == targets)
    return float((right[counts > 0] / counts[counts > 0]).mean())


def true_ranks(logits: Array, targets: Array) -> Array:
    """Return the rank of each shape's true class, 1 for the best; among equal logits the lower class is first.

    Args:
        logits: (N,K).
        targets: (N,) in [0, K).

    Returns:
        (N,) int64.

    Example:
        >>> true_ranks(np.array([[0.1, 0.7, 0.2], [0.5, 0.5, 0.5]]), np.array([2, 1])).tolist()
        [2, 2]
    """
    own = np.take_along_axis(logits, targets[:, None], 1)
    before = np.arange(logits.shape[1])[None] < targets[:, None]
    return 1 + (logits > own).sum(1) + ((logits == own) & before).sum(1)


def confusion(predicted: Array, targets: Array, num_classes: int) -> Array:
    """Count shapes by true class (rows) and predicted class (columns); the last column counts those that failed.

    Returns:
        (K,K+1) int64.

    Example:
        >>> confusion(np.array([0, 1, FAILED]), np.array([0, 0, 1]), 2).tolist()
        [[1, 1, 0], [0, 0, 1]]
    """
    _check(predicted, targets)
    columns = np.where(predicted == FAILED, num_classes, predicted)
    cells = np.bincount(targets * (num_classes + 1) + columns, minlength=num_classes * (num_classes + 1))
    return cells.reshape(num_classes, num_classes + 1)


@dataclass(frozen=True)
class ClassScore:
    """How one class fared; a share without anything to share is 0, as in scikit-learn.

    Attributes:
        shapes: Shapes of the class.
        right: Those predicted right.
        recall: right / shapes: the accuracy of the class.
        precision: right / shapes predicted to be of the class.
        f1: The harmonic mean of both.
        mistaken_for: The class its wrong shapes went to most, or None.
    """

    shapes: int
    right: int
    recall: float
    precision: float
    f1: float
    mistaken_for: int | None


def per_class(table: Array) -> list[ClassScore]:
    """Read a confusion matrix class by class.

    Args:
        table: (K,K+1), as :func:`confusion` gives it.

    Example:
        >>> per_class(np.array([[3, 1, 0], [2, 2, 0]]))[0]
        ClassScore(shapes=4, right=3, recall=0.75, precision=0.6, f1=0.6666666666666666, mistaken_for=1)
    """
    scores = []
    for own in range(len(table)):
        shapes, right, told = int(table[own].sum()), int(table[own, own]), int(table[:, own].sum())
        wrong = np.where(np.arange(len(table)) == own, 0, table[own, : len(table)])
        f1 = 2 * right / (shapes + told) if shapes + told else 0.0
        mistaken_for = int(wrong.argmax()) if wrong.any() else None
        scores.append(ClassScore(shapes, right, right / max(shapes, 1), right / max(told, 1), f1, mistaken_for))
    return scores


def bootstrap(
    statistic: Callable[[Array], float], num_shapes: int, *, seed: int = 0, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """Return the 95 % interval of a statistic over shapes drawn again with replacement (percentile bootstrap).

    Args:
        statistic: From places (N,) of the drawn shapes to a number.
        num_shapes: N, at least 1.
        seed: Of the draws; the same seed draws the same places for every statistic.
        resamples: How often to draw.

    Returns:
        The lower and the upper end.

    Example:
        >>> right = np.array([True] * 80 + [False] * 20)
        >>> low, high = bootstrap(lambda places: right[places].mean(), 100)
        >>> 0.70 < low < 0.74 and 0.85 < high < 0.89
        True
    """
    if num_shapes < 1 or resamples < 1:
        raise InputError(f"the bootstrap needs at least one shape and one draw, got {num_shapes} and {resamples}")
    generator = np.random.default_rng(seed)
    values = [statistic(generator.integers(num_shapes, size=num_shapes)) for _ in range(resamples)]
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def wilson(right: int, num_shapes: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share, which says something even where all or none of few shapes are right.

    Args:
        right: Shapes that count.
        num_shapes: N, at least 1.

    Returns:
        The lower and the upper end.

    Example:
        >>> [round(100 * end, 1) for end in wilson(5, 5)]
        [56.6, 100.0]
    """
    if num_shapes < 1 or not 0 <= right <= num_shapes:
        raise InputError(f"an interval needs at least one shape and right ones among them, got {right} of {num_shapes}")
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    share, spread = right / num_shapes, z * z / num_shapes
    middle = (share + spread / 2) / (1 + spread)
    reach = z / (1 + spread) * math.sqrt(share * (1 - share) / num_shapes + spread / (4 * num_shapes))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def auroc(scores: Array, positive: Array) -> float:
    """Return the chance that a positive shape scores above a negative one, equal scores counting half.

    Args:
        scores: (N,).
        positive: (N,) bool, both values present.

    Raises:
        InputError: All shapes are of one kind.

    Example:
        >>> auroc(np.array([0.9, 0.4, 0.4, 0.1]), np.array([True, True, False, False]))
        0.875
    """
    from scipy.stats import rankdata

    num_positive, num_negative = int(positive.sum()), int((~positive).sum())
    if not num_positive or not num_negative:
        raise InputError(f"AUROC needs shapes of both kinds, got {num_positive} positive and {num_negative} negative")
    above = rankdata(scores)[positive].sum() - num_positive * (num_positive + 1) / 2
    return float(above / (num_positive * num_negative))


def _check(predicted: Array, targets: Array) -> None:
    if len(predicted) != len(targets) or not len(targets):
        raise InputError(f"scores need one prediction per target and at least one: {len(predicted)}, {len(targets)}")

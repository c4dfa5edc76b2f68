"""How far confidence can be believed: reliability bins, expected calibration error, temperature."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from pointclip._base.leaks import refuse_test_split
from pointclip.errors import InputError

Array = np.ndarray[Any, Any]
BINS = 15
_COLDEST, _HOTTEST = 0.01, 100.0


@dataclass(frozen=True)
class Bin:
    """Shapes whose confidence lies in [low, high): how many, their mean confidence and their accuracy."""

    low: float
    high: float
    shapes: int
    confidence: float
    accuracy: float


def softmax(logits: Array, temperature: float = 1.0) -> Array:
    """Return probabilities (N,K) in float64 of logits divided by a temperature.

    Example:
        >>> softmax(np.array([[0.0, math.log(3.0)]])).round(6).tolist()
        [[0.25, 0.75]]
    """
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def reliability(confidence: Array, right: Array, bins: int = BINS) -> list[Bin]:
    """Sort shapes into bins of equal width over [0, 1] by how sure the model was; empty bins are left out.

    Args:
        confidence: (N,) probability of the predicted class.
        right: (N,) bool.
        bins: How many; the last one holds 1 too.

    Example:
        >>> reliability(np.array([0.9, 0.8, 0.1]), np.array([True, False, False]), bins=2)[1]
        Bin(low=0.5, high=1.0, shapes=2, confidence=0.8500000000000001, accuracy=0.5)
    """
    edges = np.linspace(0.0, 1.0, bins + 1)
    places = np.searchsorted(edges[1:-1], confidence, side="right")
    found = []
    for place in range(bins):
        here = places == place
        if here.any():
            means = float(confidence[here].mean()), float(right[here].mean())
            found.append(Bin(float(edges[place]), float(edges[place + 1]), int(here.sum()), *means))
    return found


def expected_calibration_error(bins: list[Bin]) -> float:
    """Return the mean over shapes of ``|accuracy - confidence|`` of their bin.

    Example:
        >>> expected_calibration_error([Bin(0.0, 0.5, 1, 0.25, 0.5), Bin(0.5, 1.0, 3, 0.75, 0.75)])
        0.0625
    """
    total = sum(one.shapes for one in bins)
    return sum(one.shapes * abs(one.accuracy - one.confidence) for one in bins) / max(total, 1)


def fit_temperature(logits: Array, targets: Array, *, split: str) -> float:
    """Fit the one number that logits are divided by, so that probabilities are as likely as they can be.

    Args:
        logits: (N,K) of validation shapes.
        targets: (N,) int64 class indices.
        split: The name of the split they come from; a test split is refused.

    Returns:
        The temperature in [0.01, 100], above 1 where the model was too sure. The order of classes does not change.

    Raises:
        InputError: The split is named test, or there is no shape.

    Note:
        Minimises the cross-entropy, which is convex in 1/temperature. Deterministic. Guo et al., 2017.

    Example:
        >>> logits = np.array([[9.0, 0.0]] * 4)
        >>> round(9 / fit_temperature(logits, np.array([0, 0, 0, 1]), split="val"), 3)   # log(3 / 1)
        1.099
    """
    from scipy.optimize import minimize_scalar

    refuse_test_split(split)
    if not len(targets) or len(logits) != len(targets):
        raise InputError(f"the temperature needs validation shapes, got {len(logits)} rows, {len(targets)} targets")
    margins = logits.astype(np.float64) - np.take_along_axis(logits, targets[:, None], 1)

    def loss(log_temperature: float) -> float:
        scaled = margins / math.exp(log_temperature)
        top = scaled.max(1)
        return float((top + np.log(np.exp(scaled - top[:, None]).sum(1))).mean())

    bounds = (math.log(_COLDEST), math.log(_HOTTEST))
    return math.exp(float(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-7}).x))

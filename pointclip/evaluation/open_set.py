"""Shapes of no listed class: a score of how well the best class fits, and the threshold below which it is refused."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pointclip._base.leaks import refuse_test_split
from pointclip.errors import InputError
from pointclip.evaluation.calibration import softmax
from pointclip.evaluation.metrics import auroc

Array = np.ndarray[Any, Any]
SCORES = ("probability", "logit", "sigmoid")
GOAL, SHARE = 0.05, 0.2
UNKNOWN = "unknown"
_FOLDS = 5


@dataclass(frozen=True)
class Rejection:
    """When a shape is said to be of no listed class: its score lies under the threshold.

    Attributes:
        score: ``"probability"``: of the best class, after the temperature. ``"logit"``: of the best class.
            ``"sigmoid"``: of the best class's logit plus the bias, the probability that a SigLIP was trained to give.
        threshold: Scores under it are rejected; None where there was no validation to choose it on.
        temperature: What logits are divided by before soft-max.
        goal: The share of validation shapes of listed classes that may be rejected.
        bias: The model's logit bias; None where it has none.
    """

    score: str = "probability"
    threshold: float | None = None
    temperature: float = 1.0
    goal: float = GOAL
    bias: float | None = None

    @classmethod
    def untuned(cls, bias: float | None = None, **settings: Any) -> "Rejection":
        """Take the score of a model that was not looked at on validation: the sigmoid where it has a bias."""
        return cls("probability" if bias is None else "sigmoid", bias=bias, **settings)

    def scores(self, logits: Array) -> Array:
        """Score (N,K) logits, (N,): the higher, the more a shape belongs to a listed class."""
        best = logits.max(1).astype(np.float64)
        if self.score == "sigmoid":
            return 1 / (1 + np.exp(-(best + (self.bias or 0.0))))
        return softmax(logits, self.temperature).max(1) if self.score == "probability" else best

    def rejects(self, logits: Array) -> Array:
        """Tell which of (N,K) are rejected, (N,) bool; none without a threshold."""
        return np.zeros(len(logits), bool) if self.threshold is None else self.scores(logits) < self.threshold


def hold_out(labels: Sequence[str], seed: int = 0, share: float = SHARE) -> tuple[str, ...]:
    """Draw the classes that play the unknown ones: a fifth of them, at least one, leaving at least two.

    Raises:
        InputError: There are under three classes.

    Example:
        >>> len(hold_out([f"class {k}" for k in range(10)])), hold_out("abc", 1) == hold_out("abc", 1)
        (2, True)
    """
    if len(labels) < 3:
        raise InputError(f"rejecting unknown classes needs at least 3 classes with shapes, got {len(labels)}")
    count = min(max(1, round(share * len(labels))), len(labels) - 2)
    drawn = np.random.default_rng(seed).permutation(len(labels))[:count]
    return tuple(labels[place] for place in sorted(drawn.tolist()))


def fit_rejection(
    logits: Array,
    targets: Array,
    *,
    split: str,
    temperature: float = 1.0,
    goal: float = GOAL,
    seed: int = 0,
    bias: float | None = None,
) -> Rejection:
    """Choose the score and the threshold on validation shapes of listed classes.

    The score is the one of higher AUROC when every fifth of the listed classes in turn is struck off the list and its
    shapes play the unknown ones. The threshold is the highest that rejects at most ``goal`` of the shapes.

    Args:
        logits: (N,K) over the listed classes, of validation shapes of these classes.
        targets: (N,) int64 in [0, K).
        split: The name of the split they come from; a test split is refused.
        temperature: What logits are divided by before soft-max.
        goal: The share of shapes of listed classes that may be rejected, in [0, 1).
        seed: Of the fifths.
        bias: The model's logit bias, with which the sigmoid takes the place of the logit.

    Raises:
        InputError: The split is named test, there is no shape, or the goal is out of range.

    Example:
        >>> logits = np.array([[5.0, 0.0], [4.0, 0.0], [0.0, 3.0], [0.0, 2.0]])
        >>> fit_rejection(logits, np.array([0, 0, 1, 1]), split="val", goal=0.25).rejects(logits).tolist()
        [False, False, False, True]
    """
    refuse_test_split(split)
    if not len(targets):
        raise InputError("the threshold of rejection needs validation shapes of the listed classes, got none")
    if not 0 <= goal < 1:
        raise InputError(f"the share that may be rejected must lie in [0, 1), got {goal}")
    scores = ("probability", "logit" if bias is None else "sigmoid")
    candidates = [Rejection(score, None, temperature, goal, bias) for score in scores]
    chosen = max(candidates, key=lambda one: _mean_auroc(one, logits, targets, seed))
    ordered = np.sort(chosen.scores(logits))
    threshold = float(ordered[int(goal * len(ordered) + 1e-9)])
    return Rejection(chosen.score, threshold, temperature, goal, bias)


def judge_rejection(rejection: Rejection, logits: Array, targets: Array) -> dict[str, Any]:
    """Report how well known and unknown shapes are told apart.

    Args:
        rejection: The score and the threshold.
        logits: (N,K) over the listed classes.
        targets: (N,) index of the listed class, -1 for shapes of others.

    Returns:
        JSON only. ``false_rejection_rate``: share of known shapes rejected. ``detection_rate``: share of unknown ones
        rejected. ``accuracy_known``: of known shapes, nothing rejected. ``accuracy_open``: known shapes that are
        accepted and right, and unknown ones that are rejected, among all.

    Example:
        >>> logits = np.array([[9.0, 0.0], [0.0, 9.0], [0.1, 0.0]])
        >>> judge_rejection(Rejection("logit", 1.0), logits, np.array([0, 0, -1]))["accuracy_open"]
        0.6666666666666666
    """
    known, right = targets >= 0, logits.argmax(1) == targets
    told: dict[str, Any] = {**asdict(rejection), "known": int(known.sum()), "unknown": int((~known).sum())}
    told["auroc"] = auroc(rejection.scores(logits), known)
    told["accuracy_known"] = float(right[known].mean())
    if rejection.threshold is not None:
        rejected = rejection.rejects(logits)
        told["false_rejection_rate"] = float(rejected[known].mean())
        told["detection_rate"] = float(rejected[~known].mean())
        told["accuracy_open"] = float(np.where(known, right & ~rejected, rejected).mean())
    return told


def _mean_auroc(rejection: Rejection, logits: Array, targets: Array, seed: int) -> float:
    classes = np.random.default_rng(seed).permutation(logits.shape[1])
    values = []
    for fold in range(_FOLDS):
        struck = classes[fold::_FOLDS]
        listed, known = np.setdiff1d(classes, struck), ~np.isin(targets, struck)
        if len(listed) >= 2 and known.any() and not known.all():
            values.append(auroc(rejection.scores(logits[:, listed]), known))
    return float(np.mean(values)) if values else 0.0

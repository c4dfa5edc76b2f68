"""All numbers of an evaluation from logits: accuracies, calibration, an ensemble, the rejection of unknown classes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from pointclip.errors import InputError
from pointclip.evaluation import calibration, metrics, open_set
from pointclip.evaluation.judged import Judged, plain
from pointclip.fusion import LogitTable, fit_ensemble

Array = np.ndarray[Any, Any]


def accuracies(judged: Judged, seed: int = 0) -> dict[str, Any]:
    """Compute overall accuracy, mean class accuracy and top-5, each with its 95 % interval; JSON only.

    Intervals are Wilson's of shares of shapes, and of the mean class accuracy a bootstrap over shapes; where that has
    no width, for all shapes are right or all wrong, Wilson's too.
    """
    predicted, targets, ranks = judged.predicted, judged.targets, ranks_of(judged)
    num_shapes, right = len(judged), predicted == targets

    def mean_class(places: Array) -> float:
        return metrics.mean_class_accuracy(predicted[places], targets[places])

    told: dict[str, Any] = {}
    for name, counted in (("accuracy", right), ("top5", (ranks > 0) & (ranks <= 5))):
        told[name] = float(counted.mean())
        told[f"{name}_interval"] = list(metrics.wilson(int(counted.sum()), num_shapes))
    told["mean_class_accuracy"] = mean_class(np.arange(num_shapes))
    low, high = metrics.bootstrap(mean_class, num_shapes, seed=seed)
    told["mean_class_accuracy_interval"] = told["accuracy_interval"] if low == high else [low, high]
    return told


def ranks_of(judged: Judged) -> Array:
    """Rank the true class of each shape from 1; 0 where the shape failed."""
    return np.where(judged.ok, metrics.true_ranks(judged.logits, judged.targets), 0)


def reliability_of(judged: Judged, temperature: float = 1.0) -> list[calibration.Bin]:
    """Sort the shapes that were classified into bins of confidence."""
    fine = judged.fine()
    confidence = calibration.softmax(fine.logits, temperature).max(1) if len(fine) else np.zeros(0)
    return calibration.reliability(confidence, fine.predicted == fine.targets)


def calibration_errors(judged: Judged, temperature: float | None) -> dict[str, Any]:
    """Compute the expected calibration error as the model is, and with the temperature; JSON only."""
    told = {"calibration_error": calibration.expected_calibration_error(reliability_of(judged))}
    if temperature is not None:
        told["temperature"] = temperature
        told["calibration_error_fitted"] = calibration.expected_calibration_error(reliability_of(judged, temperature))
    return told


def fit_temperature(val: Judged) -> float:
    """Fit the temperature on validation shapes.

    Raises:
        InputError: Their split is named test.
    """
    return calibration.fit_temperature(val.logits, val.targets, split=val.split)


def with_other(test: Judged, val: Judged | None, table: LogitTable) -> tuple[dict[str, Any], Array | None]:
    """Judge another network's logits alone and together with ours, the weight chosen on validation.

    Args:
        test: The shapes to judge.
        val: The shapes to choose on; None leaves the two together out.
        table: The other network's logits, over the same classes in the same order.

    Returns:
        JSON only; and the predicted classes of the two together, or None.

    Raises:
        InputError: A shape is not in the table, or the validation split is named test.
    """
    theirs = table.rows(test.ids)
    told: dict[str, Any] = {"accuracy_other": metrics.accuracy(theirs.argmax(1).numpy(), test.targets)}
    if val is None:
        return told, None
    ours, known = torch.from_numpy(val.logits), table.rows(val.ids)
    joined = fit_ensemble(ours, known, torch.from_numpy(val.targets), split=val.split)
    together = joined(torch.from_numpy(test.logits), theirs).argmax(1).numpy()
    predicted = np.where(test.ok, together, metrics.FAILED)
    told |= {"weight_of_other": joined.weight, "accuracy_together": metrics.accuracy(predicted, test.targets)}
    told["mean_class_accuracy_together"] = metrics.mean_class_accuracy(predicted, test.targets)
    return told, predicted


def held_out(classes: Sequence[str], present: set[str], named: Sequence[str], seed: int = 0) -> tuple[str, ...]:
    """Name the classes that play the unknown ones: those the user named, or a fifth of those present.

    Args:
        classes: All classes.
        present: Those that have shapes to judge.
        named: The user's choice; empty draws.
        seed: Of the draw.

    Raises:
        InputError: A named class has no shape to judge, or too few classes stay on the list.

    Example:
        >>> held_out(["cup", "night_stand", "sofa"], {"cup", "night_stand"}, ["night stand"])
        ('night_stand',)
    """
    if not named:
        return open_set.hold_out([name for name in classes if name in present], seed)
    spelled = {plain(name): name for name in classes}
    for name in named:
        if spelled.get(plain(name)) not in present:
            raise InputError(f"{name!r} cannot play an unknown class, for no judged shape is of it")
    held = {spelled[plain(name)] for name in named}
    if len(set(classes) - held) < 2 or not present - held:
        raise InputError("at least two classes, one of them with judged shapes, must stay on the list")
    return tuple(name for name in classes if name in held)


def without_classes(
    test: Judged,
    val: Judged | None,
    unknown: Sequence[str],
    goal: float,
    calibrate: bool,
    seed: int = 0,
    bias: float | None = None,
) -> tuple[dict[str, Any], list[str]]:
    """Strike classes off the list and judge how well their shapes are said to be of no listed class.

    Everything is chosen on validation shapes of listed classes; those of struck classes are not looked at. Without
    validation the score is the probability of the best class, or a SigLIP's sigmoid, and there is no threshold.

    Returns:
        JSON only; and for each judged shape its class or ``unknown``, "" where it failed.

    Raises:
        InputError: The validation split is named test, or no judged shape of a known or of an unknown class is left.
    """
    listed = [k for k, name in enumerate(test.classes) if name not in set(unknown)]
    rejection = open_set.Rejection.untuned(bias, goal=goal)
    if val is not None:
        logits, targets = _on_list(val, listed)
        logits, targets = logits[targets >= 0], targets[targets >= 0]
        if not len(targets):
            raise InputError("no validation shape is of a class that stays on the list: name other unknown classes")
        heat = calibration.fit_temperature(logits, targets, split=val.split) if calibrate else 1.0
        how: dict[str, Any] = {"split": val.split, "temperature": heat, "goal": goal, "seed": seed, "bias": bias}
        rejection = open_set.fit_rejection(logits, targets, **how)
    fine = test.fine()
    told = open_set.judge_rejection(rejection, *_on_list(fine, listed))
    logits, _ = _on_list(test, listed)
    names = np.array([test.classes[k] for k in listed], object)[logits.argmax(1)]
    said = np.where(rejection.rejects(logits), open_set.UNKNOWN, names)
    answers = [str(name) if fine_one else "" for name, fine_one in zip(said, test.ok.tolist(), strict=True)]
    return {"unknown_classes": list(unknown), **told}, answers


def _on_list(judged: Judged, listed: list[int]) -> tuple[Array, Array]:
    """Give the logits of listed classes, and targets among them, -1 for the others."""
    place = np.full(len(judged.classes), -1)
    place[listed] = np.arange(len(listed))
    return judged.logits[:, listed], place[judged.targets]

"""Two results side by side: what both got right, an exact paired test, the interval of the difference."""

from pathlib import Path
from typing import Any

import numpy as np

from pointclip.errors import InputError
from pointclip.evaluation.metrics import bootstrap
from pointclip.evaluation.result_folder import read_result

Array = np.ndarray[Any, Any]
_READING = ("points", "up", "seed", "drop_outliers")
_TOLD = ("accuracy", "mean_class_accuracy", "top5", "calibration_error")


def compare(folder_a: str | Path, folder_b: str | Path) -> dict[str, Any]:
    """Compare two result folders on the shapes that both judged.

    Args:
        folder_a: A folder that ``pointclip eval --out`` wrote.
        folder_b: Another one, of the same dataset and split.

    Returns:
        JSON only: the metrics of each as they stand in its result, and under ``paired`` the numbers of
        :func:`paired_test`, accuracies on the shared shapes among them.

    Raises:
        InputError: A folder holds no result, or they are of other datasets, splits, classes or files.

    Example:
        >>> import json, tempfile
        >>> about = {"name": "mine", "split": "test", "classes": ["cup"], "shapes": 1, "list_sha256": "", "sha256": ""}
        >>> numbers = {"accuracy": 0.0, "mean_class_accuracy": 0.0, "top5": 1.0, "calibration_error": 0.5}
        >>> result = {"format": 1, "dataset": about, "settings": {}, "failed": 0, "metrics": numbers}
        >>> with tempfile.TemporaryDirectory() as root:
        ...     for name, predicted in (("a", "bowl"), ("b", "cup")):
        ...         (Path(root) / name).mkdir()
        ...         _ = (Path(root) / name / "result.json").write_text(json.dumps(result))
        ...         table = f"id,label,predicted,probability,rank,top5,error\\n1,cup,{predicted},0.5,1,cup,\\n"
        ...         _ = (Path(root) / name / "predictions.csv").write_text(table)
        ...     pair = compare(Path(root) / "a", Path(root) / "b")["paired"]
        >>> pair["only_a"], pair["only_b"], pair["difference"], pair["p_value"]
        (0, 1, 1.0, 1.0)
    """
    (a, rows_a), (b, rows_b) = read_result(folder_a), read_result(folder_b)
    _refuse_others(a, b)
    right_a, right_b = ({row["id"]: row["predicted"] == row["label"] for row in rows} for rows in (rows_a, rows_b))
    true_a, true_b = ({row["id"]: row["label"] for row in rows} for rows in (rows_a, rows_b))
    shared = [name for name in right_a if name in right_b]
    if not shared:
        raise InputError(f"{folder_a} and {folder_b} have no shape in common: evaluate both on the same shapes")
    if any(true_a[name] != true_b[name] for name in shared):
        raise InputError(f"{folder_a} and {folder_b} give a shape two different true classes: evaluate both again")
    told = {side: _side(folder, known) for side, folder, known in (("a", folder_a, a), ("b", folder_b, b))}
    told["dataset"] = {key: a["dataset"][key] for key in ("name", "split")}
    pair = (np.array([right[name] for name in shared]) for right in (right_a, right_b))
    return told | {"paired": paired_test(*pair)}


def paired_test(right_a: Array, right_b: Array, *, seed: int = 0) -> dict[str, Any]:
    """Test whether two classifiers differ on the same shapes.

    Args:
        right_a: (N,) bool, whether the first one is right.
        right_b: (N,) bool.
        seed: Of the bootstrap.

    Returns:
        JSON only. ``difference`` is b's accuracy less a's, with its 95 % interval by a bootstrap over shapes.
        ``p_value`` is McNemar's test in its exact form: how probable a split as uneven as ``only_a`` to ``only_b``
        is between equals (two-sided binomial test), 1 where they never differ.

    Example:
        >>> a, b = np.array([True] * 6 + [False] * 4), np.array([True] * 10)
        >>> told = paired_test(a, b)
        >>> told["only_b"], told["p_value"]
        (4, 0.125)
    """
    from scipy.stats import binomtest

    gain = right_b.astype(float) - right_a.astype(float)
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    differ = only_a + only_b
    return {
        "shapes": len(gain),
        "accuracy_a": float(right_a.mean()),
        "accuracy_b": float(right_b.mean()),
        "both": int((right_a & right_b).sum()),
        "only_a": only_a,
        "only_b": only_b,
        "neither": int((~right_a & ~right_b).sum()),
        "difference": float(gain.mean()),
        "difference_interval": list(bootstrap(lambda places: float(gain[places].mean()), len(gain), seed=seed)),
        "p_value": float(binomtest(only_a, differ).pvalue) if differ else 1.0,
    }


def _side(folder: str | Path, document: dict[str, Any]) -> dict[str, Any]:
    numbers = {name: document["metrics"][name] for name in _TOLD}
    about = {"folder": str(folder), "shapes": document["dataset"]["shapes"], "failed": document["failed"]}
    return {**about, "settings": document["settings"], "metrics": numbers}


def _refuse_others(a: dict[str, Any], b: dict[str, Any]) -> None:
    """Refuse results that cannot be paired: the same files, read alike, must have the same hash."""
    first, second = a["dataset"], b["dataset"]
    for key, what in (("name", "datasets"), ("split", "splits")):
        if first[key] != second[key]:
            raise InputError(f"the results are of different {what}, {first[key]!r} and {second[key]!r}: compare like")
    if set(first["classes"]) != set(second["classes"]):
        raise InputError("the results choose among different classes: evaluate both with the same ones")
    same_reading = all(a["settings"].get(name) == b["settings"].get(name) for name in _READING)
    if first["list_sha256"] == second["list_sha256"] and same_reading and first["sha256"] != second["sha256"]:
        raise InputError("the files of the dataset changed between the two results (other sha256): evaluate both again")

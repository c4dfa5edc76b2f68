"""The folder that an evaluation leaves: result.json, predictions.csv, tables, plots, and timing.json apart.

All but ``timing.json`` are the same bytes for the same command, interrupted or not.
"""

import csv
import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from pointclip._base.files import refusals, whole
from pointclip._base.provenance import commit, versions
from pointclip._base.words import counted
from pointclip.encoding import STAGES
from pointclip.errors import InputError
from pointclip.evaluation import metrics
from pointclip.evaluation import scores as scoring
from pointclip.evaluation.calibration import softmax
from pointclip.evaluation.judged import Judged
from pointclip.evaluation.run import Evaluation

RESULT, PREDICTIONS, TIMING = "result.json", "predictions.csv", "timing.json"
FORMAT, TOP = 1, 5
COLUMNS = ("id", "label", "predicted", "probability", "rank", "top5", "error")


def as_document(found: Evaluation, dataset: str, settings: dict[str, Any], command: str = "") -> dict[str, Any]:
    """Build the JSON document of an evaluation: every number with what it takes to make it again.

    Args:
        found: The evaluation.
        dataset: What the dataset is called.
        settings: Model, rig, style and so on.
        command: The command line.

    Returns:
        JSON only, without times and dates.
    """
    document: dict[str, Any] = {"format": FORMAT, "command": command, "commit": commit(), "versions": versions()}
    document["dataset"] = {"name": dataset, **_about(found.test), "left_out": found.left_out}
    document["dataset"]["classes"] = list(found.test.classes)
    document["validation"] = None if found.val is None else _about(found.val)
    document |= {"settings": settings, "failed": found.failed, "metrics": found.metrics}
    return document | {"ensemble": found.ensemble, "open_set": found.rejection, "notes": found.notes}


def seconds_per_shape(judged: Judged) -> dict[str, float]:
    """Average the seconds of each stage over the shapes that were classified: read, draw (with projection), encode."""
    fine = judged.fine()
    return {stage: float(fine.seconds[stage].mean()) if len(fine) else 0.0 for stage in STAGES}


def write_result(folder: str | Path, found: Evaluation, document: dict[str, Any]) -> None:
    """Write all files, each whole or not at all, ``result.json`` last.

    Args:
        folder: Where to; it is there.
        found: The evaluation.
        document: As :func:`as_document` made it.

    Raises:
        InputError: A file cannot be written.
    """
    from pointclip.evaluation.plots import plot_confusion, plot_reliability

    folder, test = Path(folder), found.test
    classes, temperature = test.classes, found.metrics.get("temperature")
    table = metrics.confusion(test.predicted, test.targets, len(classes))
    numbers = found.metrics
    words = f"{document['dataset']['name']}, {test.split}, {counted(len(test), 'shape')}"
    _write_csv(folder / PREDICTIONS, *_predictions(found))
    _write_csv(folder / "per_class.csv", _CLASS_COLUMNS, _class_rows(table, classes))
    _write_csv(folder / "confusion.csv", ("true class", *classes, "(failed)"), _confusion_rows(table, classes))
    plot_confusion(folder / "confusion.png", table, classes, f"{words}: accuracy {100 * numbers['accuracy']:.1f} %")
    after = None if temperature is None else scoring.reliability_of(test, temperature)
    title = f"{words}\ncalibration error {100 * numbers['calibration_error']:.1f} %"
    title += "" if temperature is None else f", {100 * numbers['calibration_error_fitted']:.1f} % fitted"
    plot_reliability(folder / "reliability.png", scoring.reliability_of(test), after, title)
    _write_json(folder / TIMING, {"date": _now(), "seconds_per_shape": seconds_per_shape(test)})
    _write_json(folder / RESULT, document)


def read_result(folder: str | Path) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Read the document and the rows of predictions that :func:`write_result` wrote.

    Raises:
        InputError: The folder holds no result, or one that is damaged or of another version.
    """
    folder = Path(folder)
    try:
        document = json.loads((folder / RESULT).read_text(encoding="utf-8"))
        with (folder / PREDICTIONS).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (FileNotFoundError, NotADirectoryError) as error:
        name = Path(error.filename).name
        raise InputError(f"{folder} holds no {name}: name a folder that pointclip eval --out wrote") from error
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise InputError(f"the result in {folder} cannot be read ({error}): evaluate again") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise InputError(f"{folder / RESULT} is no result of this version of pointclip: evaluate again")
    if not rows or not set(COLUMNS) <= set(rows[0]):
        raise InputError(f"{folder / PREDICTIONS} lacks rows or columns: evaluate again")
    return document, rows


def _about(judged: Judged) -> dict[str, Any]:
    hashes = {"sha256": judged.sha256, "list_sha256": judged.list_sha256}
    return {"split": judged.split, "shapes": len(judged), **hashes}


def _predictions(found: Evaluation) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
    """Give the columns and rows of the predictions; those of what was asked for besides where there."""
    test, temperature = found.test, found.metrics.get("temperature")
    ranks, probs = scoring.ranks_of(test), softmax(test.logits)
    best = np.argsort(-test.logits, axis=1, kind="stable")[:, :TOP]
    calibrated = None if temperature is None else softmax(test.logits, temperature)
    extra = [("calibrated", calibrated), ("together", found.together), ("open_set", found.open_answers)]
    extra += [("up", test.ups)]

    def rows() -> Iterable[Sequence[Any]]:
        for k, error in enumerate(test.errors):
            start, true = (test.ids[k], test.labels[k]), best[k, 0]
            if error:
                yield (*start, "", "", "", "", error, *("" for _, known in extra if known is not None))
                continue
            names = [test.classes[place] for place in best[k].tolist()]
            row = [*start, names[0], f"{probs[k, true]:.6f}", int(ranks[k]), "|".join(names), ""]
            row += [] if calibrated is None else [f"{calibrated[k, true]:.6f}"]
            row += [] if found.together is None else [test.classes[found.together[k]]]
            row += [] if found.open_answers is None else [found.open_answers[k]]
            yield [*row, *([] if test.ups is None else [test.ups[k]])]

    return (*COLUMNS, *(name for name, known in extra if known is not None)), rows()


_CLASS_COLUMNS = ("class", "shapes", "right", "accuracy", "precision", "f1", "mistaken_for")


def _class_rows(table: Any, classes: Sequence[str]) -> Iterable[Sequence[Any]]:
    for name, score in zip(classes, metrics.per_class(table), strict=True):
        shares = (f"{share:.6f}" if score.shapes else "" for share in (score.recall, score.precision, score.f1))
        other = "" if score.mistaken_for is None else classes[score.mistaken_for]
        yield name, score.shapes, score.right, *shares, other


def _confusion_rows(table: Any, classes: Sequence[str]) -> Iterable[Sequence[Any]]:
    for name, row in zip(classes, table.tolist(), strict=True):
        yield name, *row


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with whole(path) as draft, refusals(path), draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)


def _write_json(path: Path, document: Any) -> None:
    with whole(path) as draft, refusals(path):
        draft.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")

"""How results of ``pointclip eval`` look on a terminal."""

from typing import Any

from rich.table import Table
from rich.text import Text

from pointclip._base.words import counted
from pointclip.cli import console as _console
from pointclip.cli.report import shown

_NAMES = {
    "accuracy": "accuracy",
    "mean_class_accuracy": "mean class accuracy",
    "top5": "top-5",
    "calibration_error": "calibration error",
}


def tell_result(document: dict[str, Any], seconds: dict[str, float], out: str | None) -> None:
    """Print the numbers of one evaluation, and what to know about them."""
    numbers, dataset, show = document["metrics"], document["dataset"], _console.printer()
    head = f"{dataset['name']}, {dataset['split']}: {counted(dataset['shapes'], 'shape')}, "
    head += counted(len(dataset["classes"]), "class", "classes")
    show(Text(shown(head), "bold"))
    table = Table.grid("", "", "", padding=(0, 2))
    for name in ("accuracy", "mean_class_accuracy", "top5"):
        low, high = numbers[f"{name}_interval"]
        table.add_row(_NAMES[name], percent(numbers[name]), f"95 % interval {100 * low:.1f} to {100 * high:.1f}")
        if name == "accuracy":
            _add_published(table, document.get("protocol"))
    error = numbers["calibration_error"]
    heat = numbers.get("temperature")
    fitted = "" if heat is None else f"{percent(numbers['calibration_error_fitted'])} at temperature {heat:.3g}"
    table.add_row(_NAMES["calibration_error"], percent(error), fitted)
    _add_ensemble(table, document["ensemble"])
    _add_open_set(table, document["open_set"])
    stages = ", ".join(f"{stage} {value:.3f}" for stage, value in seconds.items())
    table.add_row("seconds per shape", f"{sum(seconds.values()):.3f}", stages)
    show(table)
    if document["validation"]:
        chosen_on = document["validation"]
        _console.say_note(f"chosen on {counted(chosen_on['shapes'], 'shape')} of the split {chosen_on['split']!r}")
    for note in (*document["notes"], *document.get("protocol", {}).get("notes", ())):
        _console.say_note(f"note: {note}")
    if out is not None:
        _console.say_note(f"written to {out}: result.json, predictions.csv, per_class.csv, confusion.png, ...")


def tell_comparison(told: dict[str, Any]) -> None:
    """Print two results side by side with the paired test."""
    show, pair = _console.printer(), told["paired"]
    where = f"{told['dataset']['name']}, {told['dataset']['split']}"
    show(Text(shown(f"{where}: {counted(pair['shapes'], 'shape')} in common"), "bold"))
    table = Table.grid("", "", "", padding=(0, 2))
    table.add_row("", *(Text(shown(told[side]["folder"]), overflow="fold") for side in "ab"))
    for name, words in _NAMES.items():
        table.add_row(words, *(percent(told[side]["metrics"][name]) for side in "ab"))
    table.add_row("right, in common", percent(pair["accuracy_a"]), percent(pair["accuracy_b"]))
    table.add_row("right alone", str(pair["only_a"]), str(pair["only_b"]))
    show(table)
    low, high = pair["difference_interval"]
    show(
        Text(f"difference {100 * pair['difference']:+.1f} points, 95 % interval {100 * low:+.1f} to {100 * high:+.1f}")
    )
    show(Text(f"McNemar's exact test: p = {pair['p_value']:.3g}"))


def percent(share: float) -> str:
    """Word a share.

    Example:
        >>> percent(0.4872)
        '48.7 %'
    """
    return f"{100 * share:.1f} %"


def _add_published(table: Table, told: dict[str, Any] | None) -> None:
    """Put the published numbers of a protocol beside ours, each with its encoder and where it stands."""
    for row in () if told is None else told["published"]:
        remark = f": {row['remark']}" if row["remark"] else ""
        table.add_row("published", f"{100 * row['accuracy']:.2f} %", f"{row['encoder']}, {row['source']}{remark}")
    if told is not None and not told["published"]:
        table.add_row("published", "-", f"nothing of {told['name']} on this dataset")


def _add_ensemble(table: Table, told: dict[str, Any] | None) -> None:
    if told is None:
        return
    table.add_row("the other network", percent(told["accuracy_other"]))
    if "accuracy_together" in told:
        table.add_row("both together", percent(told["accuracy_together"]), f"weight {told['weight_of_other']:.2f}")


def _add_open_set(table: Table, told: dict[str, Any] | None) -> None:
    if told is None:
        return
    classes = counted(len(told["unknown_classes"]), "class", "classes")
    where = f"{counted(told['unknown'], 'shape')} of {classes} struck off, {told['score']}"
    table.add_row("AUROC of unknown", f"{told['auroc']:.3f}", where)
    if told["threshold"] is not None:
        rates = f"of known {percent(told['false_rejection_rate'])}, of unknown {percent(told['detection_rate'])}"
        table.add_row("rejected", "", rates)

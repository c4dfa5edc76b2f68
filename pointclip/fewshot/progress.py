"""What a fit shows while it runs: shapes encoded, then epochs with loss and validation accuracy."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class FitProgress:
    """A Rich progress bar with one line per stage, or nothing.

    Args:
        bar: The bar; None shows nothing.
    """

    def __init__(self, bar: Progress | None) -> None:
        self._bar = bar
        self._tasks: dict[str, Any] = {}

    def show(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Say how far a stage is."""
        if self._bar is None:
            return
        if stage not in self._tasks:
            self._tasks[stage] = self._bar.add_task(stage, total=total, note="")
        self._bar.update(self._tasks[stage], completed=done, total=total, note=note)


@contextmanager
def fit_progress(wanted: bool = True, console: Console | None = None) -> Iterator[FitProgress]:
    """Show progress on stderr where that is a terminal.

    Args:
        wanted: False shows nothing.
        console: Where to; None is stderr.
    """
    console = console or Console(stderr=True)
    if not wanted or not console.is_terminal:
        yield FitProgress(None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[note]}"), console=console) as bar:
        yield FitProgress(bar)


def epoch_note(record: dict[str, float]) -> str:
    """Word the loss and validation accuracy of an epoch.

    Example:
        >>> epoch_note({"loss": 1.5, "val_accuracy": 0.5})
        'loss 1.500  validation 50.0 %'
    """
    judged = f"  validation {record['val_accuracy']:.1%}".replace("%", " %") if "val_accuracy" in record else ""
    return f"loss {record['loss']:.3f}{judged}"

"""Plots of an evaluation: the confusion matrix and the reliability diagram, as PNG files."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pointclip._base.files import refusals, whole
from pointclip.evaluation.calibration import Bin

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = np.ndarray[Any, Any]
_MOST_LETTERS = 22
_INK, _BEFORE, _AFTER = "#141414", "#c42828", "#2854b4"


def plot_confusion(path: str | Path, table: Array, labels: Sequence[str], title: str = "") -> None:
    """Draw a confusion matrix: a row per true class, shaded by the share of the row, with the counts.

    Classes without a shape and without a prediction are left out; shapes that failed have a column of their own.

    Args:
        path: The PNG file.
        table: (K,K+1) counts, as :func:`pointclip.evaluation.metrics.confusion` gives them.
        labels: K class names.
        title: What stands at the top.

    Raises:
        InputError: The file cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:  # of three cups, one was taken for a bowl and one failed
        ...     plot_confusion(Path(folder) / "c.png", np.array([[1, 1, 1], [0, 2, 0]]), ["cup", "bowl"], "5 shapes")
        ...     (Path(folder) / "c.png").read_bytes()[1:4]
        b'PNG'
    """
    from matplotlib.figure import Figure

    size = len(labels)
    shown = np.flatnonzero((table.sum(1) > 0) | (table[:, :size].sum(0) > 0))
    columns = np.append(shown, size) if table[:, size].any() else shown
    cells = table[np.ix_(shown, columns)]
    names = [_short(name) for name in (*labels, "(failed)")]
    wide, high = (0.24 * count + 0.4 if len(shown) > 12 else 0.5 * count for count in cells.shape[::-1])
    figure = Figure((wide + 2.4, high + 2.6), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(cells / np.maximum(cells.sum(1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(columns)), [names[k] for k in columns], rotation=90)
    axes.set_yticks(range(len(shown)), [names[k] for k in shown])
    axes.set_xticks(np.arange(len(columns) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(shown) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="#e6e6e6", linewidth=0.5)
    axes.tick_params(which="both", length=0)
    axes.tick_params(labelsize=8 if len(shown) > 12 else 10)
    axes.set(xlabel="predicted class", ylabel="true class", title=title)
    _write_counts(axes, cells, 7 if len(shown) > 12 else 10)
    _save(figure, path)


def plot_reliability(
    path: str | Path, before: Sequence[Bin], after: Sequence[Bin] | None = None, title: str = ""
) -> None:
    """Draw accuracy against confidence, bin by bin, and under it how many shapes are in each bin.

    Args:
        path: The PNG file.
        before: Bins of the model as it is.
        after: Bins with the fitted temperature; None where none was fitted.
        title: What stands at the top.

    Raises:
        InputError: The file cannot be written.

    Example:
        >>> import tempfile
        >>> bins = [Bin(0.0, 0.5, shapes=3, confidence=0.4, accuracy=0.3), Bin(0.5, 1.0, 7, 0.9, 0.8)]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     plot_reliability(Path(folder) / "r.png", bins, title="10 shapes")
        ...     (Path(folder) / "r.png").read_bytes()[1:4]
        b'PNG'
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure((5.2, 6.0), dpi=120, layout="constrained")
    top, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    top.plot([0, 1], [0, 1], color="#969696", linestyle="--", linewidth=1, label="perfect")
    series = [("as it is", before, _BEFORE)]
    series += [] if after is None else [("temperature fitted", after, _AFTER)]
    for place, (name, bins, color) in enumerate(series):
        x, y = [one.confidence for one in bins], [one.accuracy for one in bins]
        top.plot(x, y, color=color, marker="o", markersize=4, linewidth=1.5, label=name)
        width = [(one.high - one.low) / len(series) for one in bins]
        left = [one.low + place * wide for one, wide in zip(bins, width, strict=True)]
        below.bar(left, [one.shapes for one in bins], width, align="edge", color=color, edgecolor="white")
    top.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="accuracy", title=title)
    below.set(xlabel="confidence (probability of the predicted class)", ylabel="shapes")
    below.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    top.legend(loc="upper left", frameon=False)
    _save(figure, path)


def _write_counts(axes: "Axes", cells: Array, size: int) -> None:
    for row, column in np.argwhere(cells > 0):
        dark = cells[row, column] > 0.5 * cells[row].sum()
        ink = "white" if dark else _INK
        axes.text(column, row, str(cells[row, column]), ha="center", va="center", color=ink, fontsize=size)


def _short(name: str) -> str:
    plain = name.replace("$", r"\$")  # a dollar sign would begin a formula
    return plain if len(plain) <= _MOST_LETTERS else plain[: _MOST_LETTERS - 1] + "…"


def _save(figure: "Figure", path: str | Path) -> None:
    path = Path(path)
    with whole(path) as draft, refusals(path):
        figure.savefig(draft, format="png", metadata={"Software": None}, bbox_inches="tight")  # no title is cut

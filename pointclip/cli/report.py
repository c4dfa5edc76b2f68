"""Predictions to a table on the screen, to one JSON document, to rows of a CSV file; pictures to PNG files."""

import csv
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pointclip._base.files import make_folder, refusals, whole

if TYPE_CHECKING:
    from torch import Tensor

    from pointclip.model import Prediction

CSV_COLUMNS = ("path", "rank", "label", "probability", "error")


@dataclass(frozen=True)
class Row:
    """What is told of one file: labels best first, or why there are none.

    Attributes:
        path: The file.
        labels: Names of the most probable classes, best first.
        probs: Their probabilities, each in [0, 1].
        style: The style its pictures were drawn in.
        pictures: Files of its pictures, one per view, where they were saved.
        error: Why it was not classified, in one sentence.
        up: Axis that was found to point up, where it was searched for.
        notes: What was left out of the file or assumed about it.
    """

    path: str
    labels: tuple[str, ...] = ()
    probs: tuple[float, ...] = ()
    style: str | None = None
    pictures: tuple[str, ...] = ()
    error: str | None = None
    up: str | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: str, prediction: "Prediction", style: str | None = None, pictures: Sequence[str] = ()) -> "Row":
        """Keep of a prediction what is told, without its tensors."""
        return cls(path, prediction.labels, prediction.probs, style, tuple(pictures))

    def ranked(self) -> Iterator[tuple[int, str, float]]:
        """Give rank from 1, label and probability, best first."""
        for rank, (label, prob) in enumerate(zip(self.labels, self.probs, strict=True), start=1):
            yield rank, label, prob


def shown(text: str) -> str:
    r"""Make any text fit for a terminal: on one line, printable, encodable.

    Example:
        >>> shown("a\nb\x1b[31m")
        'a b?[31m'
    """
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))


def as_table(row: Row) -> Group:
    """Draw one shape: its path, then a table of rank, label and probability, or its error.

    Example:
        >>> from rich.console import Console
        >>> Console(width=60).print(as_table(Row("chair.obj", ("chair", "bar stool"), (0.9, 0.05))))
        chair.obj
          1  chair      0.900
          2  bar stool  0.050
    """
    title = Text(shown(row.path), "bold", overflow="fold")
    title.append("" if row.up is None else f"  (up: {row.up})", "not bold")
    if row.error is not None:
        return Group(title, Padding(Text.assemble(("error: ", "red"), shown(row.error)), (0, 0, 0, 2), expand=False))
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right")
    table.add_column(overflow="fold")
    table.add_column(justify="right")
    for rank, label, prob in row.ranked():
        table.add_row(str(rank), Text(shown(label)), f"{prob:.3f}", style="green" if rank == 1 else None)
    notes = [
        Padding(Text(f"note: {shown(note)}", "dim", overflow="fold"), (0, 0, 0, 2), expand=False) for note in row.notes
    ]
    return Group(title, Padding(table, (0, 0, 0, 2), expand=False), *notes)


def as_document(rows: Sequence[Row], settings: dict[str, Any]) -> dict[str, Any]:
    """Build the JSON document of a run.

    Args:
        rows: One for each file.
        settings: What was asked for, such as the model and the labels.

    Returns:
        ``{**settings, "counts": {...}, "shapes": [...]}``; a shape has ``predictions`` or ``error``, never both.

    Example:
        >>> as_document([Row("a.obj", error="a.obj is empty")], {"model": "embedded"})["counts"]
        {'files': 1, 'classified': 0, 'failed': 1}
    """
    failed = sum(row.error is not None for row in rows)
    counts = {"files": len(rows), "classified": len(rows) - failed, "failed": failed}
    return {**settings, "counts": counts, "shapes": [_entry(row) for row in rows]}


def _entry(row: Row) -> dict[str, Any]:
    if row.error is not None:
        return {"path": row.path, "error": row.error}
    ranked = [{"rank": rank, "label": label, "probability": prob} for rank, label, prob in row.ranked()]
    up = {} if row.up is None else {"up": row.up}
    entry: dict[str, Any] = {"path": row.path, "style": row.style, **up, "predictions": ranked}
    entry |= {"notes": list(row.notes)} if row.notes else {}
    return {**entry, "pictures": list(row.pictures)} if row.pictures else entry


class CsvReport:
    """Rows of a CSV file that is being written; see :func:`open_csv`."""

    def __init__(self, file: TextIO, path: Path, at_once: bool) -> None:
        self.at_once = at_once  # a device takes the rows as they come, a file when all are there
        self._writer = csv.writer(file)
        self.path = path
        self._write(CSV_COLUMNS)

    def add(self, row: Row) -> None:
        """Write one shape: a line per rank, or one line with its error.

        Raises:
            InputError: The disk is full or gone.
        """
        if row.error is not None:
            self._write((row.path, "", "", "", row.error))
        for rank, label, prob in row.ranked():
            self._write((row.path, rank, label, f"{prob:.6g}", ""))

    def _write(self, values: Sequence[object]) -> None:
        with refusals(self.path):
            self._writer.writerow(values)


@contextmanager
def open_csv(path: str | Path) -> Iterator[CsvReport]:
    """Write a CSV file, whole or not at all; a device such as ``/dev/stdout`` is written as the rows come.

    Args:
        path: The file; one that exists is replaced at the end of the block.

    Raises:
        InputError: The file cannot be written there; said at the start of the block.
    """
    path = Path(path)
    with whole(path) as draft:
        mode: Literal["a", "w"] = "a" if draft == path else "w"  # a device may stand for a file that holds something
        file = draft.open(mode, newline="", encoding="utf-8", errors="surrogateescape")
        try:
            yield CsvReport(file, path, draft == path)
        finally:
            with refusals(path):
                file.close()


def save_pictures(pictures: "Tensor", names: Sequence[str], folder: Path) -> tuple[str, ...]:
    """Write one PNG for each view.

    Args:
        pictures: (V, 3, S, S) float in [0, 1].
        names: V names of views; they become part of the file names.
        folder: Where to; it is made.

    Returns:
        The files, in the order of the views.

    Raises:
        InputError: A file cannot be written.
    """
    from PIL import Image

    make_folder(folder)
    digits = len(str(len(names) - 1))
    saved = []
    for index, (picture, name) in enumerate(zip(pictures, names, strict=True)):
        slug = re.sub(r"[^a-z0-9+-]+", "-", name.lower()).strip("-")
        target = folder / f"{index:0{digits}d}-{slug}.png"
        pixels = (picture.detach().cpu().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
        with whole(target) as draft, refusals(target):
            Image.fromarray(pixels).save(draft, format="PNG")
        saved.append(str(target))
    return tuple(saved)


def picture_folders(paths: Sequence[str], root: Path) -> dict[str, Path]:
    """Name a folder of pictures for each file, so that no two files share one.

    Each is named by the file's whole name, below ``root`` in the same tree as the files are below the folder that
    holds them all.

    Example:
        >>> [str(folder) for folder in picture_folders(["a/x.obj", "a/x.ply", "b/x.obj"], Path("out")).values()]
        ['out/a/x.obj', 'out/a/x.ply', 'out/b/x.obj']
    """
    full = {path: Path(os.path.normpath(Path.cwd() / path)) for path in paths}
    try:
        shared = os.path.commonpath([path.parent for path in full.values()])
    except ValueError:  # files on several drives
        return {path: root.joinpath(*(part.strip(":\\/") for part in file.parts)) for path, file in full.items()}
    return {path: root / file.relative_to(shared) for path, file in full.items()}

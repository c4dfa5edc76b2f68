"""A CSV table of paths and labels."""

import csv
import os
from collections.abc import Iterator
from pathlib import Path

from pointclip.datasets.folder import SPLITS, pick_split
from pointclip.datasets.listed import Entry, ListedFiles
from pointclip.errors import DatasetError

COLUMNS = "path, label and, if the shapes are split, split"


class PathTable(ListedFiles):
    """Give the shapes that a CSV file lists.

    Args:
        path: The file, with a header line and the columns ``path``, ``label`` and perhaps ``split``, whose ``Train``,
            ``training`` and so on are ``train``. Relative paths start at the folder of the CSV file; they are the ids,
            as written.
        split: A split of the table; None takes ``train`` where there is one, or everything of an unsplit table.
        num_points: Points drawn on a mesh, and most kept of a cloud.
        up: Axis that points up in the files.
        seed: Seed of the points drawn.

    Raises:
        DatasetError: There is no such file, column or split, a row lacks a path or a label, or a path is there twice.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as root:
        ...     table = Path(root) / "shapes.csv"
        ...     _ = table.write_text("path,label\\nmeshes/a.obj,cup\\nmeshes/b.obj,bowl\\n")
        ...     shapes = PathTable(table)
        ...     print(shapes.labels, shapes.id(1), shapes.label(1))
        ['bowl', 'cup'] meshes/b.obj bowl
    """

    def __init__(
        self, path: str | Path, split: str | None = None, num_points: int = 20_000, up: str = "y", seed: int = 0
    ) -> None:
        self.path = Path(path)
        everything = list(_entries(self.path))
        splits = tuple(sorted({entry.split for entry in everything}))
        if split is None:
            split = "train" if "train" in splits else splits[0] if len(splits) == 1 else None
        super().__init__(everything, pick_split(self.path, splits, split), num_points, up, seed)


def _entries(path: Path) -> Iterator[Entry]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            rows = list(table)
            known = [name.strip().lower() for name in table.fieldnames or ()]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DatasetError(f"{path} cannot be read as a CSV file ({reason}): it needs the columns {COLUMNS}") from error
    if not {"path", "label"} <= set(known):
        raise DatasetError(f"{path} has the columns {', '.join(known) or 'of an empty file'}: it needs {COLUMNS}")
    if not rows:
        raise DatasetError(f"{path} lists no shape: give each a line")
    seen: set[str] = set()
    for line, row in enumerate(rows, start=2):
        fields = {(name or "").strip().lower(): (value or "").strip() for name, value in row.items() if name}
        if not fields["path"] or not fields["label"]:
            raise DatasetError(f"{path}, line {line}: a path and a label are needed, got {list(row.values())}")
        place = os.path.normpath(fields["path"])
        if place in seen:
            raise DatasetError(f"{path}, line {line}: {fields['path']} is there twice: remove one")
        seen.add(place)
        split = fields.get("split") or "all"
        split = SPLITS.get(split.lower(), split)
        yield Entry(path.parent / fields["path"], fields["label"], split, fields["path"])

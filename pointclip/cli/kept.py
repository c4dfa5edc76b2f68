"""Rows of a run that was stopped: kept beside the CSV file that is to hold them, found again by the same command."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from pointclip._base.files import refusals
from pointclip._base.words import counted
from pointclip.cli import console as _console
from pointclip.cli.report import Row

if TYPE_CHECKING:
    from pointclip.cli.options import Settings
    from pointclip.datasets import Item
    from pointclip.model import PointCLIP

Answer = tuple[Row, Exception | None]


class KeptRows:
    """A file of rows, one JSON document a line, written as they are done.

    A line that a killed process did not finish is dropped. Rows of other settings, or of a file that has changed since,
    stay where they are and are not found.

    Args:
        path: The file; it is made with the first row.
        key: Names the settings and the model that the rows were made with.
        fingerprint: Names the content of a file; None for what cannot be read twice.

    Raises:
        InputError: The file is there and cannot be read.
    """

    def __init__(self, path: Path, key: str, fingerprint: Callable[[str], str | None]) -> None:
        self.path, self.key, self.done, self._fingerprint = path, key, 0, fingerprint
        self._file: BinaryIO | None = None
        self._rows: dict[tuple[str, str], tuple[str, Row]] = {}
        with refusals(path):
            written = path.read_bytes() if path.exists() else b""
        self._whole = 0
        for line in written.splitlines(keepends=True):
            with suppress(ValueError, TypeError, KeyError):
                known = json.loads(line) if line.endswith(b"\n") else {}
                row = _row(known["row"])
                self._rows[known["key"], row.path] = known["file"], row
                self._whole += len(line)
                continue
            break  # what follows was not finished

    def find(self, paths: Iterable[str]) -> dict[str, Row]:
        """Give the rows of files that are as they were, and whose pictures are there."""
        found = {}
        for path in paths:
            file, row = self._rows.get((self.key, path), ("", None))
            if row is None or not all(Path(picture).is_file() for picture in row.pictures):
                continue
            if file == self._fingerprint(path):
                found[path] = row
        self.done = len(found)
        return found

    def merged(
        self, items: "Sequence[Item]", answers: "Callable[[Sequence[Item]], Iterator[Answer]]"
    ) -> Iterator[Answer]:
        """Yield the answers to all items in their order, and keep the new ones that are no errors."""
        known = self.find(item.path for item in items if item.error is None)
        fresh = answers([item for item in items if item.path not in known])
        for item in items:
            if item.path in known:
                yield known[item.path], None
                continue
            row, error = next(fresh)
            if error is None:
                self.add(row)
            yield row, error

    def add(self, row: Row) -> None:
        """Keep one row.

        Raises:
            InputError: The disk is full or gone.
        """
        file = self._fingerprint(row.path)
        if file is None:
            return
        known = {"key": self.key, "file": file, "row": asdict(row)}
        with refusals(self.path):
            if self._file is None:
                self._file = self.path.open("ab")
                self._file.truncate(self._whole)
            self._file.write(json.dumps(known).encode() + b"\n")
            self._file.flush()
        self.done += 1

    def close(self) -> None:
        """Close the file and leave it."""
        if self._file is not None:
            self._file.close()

    def forget(self) -> None:
        """Remove the file: its rows are where they were to go."""
        self.close()
        with refusals(self.path):
            self.path.unlink(missing_ok=True)


def _row(told: dict[str, Any]) -> Row:
    """Give a row that JSON kept, its lists as tuples again."""
    made: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()}
    return Row(**made)


@contextmanager
def keeping(path: Path, made: dict[str, Any], chosen: "Settings", network: "PointCLIP") -> Iterator[KeptRows]:
    """Keep rows beside a CSV file while they are made; an interruption says how to go on, a good end removes them.

    Args:
        path: The CSV file.
        made: What decides the rows besides the settings and the model.
        chosen: The settings.
        network: The model.
    """
    asked = {**made, **asdict(chosen), "identity": network.clip.identity}
    key = key_of(asked, (chosen.adapter, chosen.views, chosen.templates))
    kept = KeptRows(path.with_name(f"{path.name}.part"), key, partial(_fingerprint, chosen))
    try:
        yield kept
    except KeyboardInterrupt:
        if kept.done:
            _console.say_note(f"{counted(kept.done, 'shape')} done, kept in {kept.path}: the same command goes on")
        raise
    finally:
        kept.close()


def _fingerprint(chosen: "Settings", path: str) -> str | None:
    from pointclip.datasets import file_fingerprint

    if not Path(path).is_file():
        return None  # standard input, or gone
    try:
        return f"{file_fingerprint(Path(path), chosen.points, chosen.up, chosen.seed)} {chosen.drop_outliers}"
    except OSError:
        return None


def key_of(settings: dict[str, Any], files: Iterable[str | None]) -> str:
    """Name settings, with the content of the files that they name.

    Args:
        settings: JSON only.
        files: Values of settings that may be names of files.
    """
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for name in files:
        with suppress(OSError, ValueError):  # no file, or longer than a path may be
            digest.update(b"file" + Path(str(name)).read_bytes())
    return digest.hexdigest()

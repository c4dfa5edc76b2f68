"""Rows of numbers that outlive the process that made them, each whole or absent, in a folder that many may write to."""

import errno
import hashlib
import logging
import os
import secrets
import tempfile
import weakref
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from pointclip._base.files import refusals

_NAME, _DIGEST = 16, 8  # bytes
_PROBE_TOLERANCE = 1e-3  # on unit vectors: over rounding between threads, under any other picture
_log = logging.getLogger(__name__)


class RowStore:
    """Keep rows in the files of a folder: a segment for each process that adds to them at the same time.

    A segment begins with the probe, which says what made the rows; then come the rows, each its name, its numbers and
    a digest of both, appended whole. A process goes on with a segment that no other one holds. What is cut, damaged or
    made by something else counts as absent, and the log says so. Where the folder cannot be written, rows last as long
    as the store, in a file without a name.

    Args:
        folder: The folder; made with the first row.
        probe: What the maker of the rows makes of something fixed, float32; segments with another probe are stale.
        width: Numbers of a row.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     RowStore(Path(folder), torch.zeros(1), 2).add(b"sixteen bytes it", torch.ones(2))
        ...     RowStore(Path(folder), torch.zeros(1), 2).row(b"sixteen bytes it")
        tensor([1., 1.])
    """

    def __init__(self, folder: Path, probe: Tensor, width: int) -> None:
        self.folder, self.probe, self.width = folder, probe, width
        kind = f"pointclip rows 1 {width} {probe.numel()}\n".encode()
        head = kind + probe.contiguous().numpy().tobytes()
        self._kind, self._head, self._size = len(kind), head + _digest(head), _NAME + 4 * width + _DIGEST
        self._places: dict[bytes, tuple[tuple[BinaryIO, int], ...]] = {}
        self._own: BinaryIO | None = None
        self._files = ExitStack()
        weakref.finalize(self, self._files.close)
        for path in self._segments():
            self._look_through(path)

    def row(self, name: bytes) -> Tensor | None:
        """Read a row, (width,) float32; None where there is none, or it is damaged."""
        places = self._places.get(name, ())
        for file, start in reversed(places):
            file.seek(start)
            content = file.read(self._size)
            if content.startswith(name) and content[-_DIGEST:] == _digest(content[:-_DIGEST]):
                return torch.frombuffer(bytearray(content[_NAME:-_DIGEST]), dtype=torch.float32)
        if places:
            _log.warning("%s has a damaged row, which will be made anew", self.folder)
            del self._places[name]
        return None

    def add(self, name: bytes, row: Tensor) -> None:
        """Append a row.

        Raises:
            InputError: It can be written neither into the folder nor into a temporary file.
        """
        content = name + row.contiguous().numpy().tobytes()
        content += _digest(content)
        try:
            self._own = self._own or self._begin()
            start = _append(self._own, content)
        except OSError as error:
            _say_once(self.folder, error.strerror or str(error))
            with refusals(Path(tempfile.gettempdir())):
                self._own = self._files.enter_context(tempfile.TemporaryFile(buffering=0))  # noqa: SIM115
                start = _append(self._own, content)
        self._places[name] = (*self._places.get(name, ()), (self._own, start))

    def _segments(self) -> list[Path]:
        return sorted(self.folder.glob("*.rows"))

    def _look_through(self, path: Path) -> None:
        """Note where the rows of a segment are."""
        try:
            file = self._files.enter_context(path.open("rb", buffering=0))
            if fault := self._fault(file):
                _log.warning("%s %s and will be made anew", path, fault)
                return
            size = path.stat().st_size
            for start in self._starts(size):
                file.seek(start)
                name = file.read(_NAME)
                self._places[name] = (*self._places.get(name, ()), (file, start))
        except OSError as error:
            _log.warning("%s cannot be read (%s): its rows will be made anew", path, error)
            return
        if size != self._whole(size):
            _log.warning("%s is cut or damaged at its end, which will be made anew", path)

    def _fault(self, file: BinaryIO) -> str:
        """Say what is wrong with the beginning of a segment; nothing where it is as it must be."""
        file.seek(0)
        head = file.read(len(self._head))
        if head == self._head:
            return ""
        if head[: self._kind] != self._head[: self._kind] or head[-_DIGEST:] != _digest(head[:-_DIGEST]):
            return "is cut or damaged"
        probe = torch.frombuffer(bytearray(head[self._kind : -_DIGEST]), dtype=torch.float32)
        same = torch.allclose(probe, self.probe.flatten(), rtol=0, atol=_PROBE_TOLERANCE)
        return "" if same else "was made by another version or setting"

    def _starts(self, size: int) -> range:
        return range(len(self._head), self._whole(size), self._size)

    def _whole(self, size: int) -> int:
        """Count the bytes of a segment up to the end of its last whole row."""
        return size - (size - len(self._head)) % self._size

    def _begin(self) -> BinaryIO:
        """Go on with a segment that no process holds, or begin one; remove those that are of no use."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in self._segments():
            with suppress(PermissionError), ExitStack() as stack:
                file = stack.enter_context(path.open("r+b", buffering=0))
                if not _hold(file):
                    continue
                if self._fault(file):
                    path.unlink()
                    continue
                file.truncate(self._whole(path.stat().st_size))
                self._files.push(stack.pop_all())
                return file
        path = self.folder / f"{secrets.token_hex(8)}.rows"
        draft = path.with_suffix(".part")
        file = self._files.enter_context(draft.open("x+b", buffering=0))
        _hold(file)
        _append(file, self._head)
        draft.rename(path)
        return file


def _append(file: BinaryIO, content: bytes) -> int:
    """Write whole or not at all at the end of a file; give where."""
    end = file.seek(0, os.SEEK_END)
    if file.write(content) != len(content):
        file.truncate(end)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return end


def _hold(file: BinaryIO) -> bool:
    """Take a file for this process alone, until it is closed; where the system has no such locks, take none."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return False
    return True


@cache
def _say_once(folder: Path, why: str) -> None:
    _log.warning("%s could not be written (%s): features will be encoded again next time", folder, why)


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST).digest()

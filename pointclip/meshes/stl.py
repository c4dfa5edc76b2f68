"""STL files, binary or text, as many programs write them: with wrong counts, marks before the text, no last line."""

import re
import struct
from pathlib import Path

import numpy as np

from pointclip.errors import InputError
from pointclip.meshes.geometry import Mesh
from pointclip.meshes.repair import REPAIR, sound
from pointclip.meshes.text import decoded

_VERTEX = re.compile(r"vertex\s+(\S+)\s+(\S+)\s+(\S+)", re.IGNORECASE)
_LAST = re.compile(r"end\s*facet\s*\Z")
_ROW = 50
_HEAD = 84


def read_stl(path: Path) -> Mesh:
    """Read the triangles of an .stl file; a count that differs from what lies there is told in the notes.

    Raises:
        InputError: It was cut short, or is no .stl file.
    """
    data = path.read_bytes()
    mesh = _text(path, data) if _is_text(data) else _binary(path, data)
    return sound(str(path), mesh)


def _is_text(data: bytes) -> bool:
    if len(data) >= _HEAD and len(data) == _HEAD + _ROW * _count(data):
        return False
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return True
    return b"\0" not in data[:512] and b"vertex" in data[:100_000].lower()


def _count(data: bytes) -> int:
    return int(struct.unpack("<I", data[80:84])[0])


def _text(path: Path, data: bytes) -> Mesh:
    text = decoded(path, data)
    words = _VERTEX.findall(text)
    try:
        corners = np.array(words, dtype=np.float64).reshape(-1, 3)
    except ValueError as error:
        raise InputError(f"{path} is damaged, cut short or no .stl file: {REPAIR}") from error
    tail = text[-200:].lower()
    whole = "endsolid" in tail or bool(_LAST.search(tail))
    if not len(corners) or len(corners) % 3 or not whole:
        raise InputError(f"{path} is damaged, cut short or no .stl file: {REPAIR}")
    notes = () if "endsolid" in tail else ("the last line, endsolid, is missing: the file may have been cut short",)
    return Mesh(corners, np.arange(len(corners)).reshape(-1, 3), notes=notes)


def _binary(path: Path, data: bytes) -> Mesh:
    """Read as many triangles as the header says; where whole triangles more or fewer lie there, read those."""
    if len(data) < _HEAD + _ROW:
        raise _short(path)
    count = _count(data)
    there, rest = divmod(len(data) - _HEAD, _ROW)
    if count == 0 or count > there:
        if rest:
            raise _short(path)
        count, claimed = there, count
    elif rest == 0 and there > count and _continues(data, count, there):
        count, claimed = there, count
    else:
        claimed = count
    notes = () if claimed == count else (f"its header counts {claimed:,} triangles, {count:,} lie there and were read",)
    return Mesh(_corners(data, 0, count), np.arange(3 * count).reshape(-1, 3), notes=notes)


def _corners(data: bytes, first: int, count: int) -> np.ndarray:
    rows = np.frombuffer(data, np.dtype([("numbers", "<f4", (12,)), ("_", "<u2")]), count, _HEAD + _ROW * first)
    return rows["numbers"][:, 3:].reshape(-1, 3).astype(np.float64)


def _continues(data: bytes, count: int, there: int) -> bool:
    """Tell whether what lies behind the counted triangles has their size, so that it is no other data."""
    known, more = np.abs(_corners(data, 0, count)), np.abs(_corners(data, count, there - count))
    return bool(np.isfinite(more).all() and more.max() > 0 and more.max() <= 100 * np.nanmax(known))


def _short(path: Path) -> InputError:
    return InputError(f"{path} is not an .stl file, or was cut short: copy it again, or {REPAIR}")

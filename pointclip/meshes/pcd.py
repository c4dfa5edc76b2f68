"""Point Cloud Library files (.pcd): ascii, binary and binary_compressed."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pointclip.errors import InputError
from pointclip.meshes.columns import as_colors
from pointclip.meshes.geometry import RawPoints
from pointclip.meshes.packed import check_unpacked
from pointclip.meshes.text import check_count, parse_rows

_KEYS = {"VERSION", "FIELDS", "COLUMNS", "SIZE", "TYPE", "COUNT", "WIDTH", "HEIGHT", "VIEWPOINT", "POINTS", "DATA"}

_MOST_LZF = 60  # three bytes can stand for 264, which no real cloud comes near
_NAN_BITS = 0x7FC00000  # NaN where a packed colour is read as float: no writer packs alpha 127 over red 192


@dataclass(frozen=True)
class _Header:
    """Names, numpy types and widths of the columns, the number of points and how they are stored."""

    names: list[str]
    types: list[np.dtype]
    counts: list[int]
    num_points: int
    storage: str

    @property
    def row(self) -> np.dtype:
        columns = zip(self.names, self.types, self.counts, strict=True)
        return np.dtype([(f"{i}:{name}", kind, (count,)) for i, (name, kind, count) in enumerate(columns)])


def read_pcd(path: Path) -> RawPoints:
    """Read x y z, normal_x normal_y normal_z and rgb (or rgba) of a .pcd file; other fields are left out.

    Raises:
        InputError: The header or the body is damaged, cut short, or has no x y z.
    """
    data = path.read_bytes()
    header, start = _header(path, data)
    if not {"x", "y", "z"} <= set(header.names):
        raise InputError(f"{path} has the fields {' '.join(header.names)} and no x y z: export the positions too")
    notes: tuple[str, ...] = ()
    if header.storage == "ascii":
        columns, notes = _ascii(path, header, data[start:])
    elif header.storage == "binary":
        columns = _binary(path, header, data[start:])
    else:
        columns = _compressed(path, header, data[start:])
    normals = ("normal_x", "normal_y", "normal_z")
    return RawPoints(
        _stack(columns, ("x", "y", "z")),
        _stack(columns, normals) if set(normals) <= set(columns) else None,
        _colors(columns),
        notes=notes,
    )


def _header(path: Path, data: bytes) -> tuple[_Header, int]:
    entries: dict[str, list[str]] = {}
    start = 0
    while "DATA" not in entries:
        end = data.find(b"\n", start)
        words = data[start:end].decode("ascii", "replace").split("#")[0].split()
        if end < 0 or (words and words[0].upper() not in _KEYS):
            raise InputError(f"{path} has no complete .pcd header: save it again as .pcd")
        if words:
            entries[words[0].upper()] = words[1:]
        start = end + 1
    try:
        names = entries.get("FIELDS") or entries["COLUMNS"]
        kinds = zip(entries["TYPE"], entries["SIZE"], strict=True)
        types = [np.dtype(f"<{kind.lower()}{int(size)}") for kind, size in kinds]
        counts = [int(word) for word in entries.get("COUNT") or ["1"] * len(names)]
        points = entries.get("POINTS")
        size = int(points[0]) if points else int(entries["WIDTH"][0]) * int(entries["HEIGHT"][0])
        header = _Header([name.lower() for name in names], types, counts, size, entries["DATA"][0].lower())
        consistent = len(header.names) == len(header.types) == len(header.counts) and header.storage in (
            "ascii",
            "binary",
            "binary_compressed",
        )
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise InputError(f"{path} has a damaged .pcd header ({error}): save it again as .pcd") from error
    if size == 0:
        raise InputError(f"{path} holds no points: export it again")
    if not consistent or size < 1:
        raise InputError(
            f"{path} holds {size} points stored as {header.storage!r}: save it again as ascii or binary .pcd"
        )
    return header, start


def _short(path: Path, header: _Header) -> InputError:
    return InputError(f"{path} announces {header.num_points} points and ends before the last: copy or export it again")


def _ascii(path: Path, header: _Header, body: bytes) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    table = parse_rows(path, body.decode("ascii", "replace"))
    notes = check_count(path, header.num_points, len(table))
    if table.shape[1] != sum(header.counts):
        raise InputError(
            f"{path} has {table.shape[1]} columns where its header says {sum(header.counts)}: export it again"
        )
    starts = np.cumsum([0, *header.counts])
    found: dict[str, np.ndarray] = {}
    for name, kind, at in zip(header.names, header.types, starts, strict=False):
        column = table[: header.num_points, at]
        if name in ("rgb", "rgba") and kind.itemsize == 4:
            found.setdefault(name, _packed(column, kind))
        else:
            found.setdefault(name, column)
    return found, notes


def _packed(column: np.ndarray, kind: np.dtype) -> np.ndarray:
    """Return written colours in the type they are packed in; NaN marks a point without one, and stays NaN."""
    if kind.kind == "f":
        return column.astype(np.float32)
    bits = np.where(np.isfinite(column), column, _NAN_BITS).astype(np.int64)
    return bits.astype(np.uint32)


def _binary(path: Path, header: _Header, body: bytes) -> dict[str, np.ndarray]:
    if len(body) < header.num_points * header.row.itemsize:
        raise _short(path, header)
    rows = np.frombuffer(body, dtype=header.row, count=header.num_points)
    found: dict[str, np.ndarray] = {}
    for name, key in zip(header.names, header.row.names or (), strict=True):
        found.setdefault(name, rows[key][:, 0])
    return found


def _compressed(path: Path, header: _Header, body: bytes) -> dict[str, np.ndarray]:
    """Unpack the body and cut it into columns: compressed files hold one field after the other."""
    sizes = np.frombuffer(body[:8], dtype="<u4")
    if len(sizes) < 2 or len(body) < 8 + int(sizes[0]) or int(sizes[1]) < header.num_points * header.row.itemsize:
        raise _short(path, header)
    check_unpacked(path, int(sizes[1]), int(sizes[0]), most_times=_MOST_LZF)
    try:
        plain = unpack_lzf(memoryview(body)[8 : 8 + int(sizes[0])], int(sizes[1]))
    except (IndexError, ValueError) as error:
        raise InputError(f"{path} has a damaged compressed body: save it again as binary .pcd") from error
    found: dict[str, np.ndarray] = {}
    start = 0
    for name, kind, count in zip(header.names, header.types, header.counts, strict=True):
        size = header.num_points * count
        column = np.frombuffer(plain, dtype=kind, count=size, offset=start).reshape(-1, count)[:, 0]
        found.setdefault(name, column)
        start += size * kind.itemsize
    return found


def unpack_lzf(packed: memoryview, size: int) -> bytearray:
    """Undo LZF compression: runs of literal bytes, and copies of earlier output.

    Raises:
        IndexError: The data ends in the middle of a token.
        ValueError: The output does not have ``size`` bytes, or a copy starts before it.

    Example:
        >>> bytes(unpack_lzf(memoryview(bytes([1, 97, 98, 0x80, 1])), 8))
        b'abababab'
    """
    out = bytearray()
    at, end = 0, len(packed)
    while at < end:
        token = packed[at]
        at += 1
        if token < 32:
            out += packed[at : at + token + 1]
            at += token + 1
            continue
        length = token >> 5
        if length == 7:
            length += packed[at]
            at += 1
        start = len(out) - ((token & 31) << 8) - packed[at] - 1
        at += 1
        length += 2
        if start < 0:
            raise ValueError("a copy starts before the output")
        chunk = out[start : start + length]
        while len(chunk) < length:  # the copy overlaps its own output
            chunk += chunk[: length - len(chunk)]
        out += chunk
    if len(out) != size:
        raise ValueError("wrong length")
    return out


def _stack(columns: dict[str, np.ndarray], names: tuple[str, ...]) -> np.ndarray:
    return np.column_stack([columns[name].astype(np.float64) for name in names])


def _colors(columns: dict[str, np.ndarray]) -> np.ndarray | None:
    """Unpack rgb, three bytes in the bits of a float or an integer, or read the fields r g b."""
    packed = columns.get("rgb", columns.get("rgba"))
    if packed is None:
        for names in (("r", "g", "b"), ("red", "green", "blue")):
            if set(names) <= set(columns):
                return as_colors(_stack(columns, names))
        return None
    if packed.dtype.itemsize != 4:
        return None
    bits = np.ascontiguousarray(packed).view(np.uint32)
    channels = np.stack([(bits >> shift) & 255 for shift in (16, 8, 0)], axis=1).astype(np.float32) / 255.0
    channels[bits == _NAN_BITS] = np.nan
    return channels

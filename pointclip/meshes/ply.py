"""What trimesh does not do with binary PLY files: faces of different sizes side by side."""

from dataclasses import dataclass

import numpy as np

_SIZES = {"char": 1, "uchar": 1, "short": 2, "ushort": 2, "int": 4, "uint": 4, "float": 4, "double": 8}
_SIZES |= {"int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "float32": 4, "float64": 8}
_SIZES |= {"int64": 8, "uint64": 8, "float16": 2}


@dataclass
class _Faces:
    """Where the face rows lie and how they are laid out: bytes before the list, its two types, bytes after it."""

    start: int
    count: int
    before: int
    count_size: int
    index_size: int
    after: int


def triangulated_ply(data: bytes) -> bytes:
    """Return a binary PLY file with its polygons as triangle fans; other files come back as they are.

    trimesh takes the size of the first face for that of all, so it refuses, or misreads, triangles mixed with quads,
    and it mixes up the colours of faces that it cuts.
    Numbers that stand beside a face, such as its colour, go with each of its triangles.

    Raises:
        ValueError: The header is damaged, or the rows end too early.
    """
    end = data.find(b"end_header")
    body = data.find(b"\n", end) + 1
    if not data.startswith(b"ply") or end < 0 or b"format ascii" in data[:end] or not body:
        return data
    order = "big" if b"binary_big_endian" in data[:end] else "little"
    faces = _find_faces(data[:end].decode("latin-1"), body)
    if faces is None or not faces.count:
        return data
    sizes, starts, stop = _rows(data, faces, order)
    if (sizes == 3).all():
        return data
    rows = np.concatenate([_fans(data, faces, starts[sizes == n], n, order) for n in np.unique(sizes[sizes >= 3])])
    lines = data[:body].replace(b"\r\n", b"\n").split(b"\n")
    at = next(i for i, line in enumerate(lines) if line.startswith(b"element face"))
    lines[at] = b"element face %d" % len(rows)
    return b"\n".join(lines) + data[body : faces.start] + rows.tobytes() + data[stop:]


def _find_faces(header: str, start: int) -> _Faces | None:
    """Return the layout of the face rows, or None where there are none, or none this function can follow."""
    name, count, widths = "", 0, [0]
    lists: list[tuple[int, int]] = []
    for words in [line.split() for line in header.splitlines()] + [["element", "end", "0"]]:
        if words[:1] == ["element"] and len(words) == 3:
            if name == "face":
                return _Faces(start, count, widths[0], *lists[0], widths[1]) if len(lists) == 1 else None
            if lists:
                return None
            start += count * widths[0]
            name, count, widths, lists = words[1], int(words[2]), [0], []
        elif words[:2] == ["property", "list"]:
            lists.append((_SIZES[words[2]], _SIZES[words[3]]))
            widths.append(0)
        elif words[:1] == ["property"]:
            widths[-1] += _SIZES[words[1]]
    return None


def _rows(data: bytes, faces: _Faces, order: str) -> tuple[np.ndarray, np.ndarray, int]:
    """Walk over the faces; return the size of each, where each begins, and where the last ends."""
    sizes = np.empty(faces.count, dtype=np.int64)
    starts = np.empty(faces.count, dtype=np.int64)
    at, fixed = faces.start, faces.before + faces.count_size + faces.after
    first = _list_size(data, at, faces, order)
    stride = fixed + first * faces.index_size
    if len(data) >= faces.start + faces.count * stride:
        table = np.frombuffer(data, np.uint8, faces.count * stride, faces.start).reshape(faces.count, stride)
        if (
            table[:, faces.before : faces.before + faces.count_size] == table[0, faces.before :][: faces.count_size]
        ).all():
            return np.full(faces.count, first), at + stride * np.arange(faces.count), at + faces.count * stride
    for row in range(faces.count):
        starts[row] = at
        sizes[row] = _list_size(data, at, faces, order)
        at += fixed + int(sizes[row]) * faces.index_size
        if at > len(data):
            raise ValueError("the face rows end too early")
    return sizes, starts, at


def _list_size(data: bytes, at: int, faces: _Faces, order: str) -> int:
    begin = at + faces.before
    return int.from_bytes(data[begin : begin + faces.count_size], "big" if order == "big" else "little")


def _fans(data: bytes, faces: _Faces, starts: np.ndarray, size: int, order: str) -> np.ndarray:
    """Return the rows (M, bytes) of the triangles of all faces with ``size`` corners."""
    length = faces.before + faces.count_size + size * faces.index_size + faces.after
    rows = np.frombuffer(data, np.uint8)[starts[:, None] + np.arange(length)]
    head = faces.before + faces.count_size
    corners = rows[:, head : length - faces.after].reshape(len(rows), size, faces.index_size)
    three = np.frombuffer((3).to_bytes(faces.count_size, "big" if order == "big" else "little"), np.uint8)
    fans = [
        np.concatenate(
            [
                rows[:, : faces.before],
                np.broadcast_to(three, (len(rows), faces.count_size)),
                corners[:, [0, k, k + 1]].reshape(len(rows), -1),
                rows[:, length - faces.after :],
            ],
            axis=1,
        )
        for k in range(1, size - 1)
    ]
    return np.concatenate(fans)

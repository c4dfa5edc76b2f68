"""Binary OFF files: big-endian numbers after the line ``OFF BINARY``."""

import re

import numpy as np

from pointclip.meshes.geometry import UNPAINTED

_HEADER = re.compile(rb"\s*(ST)?(C)?(N)?OFF\s+BINARY[^\n]*\n")
Faces = tuple[np.ndarray, np.ndarray, np.ndarray | None]


def is_binary(data: bytes) -> bool:
    """Tell whether the first line says so.

    Example:
        >>> is_binary(b"COFF BINARY\\n"), is_binary(b"OFF\\n3 1 0\\n")
        (True, False)
    """
    return re.match(rb"\s*\w*OFF\s+BINARY", data[:64]) is not None


def parse(data: bytes) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None, Faces]:
    """Take a binary OFF file apart.

    Returns:
        Vertices (V, 3), their normals (V, 3) or None, their colours (V, 3) in [0, 1] or None, and the faces: sizes,
        corners one face after the other, and a colour (F, 3) for each or None.

    Raises:
        ValueError: It ends too early, or has points of another dimension than three.
    """
    head = _HEADER.match(data)
    if head is None:
        raise ValueError("another dimension than three")
    num_vertices, num_faces, _ = np.frombuffer(data, ">i4", 3, head.end()).tolist()
    normal_at = 3
    color_at = normal_at + 3 * bool(head[3])
    width = color_at + 4 * bool(head[2]) + 2 * bool(head[1])
    start = head.end() + 12
    if num_vertices < 0 or num_faces < 0:
        raise ValueError("negative numbers of vertices or faces")
    rows = np.frombuffer(data, ">f4", num_vertices * width, start).reshape(-1, width).astype(np.float64)
    words = np.frombuffer(data, ">i4", offset=start + rows.size * 4, count=(len(data) - start - rows.size * 4) // 4)
    normals = rows[:, normal_at : normal_at + 3] if head[3] else None
    colors = np.clip(rows[:, color_at : color_at + 3], 0, 1).astype(np.float32) if head[2] else None
    return rows[:, :3], normals, colors, _faces(words, num_faces)


def _faces(words: np.ndarray, count: int) -> Faces:
    """Read faces: how many corners, the corners, how many numbers of a colour, the colour."""
    if count and len(words) > 1:
        size, numbers = int(words[0]), int(words[min(1 + words[0], len(words) - 1)])
        row = size + 2 + numbers
        if size > 0 and numbers >= 0 and len(words) >= count * row:
            table = words[: count * row].reshape(count, row)
            if (table[:, 0] == size).all() and (table[:, 1 + size] == numbers).all():
                return (
                    np.full(count, size),
                    table[:, 1 : 1 + size].astype(np.int64).reshape(-1),
                    _colors(table, numbers),
                )
    return _one_by_one(words, count)


def _one_by_one(words: np.ndarray, count: int) -> Faces:
    sizes, corners, colors, at = [], [np.zeros(0, np.int64)], np.full((count, 3), np.nan, ">f4"), 0
    for face in range(count):
        size = int(words[at]) if at < len(words) else -1
        end = at + 1 + size
        if size < 0 or end >= len(words) or words[end] < 0 or end + 1 + words[end] > len(words):
            raise ValueError("it ends before its last face")
        sizes.append(size)
        corners.append(words[at + 1 : end].astype(np.int64))
        at = end + 1 + int(words[end])
        if words[end] in (3, 4):
            colors[face] = np.ascontiguousarray(words[end + 1 : end + 4]).view(">f4")
    known = bool(np.isfinite(colors).any())
    return np.array(sizes, np.int64), np.concatenate(corners), _clipped(colors) if known else None


def _colors(table: np.ndarray, numbers: int) -> np.ndarray | None:
    if numbers not in (3, 4):
        return None
    return _clipped(np.ascontiguousarray(table[:, -numbers:]).view(">f4")[:, :3])


def _clipped(colors: np.ndarray) -> np.ndarray:
    return np.clip(np.nan_to_num(colors, nan=UNPAINTED), 0, 1).astype(np.float32)

"""OFF files: meshes with colours of vertices or faces, and point sets."""

import re
from pathlib import Path

import numpy as np

from pointclip.errors import InputError
from pointclip.meshes.geometry import UNPAINTED, Mesh, RawPoints
from pointclip.meshes.off_binary import is_binary, parse
from pointclip.meshes.polygons import triangles_of
from pointclip.meshes.repair import REPAIR, sound
from pointclip.meshes.text import decoded

_HEADER = re.compile(r"(?i)\A\s*((?:ST)?C?N?4?n?)OFF")
_COUNTS = re.compile(r"\s*(\d+)[ \t]+(\d+)(?:[ \t]+\d+)?[ \t]*\n|\s*(\d+)\s+(\d+)\s+\d+\s")


def read_off(path: Path) -> Mesh | RawPoints:
    """Read an .off file word by word; where each face has a line of its own, the colours at its end too.

    Raises:
        InputError: It does not begin like an .off file, ends too early, or is a four-dimensional one.
    """
    data = path.read_bytes()
    if is_binary(data):
        return _binary(path, data)
    text = decoded(path, data)
    text = re.sub(r"#[^\n]*", "", text) if "#" in text else text
    keyword, num_vertices, num_faces, body = _header(path, text)
    lines = [line for line in body.split("\n") if line and not line.isspace()]
    by_line = len(lines) >= num_vertices + num_faces
    try:
        vertices = _vertices(lines[:num_vertices]) if by_line else None
        if vertices is None or vertices.shape[1] < 3:
            by_line, words = False, body.split()
            width = 6 if "N" in keyword else 3
            vertices = np.array(words[: num_vertices * width], dtype=np.float64).reshape(num_vertices, width)
            faces = _stream(words[num_vertices * width :], num_faces)
        else:
            faces = _lines(lines[num_vertices : num_vertices + num_faces])
    except (ValueError, IndexError, OverflowError) as error:
        raise _short(path, num_vertices, num_faces) from error
    colors = _vertex_colors(vertices, lines[:num_vertices], 6 if "N" in keyword else 3) if by_line else None
    if not num_faces:
        normals = vertices[:, 3:6] if "N" in keyword and vertices.shape[1] >= 6 else None
        return RawPoints(vertices[:, :3], normals, colors)
    return _mesh(path, vertices[:, :3], faces, colors)


def _binary(path: Path, data: bytes) -> Mesh | RawPoints:
    try:
        vertices, normals, colors, (sizes, corners, face_colors) = parse(data)
    except ValueError as error:
        raise InputError(f"{path} is a damaged binary .off file ({error}): export it as text, or as .ply") from error
    if not len(sizes):
        return RawPoints(vertices, normals, colors)
    return _mesh(path, vertices, (sizes, corners, []), colors, face_colors)


def _header(path: Path, text: str) -> tuple[str, int, int, str]:
    found = _HEADER.match(text)
    counts = _COUNTS.match(text + "\n", found.end()) if found else None
    if found is None or counts is None:
        raise InputError(
            f"{path} does not begin with OFF and the numbers of vertices and faces: export it again as .off"
        )
    if "4" in found[1] or "n" in found[1]:
        raise InputError(f"{path} has points of another dimension than three: export it again as .off")
    num_vertices, num_faces = int(counts[1] or counts[3]), int(counts[2] or counts[4])
    body = text[counts.end() :]
    if len(body) < 6 * num_vertices + 2 * num_faces - 1:  # the shortest rows are "0 0 0" and "0"
        raise _short(path, num_vertices, num_faces)
    return found[1].upper(), num_vertices, num_faces, body


def _short(path: Path, num_vertices: int, num_faces: int) -> InputError:
    return InputError(
        f"{path} announces {num_vertices} vertices and {num_faces} faces and ends before the last, or is damaged: "
        "copy it again"
    )


def _vertices(lines: list[str]) -> np.ndarray:
    """Return the numbers of vertex lines; where lines differ in length, of each the first three."""
    flat = np.fromstring(" ".join(lines), dtype=np.float64, sep=" ")  # stops where a word is no number
    width = len(lines[0].split()) if lines else 3
    if len(flat) == width * len(lines):
        return flat.reshape(len(lines), width)
    return np.array([line.split()[:3] for line in lines], dtype=np.float64).reshape(len(lines), 3)


def _vertex_colors(vertices: np.ndarray, lines: list[str], first: int) -> np.ndarray | None:
    """Return colours (V, 3) that stand behind the coordinates: bytes, or fractions where they have a point."""
    if vertices.shape[1] - first not in (3, 4):
        return None
    dotted = any("." in word for line in lines for word in line.split()[first:])
    return np.clip(vertices[:, first : first + 3] / (1.0 if dotted else 255.0), 0.0, 1.0).astype(np.float32)


_Faces = tuple[np.ndarray, np.ndarray, list[list[str]]]


def _lines(lines: list[str]) -> _Faces:
    """Read a face a line; in one go where all have as many corners and nothing behind them."""
    width = len(lines[0].split()) if lines else 0
    flat = np.fromstring(" ".join(lines), dtype=np.float64, sep=" ")
    if width > 1 and len(flat) == width * len(lines):
        table = flat.reshape(-1, width).astype(np.int64)
        if (table[:, 0] == width - 1).all():
            return np.full(len(lines), width - 1), table[:, 1:].reshape(-1), []
    return _rows([line.split() for line in lines])


def _rows(rows: list[list[str]]) -> _Faces:
    """Return sizes and corners of faces, and the words behind them."""
    if rows and all(len(row) == len(rows[0]) and row[0] == rows[0][0] for row in rows):
        size = int(rows[0][0])
        table = np.array([row[1 : size + 1] for row in rows], dtype=np.int64)
        if table.shape[1] != size:
            raise ValueError("a face has fewer corners than it says")
        return np.full(len(rows), size), table.reshape(-1), [row[size + 1 :] for row in rows]
    sizes = np.array([int(row[0]) for row in rows], dtype=np.int64)
    cut = [row[1 : size + 1] for row, size in zip(rows, sizes.tolist(), strict=True)]
    if any(len(row) != size for row, size in zip(cut, sizes.tolist(), strict=True)):
        raise ValueError("a face has fewer corners than it says")
    corners = np.array([word for row in cut for word in row], dtype=np.int64)
    return sizes, corners, [row[size + 1 :] for row, size in zip(rows, sizes.tolist(), strict=True)]


def _stream(words: list[str], num_faces: int) -> _Faces:
    rows, at = [], 0
    for _ in range(num_faces):
        end = at + 1 + int(words[at])
        rows.append(words[at:end])
        at = end
    return _rows(rows)


def _mesh(
    path: Path,
    vertices: np.ndarray,
    faces: _Faces,
    vertex_colors: np.ndarray | None,
    face_colors: np.ndarray | None = None,
) -> Mesh:
    sizes, corners, behind = faces
    if len(corners) and (corners.min() < 0 or corners.max() >= len(vertices)):
        raise InputError(f"{path} has faces that name vertices it does not hold, so it was cut short: {REPAIR}")
    triangles, _, owner = triangles_of(vertices, sizes, corners)
    colors = None if vertex_colors is None else vertex_colors[triangles]
    if colors is None and any(len(words) in (3, 4) for words in behind):
        face_colors = _face_colors(path, behind)
    if colors is None and face_colors is not None:
        colors = np.repeat(face_colors[owner, None], 3, axis=1)
    return sound(str(path), Mesh(vertices, triangles, colors))


def _face_colors(path: Path, behind: list[list[str]]) -> np.ndarray:
    rows = [words[:3] if len(words) in (3, 4) else ["nan"] * 3 for words in behind]
    try:
        values = np.array(rows, dtype=np.float64)
    except ValueError as error:
        raise InputError(f"{path} has words for colours behind its faces: {REPAIR}") from error
    dotted = any("." in word for words in rows for word in words)
    return np.nan_to_num(np.clip(values / (1.0 if dotted else 255.0), 0.0, 1.0), nan=UNPAINTED).astype(np.float32)

"""Polygons of OBJ files cut into triangles inside their outline: a fan fills the hollow of a racket or a railing."""

import numpy as np

_ENOUGH = 1e-9


def cut_polygons(data: bytes) -> bytes:
    r"""Return an OBJ file without hollow polygons: each is replaced by triangles with the corners (v/vt/vn) it had.

    Triangles and convex polygons stay as they are; trimesh cuts these into fans. A file whose numbers cannot be read
    comes back unchanged: trimesh says what is wrong with it.

    Example:
        >>> arrow = b"v 0 0 0\nv 2 1 0\nv 0 2 0\nv 1 1 0\nf 1 2 3 4\n"
        >>> cut_polygons(arrow).split(b"\n")[4:6]
        [b'f 4 1 2', b'f 2 3 4']
    """
    lines = data.replace(b"\\\n", b" ").replace(b"\\\r\n", b" ").split(b"\n")
    where = [i for i, line in enumerate(lines) if line[:1] == b"f" and line.count(b" ") >= 4]
    if not where:
        return data
    try:
        vertices = _vertices(lines)
        hollow = _hollow(vertices, lines, where)
        for at in hollow:
            words = lines[at].split()[1:]
            cuts = cut_ears(vertices[[int(word.partition(b"/")[0]) - 1 for word in words]])
            lines[at] = b"\n".join([b"f %b %b %b" % (words[a], words[b], words[c]) for a, b, c in cuts])
    except (ValueError, IndexError):
        return data
    return b"\n".join(lines) if hollow else data


def _vertices(lines: list[bytes]) -> np.ndarray:
    rows = [line[2:] for line in lines if line[:2] == b"v "]
    return _numbers(b" ".join(rows), np.float64).reshape(len(rows), -1)[:, :3]


def _numbers(text: bytes, dtype: type) -> np.ndarray:
    return np.fromstring(text.decode("ascii"), dtype=dtype, sep=" ")


def _hollow(vertices: np.ndarray, lines: list[bytes], where: list[int]) -> list[int]:
    """Return the lines whose polygon is not covered by the fan from its first corner: some triangle turns backwards."""
    sizes = np.array([len(lines[at].split()) - 1 for at in where])
    found = []
    for size in np.unique(sizes[sizes > 3]):
        rows = np.array(where)[sizes == size]
        corner = vertices[_corners([lines[at] for at in rows], int(size)) - 1]
        arms = corner[:, 1:] - corner[:, :1]
        turns = np.cross(arms[:, :-1], arms[:, 1:])
        along = np.einsum("mik,mjk->mi", turns, turns.sum(axis=1, keepdims=True))
        backwards = along < -_ENOUGH * np.abs(along).max(axis=1, keepdims=True)
        found += rows[backwards.any(axis=1)].tolist()
    return found


def _corners(faces: list[bytes], size: int) -> np.ndarray:
    """Return the vertex numbers (M, size) of face lines of one size, in one go where all name corners alike."""
    references = _numbers(b" ".join([line[1:] for line in faces]).replace(b"/", b" "), np.int64)
    per_corner, rest = divmod(len(references), len(faces) * size)
    if rest == 0:
        return references.reshape(len(faces), -1)[:, ::per_corner]
    return np.array([[int(word.partition(b"/")[0]) for word in line.split()[1:]] for line in faces])


def cut_ears(outline: np.ndarray) -> list[tuple[int, int, int]]:
    """Cut a flat polygon into triangles inside its outline.

    Args:
        outline: (n, 3) corners in order; a hole is joined to the outside by an edge walked twice.

    Returns:
        n - 2 triples of corner numbers that turn the way the outline does.

    Example:
        >>> arrow = np.array([[0, 0, 0], [2, 1, 0], [0, 2, 0], [1, 1, 0.0]])
        >>> cut_ears(arrow)
        [(3, 0, 1), (1, 2, 3)]
    """
    flat = _flattened(outline)
    corners = flat.tolist()
    left, cuts = list(range(len(flat))), []
    turns = [_turn(*(corners[i] for i in _around(left, k))) for k in left]
    while len(left) > 3:
        at = _ear(flat, left, turns)
        cuts.append(_around(left, at))
        del left[at], turns[at]
        for k in (at - 1, at % len(left)):
            turns[k] = _turn(*(corners[i] for i in _around(left, k % len(left))))
    return [*cuts, (left[0], left[1], left[2])]


def _flattened(outline: np.ndarray) -> np.ndarray:
    """Drop the axis nearest to the normal; the outline then runs counter-clockwise."""
    arms = outline[1:] - outline[:1]
    normal = np.cross(arms[:-1], arms[1:]).sum(axis=0)
    axis = int(np.abs(normal).argmax())
    flat = outline[:, [(axis + 1) % 3, (axis + 2) % 3]]
    return flat if normal[axis] >= 0 else flat * [1.0, -1.0]


def _around(left: list[int], k: int) -> tuple[int, int, int]:
    return left[k - 1], left[k], left[(k + 1) % len(left)]


def _turn(a: list[float], b: list[float], c: list[float]) -> float:
    """Return twice the signed area of a triangle: positive when it runs counter-clockwise."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _ear(flat: np.ndarray, left: list[int], turns: list[float]) -> int:
    """Find a convex corner whose triangle holds no other corner; where an outline crosses itself, the most convex."""
    inner = [i for i, turn in zip(left, turns, strict=True) if turn <= 0]
    convex = [k for k, turn in enumerate(turns) if turn > 0]
    if not inner and convex:
        return convex[0]
    for touching in (False, True):
        for k in convex:
            if _is_empty(flat, _around(left, k), inner, touching):
                return k
    return int(np.argmax(turns))


def _is_empty(flat: np.ndarray, triple: tuple[int, int, int], inner: list[int], touching: bool) -> bool:
    """Tell whether none of the inner corners lies in a triangle; one at its tips never counts, one on its edge may."""
    corner, others = flat[list(triple)], flat[[i for i in inner if i not in triple]]
    others = others[(others[:, None] != corner[None]).any(axis=2).all(axis=1)]
    inside = np.ones(len(others), dtype=bool)
    for a, b in ((0, 1), (1, 2), (2, 0)):
        edge, reach = corner[b] - corner[a], others - corner[a]
        side = edge[0] * reach[:, 1] - edge[1] * reach[:, 0]
        inside &= side > 0 if touching else side >= 0
    return not inside.any()

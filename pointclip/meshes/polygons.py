"""Polygons cut into triangles inside their outline: a fan fills the hollow of a racket or a railing."""

import mapbox_earcut
import numpy as np

_ENOUGH = 1e-9


def triangles_of(
    vertices: np.ndarray, sizes: np.ndarray, corners: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut polygons of any size into triangles.

    Args:
        vertices: (V, 3) float64.
        sizes: (P,) how many corners each polygon has; those of fewer than 3 give nothing.
        corners: (sum of sizes,) indices into the vertices, polygon after polygon.

    Returns:
        Triangles (T, 3) of vertex indices, the places (T, 3) of their corners in ``corners``, and the polygon (T,) each
        comes from, in the order of the polygons.

    Example:
        >>> arrow = np.array([[0, 0, 0], [2, 1, 0], [0, 2, 0], [1, 1, 0.0]])
        >>> triangles_of(arrow, np.array([4]), np.arange(4))[0].tolist()
        [[3, 0, 1], [3, 1, 2]]
    """
    starts = np.cumsum(sizes) - sizes
    places, owners = [np.zeros((0, 3), dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for size in np.unique(sizes[sizes >= 3]).tolist():
        which = np.flatnonzero(sizes == size)
        at = starts[which, None] + np.arange(size)
        fans = np.stack([np.stack([at[:, 0], at[:, k], at[:, k + 1]], axis=1) for k in range(1, size - 1)], axis=1)
        if size > 3:
            for row in np.flatnonzero(_hollow(vertices[corners[at]])).tolist():
                fans[row] = starts[which[row]] + cut_ears(vertices[corners[at[row]]])
        places.append(fans.reshape(-1, 3))
        owners.append(np.repeat(which, size - 2))
    owner, place = np.concatenate(owners), np.concatenate(places)
    order = np.argsort(owner, kind="stable")
    return corners[place[order]], place[order], owner[order]


def _hollow(outlines: np.ndarray) -> np.ndarray:
    """Tell of outlines (M, n, 3) which the fan from the first corner does not cover: some triangle turns backwards."""
    arms = outlines[:, 1:] - outlines[:, :1]
    turns = np.cross(arms[:, :-1], arms[:, 1:])
    along = np.einsum("mik,mjk->mi", turns, turns.sum(axis=1, keepdims=True))
    return (along < -_ENOUGH * np.abs(along).max(axis=1, keepdims=True)).any(axis=1)


def cut_ears(outline: np.ndarray) -> np.ndarray:
    """Cut a flat polygon into triangles inside its outline.

    Args:
        outline: (n, 3) corners in order; a hole is joined to the outside by an edge walked twice.

    Returns:
        (n - 2, 3) corner numbers that turn the way the outline does; where fewer triangles fill it, because corners lie
        on one line or edges cross, the last rows are triangles without area.

    Example:
        >>> arrow = np.array([[0, 0, 0], [2, 1, 0], [0, 2, 0], [1, 1, 0.0]])
        >>> cut_ears(arrow).tolist()
        [[3, 0, 1], [3, 1, 2]]
    """
    flat = _flattened(outline)
    ring = np.array([len(flat)], dtype=np.uint32)
    found = mapbox_earcut.triangulate_float64(flat, ring).reshape(-1, 3).astype(np.int64)[: len(flat) - 2]
    a, b, c = (flat[found[:, k]] for k in range(3))
    turn = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    found[turn < 0] = found[turn < 0][:, ::-1]
    cuts = np.zeros((len(flat) - 2, 3), dtype=np.int64)
    cuts[: len(found)] = found
    return cuts


def _flattened(outline: np.ndarray) -> np.ndarray:
    """Drop the axis nearest to the normal; the outline then runs counter-clockwise."""
    arms = outline[1:] - outline[:1]
    normal = np.cross(arms[:-1], arms[1:]).sum(axis=0)
    axis = int(np.abs(normal).argmax())
    flat = outline[:, [(axis + 1) % 3, (axis + 2) % 3]]
    return np.ascontiguousarray(flat if normal[axis] >= 0 else flat * [1.0, -1.0])

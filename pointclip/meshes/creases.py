"""Normals at the corners of faces: smooth over a surface that bends, broken at its creases."""

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pointclip.meshes.geometry import Mesh

CREASE_DEG = 40.0
MOST_NEIGHBOURS = 64  # where more faces meet, as at the tip of a fan, each keeps its own normal
_GRID = 1 << 20  # vertices closer than the size of the mesh over this are one


def corner_normals(mesh: "Mesh") -> np.ndarray:
    """Average the normals of the faces that meet at each corner of a face at less than 40 degrees, by their areas.

    Vertices at one place count as one, for many files repeat them for every face. Faces that lie the other way round
    count with their normals turned. Where more than 64 faces meet, each keeps its own normal.

    Args:
        mesh: The triangles.

    Returns:
        (F, 3, 3) float32 of unit length, on the side of each face's own normal; 0 for a face without an area.

    Example:
        >>> from pointclip.meshes import Mesh
        >>> corner_normals(Mesh(np.eye(3)[:, [1, 2, 0]], np.array([[0, 1, 2]])))[0, 0].round(4).tolist()
        [0.5774000287055969, 0.5774000287055969, 0.5774000287055969]
    """
    normal, area = mesh.unit_normals
    place = _places(mesh)[mesh.faces].ravel()
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(place.max() + 2))
    around, crease = order // 3, math.cos(math.radians(CREASE_DEG))
    try:
        from pointclip.meshes.creases_compiled import smooth
    except ImportError:  # no Numba here
        return _smooth(normal, area, place, starts, around, crease)
    found = np.empty((len(place), 3), dtype=np.float32)
    smooth(normal, area, place, starts, around, crease, MOST_NEIGHBOURS, found)
    return found.reshape(-1, 3, 3)


def _smooth(
    normal: np.ndarray, area: np.ndarray, place: np.ndarray, starts: np.ndarray, around: np.ndarray, crease: float
) -> np.ndarray:
    own = np.repeat(normal, 3, axis=0)
    total = np.zeros_like(own)
    first, last = starts[place], starts[place + 1]
    few = last - first <= MOST_NEIGHBOURS
    for step in range(min(MOST_NEIGHBOURS, int((last - first).max()))):
        here = np.flatnonzero(few & (first + step < last))
        other = around[first[here] + step]
        angle = np.einsum("nk,nk->n", own[here], normal[other])
        weight = np.where(np.abs(angle) >= crease, np.sign(angle) * area[other], 0.0)
        total[here] += weight[:, None] * normal[other]
    length = np.linalg.norm(total, axis=1, keepdims=True)
    smooth = np.where(length > 0, total / np.where(length > 0, length, 1.0), own)
    return smooth.astype(np.float32).reshape(-1, 3, 3)


def _places(mesh: "Mesh") -> np.ndarray:
    """Number the places of the vertices (N,): the same number at one place."""
    low = mesh.vertices.min(axis=0)
    extent = float((mesh.vertices.max(axis=0) - low).max()) or 1.0
    x, y, z = ((mesh.vertices - low) / extent * _GRID).round().astype(np.int64).T
    key = (x * (_GRID + 1) + y) * (_GRID + 1) + z
    return np.unique(key, return_inverse=True)[1]

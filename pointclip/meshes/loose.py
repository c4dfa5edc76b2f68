"""Points and lines beside the faces of a mesh, as faces: beads and rods thin enough to be seen and no more."""

import numpy as np

from pointclip.meshes.geometry import Mesh

THICKNESS = 0.01  # in shares of the longest side of the scene


def beads(points: np.ndarray, thickness: float, colors: np.ndarray | None = None) -> Mesh:
    """Make an octahedron around each point.

    Args:
        points: (N, 3) float.
        thickness: From tip to tip.
        colors: (N, 3) float32 in [0, 1], or None.

    Example:
        >>> beads(np.zeros((2, 3)), 0.1).faces.shape
        (16, 3)
    """
    tips = np.concatenate([np.eye(3), -np.eye(3)]) * (thickness / 2)
    sides = np.array([[x, y + 1, z + 2] for x in (0, 3) for y in (0, 3) for z in (0, 3)])
    vertices = (points[:, None] + tips).reshape(-1, 3)
    faces = (np.arange(len(points))[:, None, None] * 6 + sides).reshape(-1, 3)
    if colors is None:
        return Mesh(vertices, faces)
    return Mesh(vertices, faces, np.repeat(colors.astype(np.float32), 8, axis=0)[:, None].repeat(3, axis=1))


def rods(lines: np.ndarray, thickness: float) -> Mesh:
    """Make a rod with three sides along each line.

    Args:
        lines: (N, 2, 3) float, from where to where.
        thickness: Of the rods.

    Example:
        >>> rods(np.array([[[0, 0, 0], [1.0, 0, 0]]]), 0.1).faces.shape
        (6, 3)
    """
    along = lines[:, 1] - lines[:, 0]
    other = np.eye(3)[np.abs(along).argmin(axis=1)]
    right = _unit(np.cross(along, other))
    up = _unit(np.cross(along, right))
    angle = np.arange(3) * (2 * np.pi / 3)
    ring = right[:, None] * np.cos(angle)[:, None] + up[:, None] * np.sin(angle)[:, None]
    vertices = (lines[:, :, None] + ring[:, None] * (thickness / 2)).reshape(-1, 3)
    pairs = [(k, (k + 1) % 3) for k in range(3)]
    sides = np.array([side for k, after in pairs for side in ([k, after, 3 + k], [after, 3 + after, 3 + k])])
    return Mesh(vertices, (np.arange(len(lines))[:, None, None] * 6 + sides).reshape(-1, 3))


def _unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(length > 0, length, 1.0)

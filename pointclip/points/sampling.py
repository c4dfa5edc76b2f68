"""Area-weighted samples of a triangle mesh."""

import numpy as np

from pointclip.errors import InputError
from pointclip.meshes import Mesh, RawPoints


def sample_surface(mesh: Mesh, num_points: int, seed: int = 0) -> RawPoints:
    """Draw points evenly over the surface of a mesh, with the normal of the face each one lies on.

    The total area is cut into ``num_points`` equal shares and one point is drawn in each, so that every face gets its
    share of points to within one or two: fewer holes and clumps than independent draws, with the same mean.

    Args:
        mesh: Triangles; those of zero area are never drawn.
        num_points: Number of points, at least 1.
        seed: Same seed, same points.

    Returns:
        Points (num_points, 3), unit normals by the right-hand rule and, where the mesh has them, colours. Their order
        is random, so that the first K are a sample of the surface too.

    Raises:
        InputError: No face has an area.

    Note:
        Draws from a generator of its own; numpy's and torch's global generators are left alone.

    Example:
        >>> square = Mesh(np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1.0, 0]]), np.array([[0, 1, 2], [0, 2, 3]]))
        >>> drawn = sample_surface(square, 100)
        >>> drawn.points.shape, drawn.normals[0].tolist()
        ((100, 3), [0.0, 0.0, 1.0])
    """
    normal, area = mesh.unit_normals
    solid = np.flatnonzero(area > 0)
    if not len(solid):
        raise InputError("the mesh has no face with an area: its triangles are points or lines")
    generator = np.random.default_rng(seed)
    reach = np.cumsum(area[solid])
    mark = (np.arange(num_points) + generator.random(num_points)) * (reach[-1] / num_points)
    chosen = np.minimum(np.searchsorted(reach, mark, side="right"), len(solid) - 1)
    face = generator.permutation(solid[chosen])
    along = generator.random((num_points, 2))
    along = np.where(along.sum(axis=1, keepdims=True) > 1.0, 1.0 - along, along)
    corner = mesh.vertices[mesh.faces[face]]
    points = corner[:, 0] + along[:, :1] * (corner[:, 1] - corner[:, 0]) + along[:, 1:] * (corner[:, 2] - corner[:, 0])
    weights = np.column_stack([1.0 - along.sum(axis=1), along])
    return RawPoints(points, normal[face], mesh.colors_at(face, weights), notes=mesh.notes)

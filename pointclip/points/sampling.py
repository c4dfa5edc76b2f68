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
    origin, edge_1, edge_2, size = _unit_triangles(mesh)
    cross = np.cross(edge_1, edge_2)
    double_area = np.sqrt(np.einsum("fk,fk->f", cross, cross))
    solid = np.flatnonzero(double_area > 0)
    if not len(solid):
        raise InputError("the mesh has no face with an area: its triangles are points or lines")
    generator = np.random.default_rng(seed)
    reach = np.cumsum(double_area[solid])
    mark = (np.arange(num_points) + generator.random(num_points)) * (reach[-1] / num_points)
    chosen = np.minimum(np.searchsorted(reach, mark, side="right"), len(solid) - 1)
    face = generator.permutation(solid[chosen])
    along = generator.random((num_points, 2))
    along = np.where(along.sum(axis=1, keepdims=True) > 1.0, 1.0 - along, along)
    points = mesh.vertices[origin[face]] + size * (along[:, :1] * edge_1[face] + along[:, 1:] * edge_2[face])
    normals = cross[face] / double_area[face, None]
    weights = np.column_stack([1.0 - along.sum(axis=1), along])
    return RawPoints(points, normals, mesh.colors_at(face, weights), notes=mesh.notes)


def _unit_triangles(mesh: Mesh) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return the first corner of each face, its two edges divided by the size of the mesh, and that size.

    Areas are products of edges: at unit size they neither overflow nor vanish, whatever the units of the file.
    """
    corner = [mesh.vertices[mesh.faces[:, k]] for k in range(3)]
    edges = corner[1] - corner[0], corner[2] - corner[0]
    size = float(max(np.abs(edge).max() for edge in edges)) or 1.0
    return mesh.faces[:, 0], edges[0] / size, edges[1] / size, size

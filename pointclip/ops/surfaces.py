"""Triangles drawn into images, and what lies on their corners carried into the pixels."""

from torch import Tensor

from pointclip._base.checks import check_shape
from pointclip.errors import InputError
from pointclip.ops import (
    autograd,  # noqa: F401  (registers the gradients)
    library,
)
from pointclip.ops.functions import _size
from pointclip.ops.packed import Meshes, pack_points, pack_values
from pointclip.ops.types import Triangles


def rasterize(
    uvz: Meshes, faces: Meshes, size: tuple[int, int], *, perspective: bool = True, backend: str = "auto"
) -> Triangles:
    """Find the nearest triangle of every pixel.

    A triangle covers the pixels whose centre (c + 0.5, r + 0.5) lies in it. Its corners are rounded to 1/256 pixel and
    compared in whole numbers; a centre on an edge belongs to the triangle whose top or left edge it is. So a surface
    is watertight, and a centre on a shared edge or corner belongs to exactly one triangle. The nearest wins, depths
    compared as float32 (as 1/z in perspective); then the lowest number. Both sides are seen.

    Left out is a triangle without area after rounding, with a corner that is not finite, with a corner at or behind the
    camera (z <= 0; nothing is clipped), or with a corner more than 131,072 pixels from the origin of the image.

    Args:
        uvz: (B, V, N, 3) floating: u pixels right, v pixels down, z in front of the camera, as in ``zbuffer``; or a
            list of B tensors (V, N_b, 3), packed inside without padding. Half precision is read as float32.
        faces: (F, 3) int64, which points are the corners of each triangle, the same for the whole batch; or a list of
            B tensors (F_b, 3) beside a list of points.
        size: Rows H and columns W of the image.
        perspective: Whether 1/z is linear on the screen, as a perspective camera makes it; else z is, as under parallel
            projection.
        backend: As in ``zbuffer``.

    Returns:
        ``Triangles(face, depth, barycentric)``: face (B, V, H, W) int64, the triangle's number in its own mesh, -1
        where none is; depth (B, V, H, W) z of the surface, and barycentric (B, V, H, W, 3) the weights of its corners,
        both at the pixel's centre, 0 where face is -1; float32, float64 for float64 points.

    Raises:
        InputError: A shape, dtype or size does not fit, or a face names a point that is not there (on a GPU, where the
            question would wait for all that runs, such a face is left out).
        BackendUnavailable: The named backend cannot run on these points.

    Note:
        Gradients of depth and barycentric go to u, v and z of the winner's corners as they were given, not rounded.
        Which triangle wins is a jump that the gradient does not see. The face is the same on every run, device and
        backend. ``vmap`` runs over uvz; faces are one for all.

    Example:
        >>> import torch
        >>> uvz = torch.tensor([[[[0.0, 0.0, 2.0], [3.0, 0.0, 2.0], [0.0, 3.0, 2.0]]]])
        >>> triangles = rasterize(uvz, torch.tensor([[0, 1, 2]]), size=(3, 3))
        >>> triangles.face[0, 0]
        tensor([[ 0,  0, -1],
                [ 0, -1, -1],
                [-1, -1, -1]])
        >>> triangles.barycentric[0, 0, 0, 1]
        tensor([0.3333, 0.5000, 0.1667])
    """
    height, width = _size(size)
    uvz, faces, meshes = pack_points(uvz, faces)
    depth, barycentric, face = library.rasterize(uvz, faces, meshes, height, width, bool(perspective), backend)
    return Triangles(face, depth, barycentric)


def interpolate(
    triangles: Triangles, faces: Meshes, values: Meshes, *, corners: bool | None = None, backend: str = "auto"
) -> Tensor:
    """Carry values on the corners of triangles (normals, colours, texture coordinates) into the image.

    Args:
        triangles: What ``rasterize`` returned.
        faces: The faces that it was given.
        values: Floating, per point: (B, N, D), or (B, V, N, D) where each view has its own, or a list of B tensors
            (N_b, D) or (V, N_b, D). Or per corner of each face: (F, 3, D), (B, F, 3, D), or a list of B tensors
            (F_b, 3, D).
        corners: Whether values are per corner. None tells by the shape, and takes what can be read both ways (one
            triangle, three points) as per point.
        backend: As in ``zbuffer``.

    Returns:
        (B, V, H, W, D): ``sum(barycentric[..., k] * values[corner k])``, 0 where face is -1, of barycentric's dtype.

    Raises:
        InputError: The shapes do not fit each other.

    Note:
        Differentiable in values and barycentric.

    Example:
        >>> import torch
        >>> uvz = torch.tensor([[[[0.0, 0.0, 2.0], [3.0, 0.0, 2.0], [0.0, 3.0, 2.0]]]])
        >>> faces = torch.tensor([[0, 1, 2]])
        >>> interpolate(rasterize(uvz, faces, (3, 3)), faces, uvz[:, 0, :, :2])[0, 0, 0, 1]
        tensor([1.5000, 0.5000])
    """
    barycentric, face = triangles.barycentric, triangles.face
    check_shape("triangles.barycentric", barycentric, "B V H W 3")
    if barycentric.shape[:4] != face.shape:
        raise InputError(f"triangles of {tuple(face.shape)} faces and {tuple(barycentric.shape)} weights do not fit")
    if isinstance(values, Tensor) and not face.shape[0]:
        return barycentric[..., :1].expand(*face.shape, values.shape[-1])
    values, faces, meshes = pack_values(values, faces, face.shape[0], face.shape[1], corners)
    return library.interpolate(barycentric, values.to(barycentric.dtype), face, faces, meshes, backend)

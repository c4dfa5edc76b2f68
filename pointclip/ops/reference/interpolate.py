"""Values at the corners of triangles carried into the pixels, in pure torch."""

from collections.abc import Sequence

from torch import Tensor, where

from pointclip.ops.reference.rasterize import rows_of


def interpolate(barycentric: Tensor, values: Tensor, face: Tensor, faces: Tensor, meshes: Sequence[int]) -> Tensor:
    """Return (B, V, H, W, D): the values (1 or V, P, D) of the winner's corners, weighted; differentiable in both."""
    if not faces.shape[0] or not values.shape[1]:
        return barycentric.new_zeros((*face.shape, values.shape[-1])) + (values.sum() + barycentric.sum()) * 0
    rows, flat = rows_of(values.shape[:2], faces, meshes, face), values.flatten(0, 1)
    first, second, third = (barycentric[..., k, None] * flat[rows[..., k]] for k in range(3))
    return where((face >= 0).unsqueeze(-1), (first + second) + third, 0.0)

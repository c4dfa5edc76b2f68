"""The ops as torch knows them: schema, shapes, gradients and batching of ``pointclip::*``.

The backend is chosen inside the op, so that a compiled graph holds one opaque node and no choice.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.library import custom_op

from pointclip.ops.backends import find
from pointclip.ops.packed import check_faces
from pointclip.ops.reference.splat import Maps

Pair = tuple[Tensor, Tensor]
Three = tuple[Tensor, Tensor, Tensor]
Five = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


def _run(name: str, backend: str, tensor: Tensor, *args: Any) -> Any:
    """Run an op with the backend that was chosen for a tensor."""
    return find(name, backend, tensor)(*args)


@custom_op("pointclip::zbuffer", mutates_args=())
def zbuffer(uvz: Tensor, height: int, width: int, radius: float, backend: str) -> Pair:
    """Return the depth and the index of the nearest point of every pixel (floats first: torch's opcheck needs it)."""
    index, depth = _run("zbuffer", backend, uvz, uvz, height, width, radius)
    return depth, index


@zbuffer.register_fake
def _(uvz: Tensor, height: int, width: int, radius: float, backend: str) -> Pair:
    shape = (*uvz.shape[:2], height, width)
    return uvz.new_empty(shape), uvz.new_empty(shape, dtype=torch.int64)


@custom_op("pointclip::weighted_mean", mutates_args=())
def weighted_mean(uvz: Tensor, weights: Tensor, height: int, width: int, backend: str) -> Pair:
    """Return the weighted mean of z in every pixel and the sum of the weights."""
    return _run("weighted_mean", backend, uvz, uvz, weights, height, width)


@weighted_mean.register_fake
def _(uvz: Tensor, weights: Tensor, height: int, width: int, backend: str) -> Pair:
    shape = (*uvz.shape[:2], height, width)
    return uvz.new_empty(shape), uvz.new_empty(shape)


@custom_op("pointclip::weighted_mean_backward", mutates_args=())
def weighted_mean_backward(
    grad: Tensor, uvz: Tensor, weights: Tensor, mean: Tensor, total: Tensor, backend: str
) -> Pair:
    """Return the gradients of the mean to uvz and to the weights."""
    return _run("weighted_mean_backward", backend, uvz, grad, uvz, weights, mean, total)


@weighted_mean_backward.register_fake
def _(grad: Tensor, uvz: Tensor, weights: Tensor, mean: Tensor, total: Tensor, backend: str) -> Pair:
    return uvz.new_empty(uvz.shape), uvz.new_empty(weights.shape)


@custom_op("pointclip::splat", mutates_args=())
def splat(uvz: Tensor, values: Tensor, height: int, width: int, sigma: float, tau: float, backend: str) -> Five:
    """Return depth, coverage, values, the sum of weights and the front of every pixel."""
    return tuple(_run("splat", backend, uvz, uvz, values, height, width, sigma, tau))  # type: ignore[return-value]


@splat.register_fake
def _(uvz: Tensor, values: Tensor, height: int, width: int, sigma: float, tau: float, backend: str) -> Five:
    shape = (*uvz.shape[:2], height, width)
    depth, coverage, weight = (uvz.new_empty(shape) for _ in range(3))
    averages = uvz.new_empty((*shape, values.shape[-1]))
    return depth, coverage, averages, weight, uvz.new_empty(shape, dtype=torch.float32)


@custom_op("pointclip::splat_backward", mutates_args=())
def splat_backward(
    grad_depth: Tensor,
    grad_coverage: Tensor,
    grad_values: Tensor,
    uvz: Tensor,
    values: Tensor,
    maps: list[Tensor],
    sigma: float,
    tau: float,
    backend: str,
) -> Pair:
    """Return the gradients of depth, coverage and values to uvz and to the values."""
    grads = (grad_depth, grad_coverage, grad_values)
    return _run("splat_backward", backend, uvz, grads, uvz, values, Maps(*maps), sigma, tau)


@splat_backward.register_fake
def _(
    grad_depth: Tensor,
    grad_coverage: Tensor,
    grad_values: Tensor,
    uvz: Tensor,
    values: Tensor,
    maps: list[Tensor],
    sigma: float,
    tau: float,
    backend: str,
) -> Pair:
    return uvz.new_empty(uvz.shape), uvz.new_empty(values.shape)


@custom_op("pointclip::rasterize", mutates_args=())
def rasterize(
    uvz: Tensor, faces: Tensor, meshes: Sequence[int], height: int, width: int, perspective: bool, backend: str
) -> Three:
    """Return depth, barycentric weights and number of the nearest triangle of every pixel, of packed meshes.

    Args:
        uvz: (V, P, 3), the points of all meshes one after the other.
        faces: (T, 3) int64, the triangles likewise; each counts the points of its own mesh from 0.
        meshes: Four numbers a mesh: first face, end of its faces, first point, end of its points. Meshes may share
            faces.
        height: Rows H of the image.
        width: Columns W of the image.
        perspective: Whether 1/z is linear on the screen; else z is.
        backend: As in the public function.
    """
    check_faces(faces, meshes)
    face, depth, barycentric = _run("rasterize", backend, uvz, uvz, faces, meshes, height, width, perspective)
    return depth, barycentric, face


@rasterize.register_fake
def _(
    uvz: Tensor, faces: Tensor, meshes: Sequence[int], height: int, width: int, perspective: bool, backend: str
) -> Three:
    shape = (len(meshes) // 4, uvz.shape[0], height, width)
    return uvz.new_empty(shape), uvz.new_empty((*shape, 3)), uvz.new_empty(shape, dtype=torch.int64)


@custom_op("pointclip::interpolate", mutates_args=())
def interpolate(
    barycentric: Tensor, values: Tensor, face: Tensor, faces: Tensor, meshes: Sequence[int], backend: str
) -> Tensor:
    """Return the values (1 or V, P, D) at the corners of each pixel's triangle, weighted and added."""
    check_faces(faces, meshes)
    return _run("interpolate", backend, barycentric, barycentric, values, face, faces, meshes)


@interpolate.register_fake
def _(barycentric: Tensor, values: Tensor, face: Tensor, faces: Tensor, meshes: Sequence[int], backend: str) -> Tensor:
    return barycentric.new_empty((*face.shape, values.shape[-1]))

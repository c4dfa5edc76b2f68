"""The ops as torch knows them: schema, shapes, gradients and batching of ``pointclip::*``.

The backend is chosen inside the op, so that a compiled graph holds one opaque node and no choice.
"""

from typing import Any

import torch
from torch import Tensor
from torch.library import custom_op

from pointclip.ops.backends import find
from pointclip.ops.reference.splat import Maps

Pair = tuple[Tensor, Tensor]
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

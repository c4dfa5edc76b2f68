"""Gradients and batching rules of the registered ops."""

from typing import Any

import torch
from torch import Tensor

from pointclip.ops import library as _library


def _zbuffer_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(output[1])
    ctx.num_points = inputs[0].shape[2]


def _zbuffer_backward(ctx: Any, grad_depth: Tensor, _: Any) -> tuple[Tensor | None, ...]:
    """Send the gradient of each pixel to the z of its winner; an empty pixel's goes to a slot that is cut off."""
    (index,) = ctx.saved_tensors
    flat, num_points = index.flatten(2), ctx.num_points
    slots = grad_depth.new_zeros((*flat.shape[:2], num_points + 1))
    slots = slots.scatter_add(2, flat.where(flat >= 0, num_points), grad_depth.flatten(2))
    grad_uvz = torch.nn.functional.pad(slots[..., :num_points].unsqueeze(-1), (2, 0))
    return grad_uvz, None, None, None, None


def _mean_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    uvz, weights, *_, ctx.backend = inputs
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(uvz, weights, *output)


def _mean_backward(ctx: Any, grad: Tensor, _: Any) -> tuple[Tensor | None, ...]:
    grad_uvz, grad_weights = _library.weighted_mean_backward(grad, *ctx.saved_tensors, ctx.backend)
    return grad_uvz, grad_weights, None, None, None


def _splat_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    uvz, values, _, _, ctx.sigma, ctx.tau, ctx.backend = inputs
    ctx.mark_non_differentiable(*output[3:])
    ctx.save_for_backward(uvz, values, *output)


def _splat_backward(
    ctx: Any, grad_depth: Tensor, grad_coverage: Tensor, grad_values: Tensor, *_: Any
) -> tuple[Tensor | None, ...]:
    uvz, values, *maps = ctx.saved_tensors
    grads = _library.splat_backward(
        grad_depth, grad_coverage, grad_values, uvz, values, maps, ctx.sigma, ctx.tau, ctx.backend
    )
    return *grads, None, None, None, None, None


def _fold(info: Any, dim: Any, arg: Any) -> Any:
    """Put the batch axis of vmap in front of B and flatten the two into one; what is not a tensor stays."""
    if isinstance(arg, (list, tuple)):
        return [_fold(info, one_dim, one) for one_dim, one in zip(dim, arg, strict=True)]
    if not isinstance(arg, Tensor):
        return arg
    moved = arg.movedim(dim, 0) if dim is not None else arg.expand(info.batch_size, *arg.shape)
    return moved.flatten(0, 1)


def _batched(op: Any) -> Any:
    """Make the vmap rule of an op whose every tensor starts with B: the batch joins B, one call does all."""

    def rule(info: Any, in_dims: tuple[Any, ...], *args: Any) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        outputs = op(*(_fold(info, dim, arg) for dim, arg in zip(in_dims, args, strict=True)))
        split = tuple(output.unflatten(0, (info.batch_size, -1)) for output in outputs)
        return split, (0,) * len(split)

    return rule


_library.zbuffer.register_autograd(_zbuffer_backward, setup_context=_zbuffer_context)
_library.weighted_mean.register_autograd(_mean_backward, setup_context=_mean_context)
_library.splat.register_autograd(_splat_backward, setup_context=_splat_context)
for _op in (
    _library.zbuffer,
    _library.weighted_mean,
    _library.weighted_mean_backward,
    _library.splat,
    _library.splat_backward,
):
    _op.register_vmap(_batched(_op))

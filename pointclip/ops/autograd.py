"""Gradients and batching rules of the registered ops."""

from typing import Any

import torch
from torch import Tensor

from pointclip.errors import InputError
from pointclip.ops import library as _library
from pointclip.ops.reference.interpolate import interpolate as _interpolate
from pointclip.ops.reference.rasterize import measure


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


def _rasterize_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    uvz, faces, ctx.meshes, _, _, ctx.perspective, _ = inputs
    ctx.mark_non_differentiable(output[2])
    ctx.save_for_backward(uvz, faces, output[2])


def _rasterize_backward(ctx: Any, grad_depth: Tensor, grad_barycentric: Tensor, _: Any) -> tuple[Tensor | None, ...]:
    """Measure the winners once more in plain torch, which differentiates."""
    uvz, faces, face = ctx.saved_tensors
    pull = torch.func.vjp(lambda points: measure(points, faces, ctx.meshes, face, ctx.perspective), uvz)[1]
    return *pull((grad_depth, grad_barycentric)), None, None, None, None, None, None


def _interpolate_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *tensors, ctx.meshes, _ = inputs
    ctx.save_for_backward(*tensors)


def _interpolate_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    barycentric, values, face, faces = ctx.saved_tensors
    pull = torch.func.vjp(lambda b, v: _interpolate(b, v, face, faces, ctx.meshes), barycentric, values)[1]
    return *pull(grad), None, None, None, None


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


def _as_views(info: Any, dim: Any, tensor: Tensor, axis: int) -> Tensor:
    """Put the batch axis of vmap in front of the axis of views and flatten the two into one."""
    moved = tensor.expand(info.batch_size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
    return moved.movedim(0, axis).flatten(axis, axis + 1)


def _one_topology(faces_dim: Any) -> None:
    if faces_dim is not None:
        raise InputError("vmap runs over points and values, not over faces: pass a list of meshes instead")


def _rasterize_batched(info: Any, in_dims: tuple[Any, ...], uvz: Tensor, faces: Tensor, *rest: Any) -> Any:
    """Draw the batch of vmap as further views: faces are one for all, and each view has its own points anyway."""
    _one_topology(in_dims[1])
    outputs = _library.rasterize(_as_views(info, in_dims[0], uvz, 0), faces, *rest)
    return tuple(output.unflatten(1, (info.batch_size, -1)) for output in outputs), (1, 1, 1)


def _interpolate_batched(
    info: Any, in_dims: tuple[Any, ...], barycentric: Tensor, values: Tensor, face: Tensor, faces: Tensor, *rest: Any
) -> Any:
    _one_topology(in_dims[3])
    face = _as_views(info, in_dims[2], face, 1)
    if in_dims[1] is not None or values.shape[0] > 1:
        moved = values.unsqueeze(0) if in_dims[1] is None else values.movedim(in_dims[1], 0)
        values = moved.expand(info.batch_size, face.shape[1] // info.batch_size, -1, -1).flatten(0, 1)
    output = _library.interpolate(_as_views(info, in_dims[0], barycentric, 1), values, face, faces, *rest)
    return output.unflatten(1, (info.batch_size, -1)), 1


_library.zbuffer.register_autograd(_zbuffer_backward, setup_context=_zbuffer_context)
_library.weighted_mean.register_autograd(_mean_backward, setup_context=_mean_context)
_library.splat.register_autograd(_splat_backward, setup_context=_splat_context)
_library.rasterize.register_autograd(_rasterize_backward, setup_context=_rasterize_context)
_library.interpolate.register_autograd(_interpolate_backward, setup_context=_interpolate_context)
for _op in (
    _library.zbuffer,
    _library.weighted_mean,
    _library.weighted_mean_backward,
    _library.splat,
    _library.splat_backward,
):
    _op.register_vmap(_batched(_op))
_library.rasterize.register_vmap(_rasterize_batched)
_library.interpolate.register_vmap(_interpolate_batched)

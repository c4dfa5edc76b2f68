"""The weighted mean of depths on CUDA: two float atomic sums forward, a gather backward."""

import torch
import triton
import triton.language as tl

from pointclip.ops.reference.weighted_mean import average, divisor
from pointclip.ops.triton.points import BLOCK, LAUNCH, centred, grid, on_device_of, read_points, which_points


@triton.jit
def _read_weights(weights, view, point, valid, num_views, stride_b, stride_v, stride_n):
    address = (view // num_views) * stride_b + (view % num_views) * stride_v + point * stride_n
    weight = tl.load(weights + address, mask=valid, other=0.0)
    counts = valid & (tl.abs(weight) < float("inf"))
    return tl.where(counts, weight, 0.0), counts


@triton.jit
def _sum(
    uvz, weights, mean, total, num_views, num_points, height, width, stride_b, stride_v, stride_n, BLOCK: tl.constexpr
):
    view, point, exists = which_points(num_points, BLOCK)
    u, v, z, bits, valid = read_points(uvz, view, point, exists, num_points, height, width)
    weight, counts = _read_weights(weights, view, point, valid, num_views, stride_b, stride_v, stride_n)
    col, du = centred(u)
    row, dv = centred(v)
    target = view * height * width + row.to(tl.int64) * width + col
    tl.atomic_add(total + target, weight, mask=counts, sem="relaxed")
    tl.atomic_add(mean + target, weight * z, mask=counts, sem="relaxed")


@triton.jit
def _sum_backward(
    uvz, weights, mean, per_weight, grad_uvz, grad_weights,
    num_views, num_points, height, width, stride_b, stride_v, stride_n, BLOCK: tl.constexpr,
):  # fmt: skip
    view, point, exists = which_points(num_points, BLOCK)
    u, v, z, bits, valid = read_points(uvz, view, point, exists, num_points, height, width)
    weight, counts = _read_weights(weights, view, point, valid, num_views, stride_b, stride_v, stride_n)
    col, du = centred(u)
    row, dv = centred(v)
    source = view * height * width + row.to(tl.int64) * width + col
    share = tl.load(per_weight + source, mask=counts, other=0.0)
    difference = z - tl.load(mean + source, mask=counts, other=0.0)
    out = view * num_points + point
    tl.store(grad_uvz + out * 3 + 2, share * weight, mask=exists)
    tl.store(grad_weights + out, tl.where(counts, share * difference, 0.0), mask=exists)


def weighted_mean(
    uvz: torch.Tensor, weights: torch.Tensor, height: int, width: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Average z over the points of a pixel with weights; the sums are taken in the order the GPU happens to take."""
    num_clouds, num_views, num_points, _ = uvz.shape
    uvz = uvz.contiguous()
    mean = torch.zeros((num_clouds, num_views, height, width), dtype=uvz.dtype, device=uvz.device)
    total = torch.zeros_like(mean)
    if uvz.numel():
        with on_device_of(uvz):
            _sum[grid(num_clouds * num_views, num_points)](
                uvz, weights, mean, total, num_views, num_points, height, width, *weights.stride(), BLOCK, **LAUNCH
            )
    return average(mean, total), total


def weighted_mean_backward(
    grad: torch.Tensor, uvz: torch.Tensor, weights: torch.Tensor, mean: torch.Tensor, total: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the gradients to uvz (B, V, N, 3) and to the weights (B, V, N)."""
    num_clouds, num_views, num_points, _ = uvz.shape
    height, width = mean.shape[-2:]
    uvz = uvz.contiguous()
    grad_uvz, grad_weights = torch.zeros_like(uvz), torch.zeros(weights.shape, dtype=uvz.dtype, device=uvz.device)
    per_weight = (grad / divisor(total)).mul_(total != 0).contiguous()
    if uvz.numel():
        with on_device_of(uvz):
            _sum_backward[grid(num_clouds * num_views, num_points)](
                uvz, weights, mean.contiguous(), per_weight, grad_uvz, grad_weights,
                num_views, num_points, height, width, *weights.stride(), BLOCK, **LAUNCH,
            )  # fmt: skip
    return grad_uvz, grad_weights

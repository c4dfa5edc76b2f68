"""The soft splat on CUDA, forward: one pass finds the front, one sums the weights and the weighted values."""

import torch
import triton
import triton.language as tl

from pointclip.ops.footprint import RIM, SPLAT_SIGMAS, reach, sharpness, single, squared_radius
from pointclip.ops.reference.splat import TINY, Maps
from pointclip.ops.triton.points import LAUNCH, centred, covered, on_device_of, read_points, which_points

BLOCK = 64


@triton.jit
def _find_front(uvz, nearest, num_points, height, width, limit, REACH: tl.constexpr, BLOCK: tl.constexpr):
    view, point, exists = which_points(num_points, BLOCK)
    u, v, z, bits, valid = read_points(uvz, view, point, exists, num_points, height, width)
    col, du = centred(u)
    row, dv = centred(v)
    key = 0x7FFFFFFF - bits
    image = nearest + view * height * width
    for i in range(-REACH, REACH + 1):
        for j in range(-REACH, REACH + 1):
            covers = covered(valid, row + i, col + j, i, j, du - j, dv - i, limit, height, width)
            target = image + (row + i).to(tl.int64) * width + (col + j)
            known = tl.load(target, mask=covers, other=0)
            tl.atomic_max(target, key, mask=covers & (key > known), sem="relaxed")


@triton.jit
def weigh(du, dv, z, front, covers, scale, tau):
    """Return the footprint g and the weight w of each point in one pixel; both are 0 where it does not cover."""
    g = tl.where(covers, tl.exp((du * du + dv * dv) * scale), 0.0)
    behind = (front.to(z.dtype) - z) / tau
    return g, tl.where(covers, tl.exp(tl.where(behind < 1.0, behind, 1.0)) * g, 0.0)


@triton.jit
def read_values(
    values, view, point, valid, num_views, channel, D: tl.constexpr, stride_b, stride_v, stride_n, stride_d
):
    """Load the (points, channels) tile of values, 0 where a point does not count."""
    first = (view // num_views) * stride_b + (view % num_views) * stride_v + point * stride_n
    mask = valid[:, None] & (channel[None, :] < D)
    return tl.load(values + first[:, None] + channel[None, :].to(tl.int64) * stride_d, mask=mask, other=0.0)


@triton.jit
def _accumulate(
    uvz, values, front, depth, coverage, averages, weight,
    num_views, num_points, height, width, limit, scale, tau, rim,
    stride_b, stride_v, stride_n, stride_d,
    D: tl.constexpr, TILE: tl.constexpr, REACH: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    view, point, exists = which_points(num_points, BLOCK)
    u, v, z, bits, valid = read_points(uvz, view, point, exists, num_points, height, width)
    col, du = centred(u)
    row, dv = centred(v)
    channel = tl.arange(0, TILE)
    if D > 0:
        x = read_values(values, view, point, valid, num_views, channel, D, stride_b, stride_v, stride_n, stride_d)
    image = view * height * width
    for i in range(-REACH, REACH + 1):
        for j in range(-REACH, REACH + 1):
            covers = covered(valid, row + i, col + j, i, j, du - j, dv - i, limit, height, width)
            pixel = image + (row + i).to(tl.int64) * width + (col + j)
            g, w = weigh(du - j, dv - i, z, tl.load(front + pixel, mask=covers, other=0.0), covers, scale, tau)
            h = (g - rim) / (1.0 - rim)
            tl.atomic_add(coverage + pixel, tl.where(h > 0.0, h, 0.0), mask=covers, sem="relaxed")
            tl.atomic_add(weight + pixel, w, mask=covers, sem="relaxed")
            tl.atomic_add(depth + pixel, w * z, mask=covers, sem="relaxed")
            if D > 0:
                target = averages + pixel[:, None] * D + channel[None, :]
                mask = covers[:, None] & (channel[None, :] < D)
                tl.atomic_add(target, w[:, None] * x, mask=mask, sem="relaxed")


def splat(uvz: torch.Tensor, values: torch.Tensor, height: int, width: int, sigma: float, tau: float) -> Maps:
    """Average depth and values softly; the sums are taken in the order the GPU happens to take."""
    num_clouds, num_views, num_points, _ = uvz.shape
    shape, num_channels = (num_clouds, num_views, height, width), values.shape[-1]
    uvz = uvz.contiguous()
    nearest = torch.full(shape, -1, dtype=torch.int32, device=uvz.device)
    depth, coverage, weight = (torch.zeros(shape, dtype=uvz.dtype, device=uvz.device) for _ in range(3))
    averages = torch.zeros((*shape, num_channels), dtype=uvz.dtype, device=uvz.device)
    programs = (num_clouds * num_views * triton.cdiv(num_points, BLOCK),)
    limit, steps = squared_radius(SPLAT_SIGMAS * sigma), reach(SPLAT_SIGMAS * sigma)
    with on_device_of(uvz):
        if uvz.numel():
            _find_front[programs](uvz, nearest, num_points, height, width, limit, steps, BLOCK, **LAUNCH)
        front = nearest.bitwise_not_().bitwise_and_(0x7FFFFFFF).view(torch.float32)
        if uvz.numel():
            _accumulate[programs](
                uvz, values, front, depth, coverage, averages, weight,
                num_views, num_points, height, width, limit, sharpness(sigma), single(tau), RIM, *values.stride(),
                num_channels, triton.next_power_of_2(max(1, num_channels)), steps, BLOCK, **LAUNCH,
            )  # fmt: skip
    divisor = weight.clamp(min=TINY)
    averages.div_(divisor.unsqueeze(-1))
    return Maps(depth.div_(divisor), coverage.neg_().expm1_().neg_(), averages, weight, front)

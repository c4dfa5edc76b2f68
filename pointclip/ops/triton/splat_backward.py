"""The soft splat on CUDA, backward: each point gathers from the pixels it covers, without atomics."""

import torch
import triton
import triton.language as tl

from pointclip.ops.footprint import SPLAT_SIGMAS, reach, sharpness, single, squared_radius
from pointclip.ops.reference.splat import Maps, per_pixel
from pointclip.ops.triton.points import LAUNCH, centred, covered, on_device_of, read_points, which_points
from pointclip.ops.triton.splat import BLOCK, read_values, weigh


@triton.jit
def _store_point(uvz, point, exists, u, v, z):
    tl.store(uvz + point * 3, u, mask=exists)
    tl.store(uvz + point * 3 + 1, v, mask=exists)
    tl.store(uvz + point * 3 + 2, z, mask=exists)


@triton.jit
def _collect(
    uvz, values, front, to_depth, to_values, offset, to_coverage, grad_uvz, grad_values,
    num_views, num_points, height, width, limit, scale, tau,
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
        grad_x = tl.zeros((BLOCK, TILE), dtype=z.dtype)
    grad_u = tl.zeros((BLOCK,), dtype=z.dtype)
    grad_v = tl.zeros((BLOCK,), dtype=z.dtype)
    grad_z = tl.zeros((BLOCK,), dtype=z.dtype)
    image = view * height * width
    for i in range(-REACH, REACH + 1):
        for j in range(-REACH, REACH + 1):
            covers = covered(valid, row + i, col + j, i, j, du - j, dv - i, limit, height, width)
            pixel = image + (row + i).to(tl.int64) * width + (col + j)
            g, w = weigh(du - j, dv - i, z, tl.load(front + pixel, mask=covers, other=0.0), covers, scale, tau)
            share = tl.load(to_depth + pixel, mask=covers, other=0.0)
            slope = z * share - tl.load(offset + pixel, mask=covers, other=0.0)
            if D > 0:
                mask = covers[:, None] & (channel[None, :] < D)
                shares = tl.load(to_values + pixel[:, None] * D + channel[None, :], mask=mask, other=0.0)
                slope += tl.sum(x * shares, axis=1)
                grad_x += w[:, None] * shares
            slope = slope * w
            grad_z += w * share - slope / tau
            slope = (slope + g * tl.load(to_coverage + pixel, mask=covers, other=0.0)) * (2.0 * scale)
            grad_u += slope * (du - j)
            grad_v += slope * (dv - i)
    out = view * num_points + point
    _store_point(grad_uvz, out, exists, grad_u, grad_v, grad_z)
    if D > 0:
        mask = exists[:, None] & (channel[None, :] < D)
        tl.store(grad_values + out[:, None] * D + channel[None, :], grad_x, mask=mask)


def splat_backward(
    grads: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    uvz: torch.Tensor,
    values: torch.Tensor,
    maps: Maps,
    sigma: float,
    tau: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the gradients to uvz (B, V, N, 3) and to the values (B, V, N, D)."""
    num_clouds, num_views, num_points, _ = uvz.shape
    height, width = maps.depth.shape[2:]
    num_channels, radius = values.shape[-1], SPLAT_SIGMAS * sigma
    uvz = uvz.contiguous()
    grad_uvz = torch.empty_like(uvz)
    grad_values = torch.empty(values.shape, dtype=uvz.dtype, device=uvz.device)
    images = [image.contiguous() for image in per_pixel(grads, maps)]
    if uvz.numel():
        with on_device_of(uvz):
            _collect[(num_clouds * num_views * triton.cdiv(num_points, BLOCK),)](
                uvz, values, maps.front.contiguous(), *images, grad_uvz, grad_values,
                num_views, num_points, height, width, squared_radius(radius), sharpness(sigma), single(tau),
                *values.stride(),
                num_channels, triton.next_power_of_2(max(1, num_channels)), reach(radius), BLOCK, **LAUNCH,
            )  # fmt: skip
    return grad_uvz, grad_values

"""The soft splat in pure torch, forward and backward.

A point i weighs ``w = g * e`` in a pixel within 3 sigma of it, with ``g = exp(-(du^2 + dv^2) / (2 sigma^2))`` and
``e = exp(-(z - front) / tau)``; front is the smallest z in that pixel. An average is ``sum(w x) / sum(w)``: front
cancels, it only keeps the exponentials in range, so it takes no part in the gradient. The coverage is
``1 - exp(-sum(h))`` with ``h = (g - rim) / (1 - rim)``, which falls to 0 at the rim of the footprint.
"""

from typing import NamedTuple

import torch

from pointclip.ops.footprint import RIM, SPLAT_SIGMAS, sharpness, single
from pointclip.ops.reference.memory import chunks
from pointclip.ops.reference.points import Located, Neighbour, locate, neighbours

TINY = 1e-30


class Maps(NamedTuple):
    """What the forward pass leaves for the backward one: depth, coverage, values, weight, front."""

    depth: torch.Tensor
    coverage: torch.Tensor
    values: torch.Tensor
    weight: torch.Tensor
    front: torch.Tensor


class _Chunk(NamedTuple):
    rows: torch.Tensor
    at: Located
    z: torch.Tensor
    values: list[torch.Tensor]


def splat(uvz: torch.Tensor, values: torch.Tensor, height: int, width: int, sigma: float, tau: float) -> Maps:
    """Average depth and values softly over the points around each pixel.

    Args:
        uvz: (B, V, N, 3) float32 or float64.
        values: (B, V, N, D) of the same dtype, often an expanded view; D may be 0.
        height: Rows H of the image.
        width: Columns W of the image.
        sigma: Standard deviation of the footprint, in pixels.
        tau: Depth over which a point behind the front one loses a factor e.

    Returns:
        Depth, coverage, values (B, V, H, W, D), sum of weights, and front in float32.
    """
    num_clouds, num_views, num_points, _ = uvz.shape
    rows, size = uvz.flatten(0, 1), (height, width)
    flat = (rows.shape[0], height * width)
    nearest = uvz.new_full(flat, torch.inf, dtype=torch.float32)
    depth, coverage, weight = (uvz.new_zeros(flat) for _ in range(3))
    averages = uvz.new_zeros(*flat, values.shape[-1])
    parts = chunks(rows.shape[0], num_points)
    for part in parts:
        _find_front(nearest, rows[:, part], size, SPLAT_SIGMAS * sigma)
    front = nearest.where(nearest < torch.inf, 0.0)
    for part in parts:
        chunk = _read(rows[:, part], values[:, :, part], size)
        for step in neighbours(chunk.rows, chunk.at, size, SPLAT_SIGMAS * sigma):
            g, w = weigh(step, chunk.z, front, sigma, tau)
            coverage.scatter_add_(1, step.pixel, (g - RIM).clamp_(min=0).div_(1 - RIM).mul_(step.covers))
            weight.scatter_add_(1, step.pixel, w)
            depth.scatter_add_(1, step.pixel, w * chunk.z)
            for channel, value in enumerate(chunk.values):
                averages[..., channel].scatter_add_(1, step.pixel, w * value)
    coverage.neg_().expm1_().neg_()
    depth.div_(weight.clamp(min=TINY))
    averages.div_(weight.clamp(min=TINY).unsqueeze(-1))
    shape = (num_clouds, num_views, height, width)
    return Maps(*(image.view(*shape, *image.shape[2:]) for image in (depth, coverage, averages, weight, front)))


def splat_backward(
    grads: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    uvz: torch.Tensor,
    values: torch.Tensor,
    maps: Maps,
    sigma: float,
    tau: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the gradients to uvz (B, V, N, 3) and to the values (B, V, N, D), gathering from the images."""
    rows, size = uvz.flatten(0, 1), (maps.depth.shape[2], maps.depth.shape[3])
    grad_uvz, grad_values = torch.zeros_like(rows), uvz.new_zeros(*rows.shape[:2], values.shape[-1])
    to_depth, to_values, offset, to_coverage = (image.flatten(2, 3).flatten(0, 1) for image in per_pixel(grads, maps))
    front = maps.front.flatten(2).flatten(0, 1)
    for part in chunks(*rows.shape[:2]):
        chunk = _read(rows[:, part], values[:, :, part], size)
        grad_u, grad_v, grad_z = (torch.zeros_like(chunk.z) for _ in range(3))
        for step in neighbours(chunk.rows, chunk.at, size, SPLAT_SIGMAS * sigma):
            g, w = weigh(step, chunk.z, front, sigma, tau)
            depth_share = to_depth.gather(1, step.pixel)
            slope = chunk.z * depth_share - offset.gather(1, step.pixel)
            for channel, value in enumerate(chunk.values):
                share = to_values[..., channel].gather(1, step.pixel)
                slope.addcmul_(value, share)
                grad_values[:, part, channel].addcmul_(w, share)
            slope.mul_(w)
            grad_z.addcmul_(w, depth_share).sub_(slope, alpha=1 / single(tau))
            slope.add_(g.mul_(to_coverage.gather(1, step.pixel)).mul_(step.covers)).mul_(2 * sharpness(sigma))
            grad_u.addcmul_(slope, step.du)
            grad_v.addcmul_(slope, step.dv)
        grad_uvz[:, part] = torch.stack((grad_u, grad_v, grad_z), -1)
    return grad_uvz.view(uvz.shape), grad_values.view(values.shape)


def per_pixel(
    grads: tuple[torch.Tensor, torch.Tensor, torch.Tensor], maps: Maps
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Turn image gradients into what a point of weight w there receives.

    The loss moves by ``w * (x * to_x - offset)`` when log w moves by 1, x running over depth and values, and by
    ``g * to_coverage`` when log g does.
    """
    weight = maps.weight.clamp(min=TINY)
    to_depth, to_values = grads[0] / weight, grads[2] / weight.unsqueeze(-1)
    offset = (to_values * maps.values).sum(-1).addcmul_(to_depth, maps.depth)
    return to_depth, to_values, offset, grads[1] * (1 - maps.coverage) / (1 - RIM)


def weigh(
    step: Neighbour, z: torch.Tensor, front: torch.Tensor, sigma: float, tau: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the footprint g and the weight w of each point at one step; w is 0 where it does not cover."""
    g = (step.du.square() + step.dv.square()).mul_(sharpness(sigma)).exp_()
    behind = (front.gather(1, step.pixel) - z).div_(single(tau)).clamp_(max=1.0)
    return g, behind.exp_().mul_(g).mul_(step.covers)


def _find_front(nearest: torch.Tensor, rows: torch.Tensor, size: tuple[int, int], radius: float) -> None:
    """Keep the smallest z of every pixel."""
    at = locate(rows, size)
    z = rows[..., 2].to(torch.float32)
    for step in neighbours(rows, at, size, radius):
        nearest.scatter_reduce_(1, step.pixel, z.where(step.covers, torch.inf), "amin")


def _read(rows: torch.Tensor, values: torch.Tensor, size: tuple[int, int]) -> _Chunk:
    """Locate a chunk of points; those that do not count get harmless numbers, so that their products are 0."""
    at = locate(rows, size)
    rows = rows.where(at.valid.unsqueeze(-1), 1.0)
    channels = [value.reshape(at.valid.shape).where(at.valid, 0.0) for value in values.unbind(-1)]
    return _Chunk(rows, at, rows[..., 2], channels)

"""The visible surface of a sampled shape: z-buffer, then the holes between samples closed.

Samples leave gaps through which the far side shows. A grey-scale closing of nearness (dilation, then erosion by the
same window) covers every gap narrower than the window and leaves silhouettes and wider openings as they were.
"""

import math

import torch
from einops import rearrange
from torch import Tensor
from torch.nn.functional import max_pool2d

from pointclip import ops
from pointclip.images.windows import window_max, window_sum

# A cell that holds this many samples (of all layers a ray meets) seldom misses the front one.
SAMPLES_PER_CELL = 6.0
MAX_CLOSING_PX = 48


def front_surface(
    uvz: Tensor, size: tuple[int, int], values: Tensor, dot_px: float, closing: float
) -> tuple[Tensor, Tensor]:
    """Paint per-point values onto the visible surface, holes closed.

    Args:
        uvz: (B, V, N, 3) float, pixels and world units.
        size: (H, W) in pixels.
        values: (B, V, N, D) float, what each point shows in each view.
        dot_px: Radius of a point in pixels.
        closing: Width of the closed gaps in multiples of the measured spacing of the samples.

    Returns:
        painted (B, V, H, W, D), 0 where nothing is seen; covered (B, V, H, W) bool.
    """
    buffer = ops.zbuffer(uvz.detach(), size, radius=dot_px)
    painted = ops.gather(buffer.index, values)
    covered = buffer.index >= 0
    if closing == 0:
        return painted, covered
    reach_px = closing_radius(uvz, size, closing)
    extent = depth_extent(uvz)
    for reach in sorted(set(reach_px)):
        chosen = [b for b, r in enumerate(reach_px) if r == reach]
        tolerance = 2.5 * reach * extent[chosen] / min(size)
        painted[chosen], covered[chosen] = _close(
            painted[chosen], covered[chosen], buffer.depth[chosen], reach, tolerance[:, None, None, None]
        )
    return painted, covered


def closing_radius(uvz: Tensor, size: tuple[int, int], closing: float) -> list[int]:
    """Give each cloud's closing radius in whole pixels: a multiple of the spacing of its samples."""
    largest = min(MAX_CLOSING_PX, min(size) // 8)
    return [min(max(1, round(closing * spacing)), largest) for spacing in sample_spacing(uvz, size)]


def sample_spacing(uvz: Tensor, size: tuple[int, int]) -> list[float]:
    """Measure how far apart each cloud's samples lie in the picture, in pixels.

    Cells of 1, 2, 4, ... pixels are counted; the spacing is the cell size at which an occupied cell holds
    ``SAMPLES_PER_CELL`` samples on average. Seen in the picture, it does not depend on the order of the points nor on
    a common turn of shape and cameras.
    """
    occupied, num_inside = _occupancy(uvz, size)
    counts = []
    while min(occupied.shape[-2:]) >= 4:
        counts.append(occupied.sum(dim=(1, 2, 3)))
        occupied = max_pool2d(occupied, 2, ceil_mode=True)
    per_cell = num_inside / torch.stack(counts).clamp_min(1)
    return [_interpolate(levels) for levels in per_cell.T.tolist()]


def _interpolate(levels: list[float]) -> float:
    for level in range(len(levels)):
        if levels[level] >= SAMPLES_PER_CELL:
            if level == 0:
                return 1.0
            low, high = math.log(max(levels[level - 1], 1e-3)), math.log(levels[level])
            return 2.0 ** (level - 1 + (math.log(SAMPLES_PER_CELL) - low) / max(high - low, 1e-6))
    return 2.0 ** (len(levels) - 1)


def _occupancy(uvz: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    height, width = size
    u, v, z = uvz.detach().unbind(-1)
    inside = (u >= 0) & (u < width) & (v >= 0) & (v < height) & (z > 0)
    pixel = torch.where(inside, v.clamp(0, height - 1).long() * width + u.clamp(0, width - 1).long(), height * width)
    grid = uvz.new_zeros(*uvz.shape[:2], height * width + 1)
    grid.scatter_(2, pixel, 1.0)
    return rearrange(grid[..., :-1], "b v (h w) -> b v h w", h=height), inside.sum(dim=(1, 2))


def depth_extent(uvz: Tensor) -> Tensor:
    """Give the largest range of depths over the views of each cloud, (B,): about its diameter."""
    z = uvz[..., 2].detach()
    seen = z.isfinite() & (z > 0)
    high = torch.where(seen, z, -torch.inf).amax(-1)
    low = torch.where(seen, z, torch.inf).amin(-1)
    return torch.where(high > low, high - low, 0.0).amax(-1)


def _close(painted: Tensor, covered: Tensor, depth: Tensor, reach: int, tolerance: Tensor) -> tuple[Tensor, Tensor]:
    """Close gaps up to ``reach`` pixels to each side; pixels seen through a gap count as gaps."""
    nearness = torch.where(covered, -depth, -torch.inf)
    closed = -window_max(-window_max(nearness, reach), reach)
    front = covered & (nearness >= closed - tolerance)
    to_fill = (closed > -torch.inf) & ~front
    weight = front[..., None].to(painted.dtype)
    for _ in range(2):
        known = torch.cat([painted * weight, weight], dim=-1)
        sums = rearrange(window_sum(rearrange(known, "b v h w d -> b v d h w"), reach), "b v d h w -> b v h w d")
        fill = (to_fill & (sums[..., -1] > 0))[..., None]
        painted = torch.where(fill, sums[..., :-1] / sums[..., -1:].clamp_min(1), painted)
        to_fill = to_fill & ~fill[..., 0]
        weight = torch.where(fill, 1.0, weight)
        if not to_fill.any():
            break
    return painted * weight, weight[..., 0] > 0

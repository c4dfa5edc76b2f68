"""Depth as grey: the styles ``depth``, ``contour`` and ``soft``."""

from typing import cast

import torch
from torch import Tensor

from pointclip import ops
from pointclip.images.lighting import lambert
from pointclip.images.scene import FramedScene, draw
from pointclip.images.styles import Contour, Depth, Soft
from pointclip.images.surface import closing_radius, depth_extent, front_surface, sample_spacing
from pointclip.images.windows import shifted, window_max

MAX_BILATERAL_PX = 6
MIN_SOFT_SIGMA_PX, MAX_SOFT_SIGMA_PX = 0.5, 21.0


@draw.register
def _depth(style: Depth, scene: FramedScene) -> Tensor:
    z, covered = front_surface(scene.uvz, scene.frame, scene.uvz[..., 2:], style.dot_px, style.closing)
    return _grey(style, z, covered[..., None])


@draw.register
def _contour(style: Contour, scene: FramedScene) -> Tensor:
    buffer = ops.zbuffer(scene.uvz, scene.frame, radius=style.dot_px)
    extent = depth_extent(scene.uvz)
    smooth = torch.zeros_like(buffer.depth)
    covered = torch.zeros_like(buffer.index, dtype=torch.bool)
    for b, reach in enumerate(closing_radius(scene.uvz, scene.frame, style.closing)):
        nearness = torch.where(buffer.index[b] >= 0, -buffer.depth[b], -torch.inf)
        nearest = window_max(nearness, reach)
        covered[b] = nearest > -torch.inf
        depth = torch.where(covered[b], -nearest, 0.0)
        sigma_z = float(style.depth_sigma * extent[b])
        smooth[b] = bilateral(depth, covered[b], min(reach, MAX_BILATERAL_PX), sigma_z) if sigma_z > 0 else depth
    return _grey(style, smooth[..., None], covered[..., None])


def bilateral(depth: Tensor, covered: Tensor, reach: int, depth_sigma: float) -> Tensor:
    """Average each covered pixel with its covered neighbours, those near it in the picture and in depth most.

    Args:
        depth: (..., H, W) float.
        covered: (..., H, W) bool.
        reach: Pixels to each side; the Gaussian over the picture has half of it as standard deviation.
        depth_sigma: Standard deviation of the Gaussian over depth.

    Returns:
        (..., H, W): ``sum_q g(|p - q|) g(z_p - z_q) z_q / sum_q g(|p - q|) g(z_p - z_q)``, 0 where not covered.

    Example:
        >>> step = torch.tensor([[1.0, 1.0, 9.0, 9.0]])
        >>> bilateral(step, step > 0, reach=1, depth_sigma=0.5).tolist()
        [[1.0, 1.0, 9.0, 9.0]]
    """
    total, weights = torch.zeros_like(depth), torch.zeros_like(depth)
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            there = shifted(depth, down, right)
            apart = (down**2 + right**2) / (2 * (reach / 2) ** 2)
            weight = torch.exp(-apart - (depth - there).square() / (2 * depth_sigma**2))
            weight = weight * shifted(covered, down, right)
            total, weights = total + weight * there, weights + weight
    return torch.where(covered, total / weights.clamp_min(1e-12), 0.0)


@draw.register
def _soft(style: Soft, scene: FramedScene) -> Tensor:
    """Footprints as wide as the samples are apart; with normals, lit by a headlight instead of depth as grey."""
    z = scene.uvz[..., 2:]
    if scene.normals is None:
        ahead = z.isfinite() & (z > 0)
        low = torch.where(ahead, z, torch.inf).amin(dim=(1, 2, 3), keepdim=True)
        high = torch.where(ahead, z, -torch.inf).amax(dim=(1, 2, 3), keepdim=True)
        tone = style.near + (style.far - style.near) * (z - low) / (high - low).clamp_min(1e-6)
    else:
        light = lambert(scene.in_camera(scene.normals), (0.0, 0.0, -1.0))[..., None]
        tone = style.near + (style.far - style.near) * light
    extent = depth_extent(scene.uvz).clamp_min(1e-6)
    drawn = []
    for b, spacing in enumerate(sample_spacing(scene.uvz, scene.frame)):
        one = slice(b, b + 1)
        sigma = min(max(style.footprint * spacing, MIN_SOFT_SIGMA_PX), MAX_SOFT_SIGMA_PX)
        ink = tone[one] - style.background
        soft = ops.splat(scene.uvz[one], scene.frame, ink, sigma, float(style.tau * extent[b]))
        drawn.append(style.background + soft.coverage[..., None] * cast(Tensor, soft.values))
    return torch.cat(drawn)


def _grey(style: Depth, z: Tensor, covered: Tensor) -> Tensor:
    """Tone (B, V, H, W, 1) depths, over all views of a cloud together."""
    low = torch.where(covered, z, torch.inf).amin(dim=(1, 2, 3), keepdim=True)
    high = torch.where(covered, z, -torch.inf).amax(dim=(1, 2, 3), keepdim=True)
    tone = style.near + (style.far - style.near) * (z - low) / (high - low).clamp_min(1e-6)
    return torch.where(covered, tone, style.background)

"""Depth as grey: the styles ``depth``, ``contour`` and ``soft``."""

import math
from typing import cast

import torch
from torch import Tensor
from torch.nn.functional import pad

from pointclip import ops
from pointclip._base.threads import one_thread
from pointclip.images.scene import FramedScene, draw
from pointclip.images.shaded import lambert
from pointclip.images.styles import Contour, Depth, Soft
from pointclip.images.surface import closing_radius, depth_extent, front_surface, rectangles, sample_spacing
from pointclip.images.triangles import Layer, tone
from pointclip.images.windows import window_max

MAX_BILATERAL_PX = 6
SMOOTH_PX = 2
FAR_AWAY = 1e15  # the depth of empty pixels, which weigh nothing beside a surface; its square is still a float32
MIN_SOFT_SIGMA_PX, MAX_SOFT_SIGMA_PX = 0.5, 21.0


@draw.register
def _depth(style: Depth, scene: FramedScene) -> Tensor:
    z, covered = front_surface(scene.uvz, scene.frame, scene.uvz[..., 2:], style.dot_px, style.closing)
    return _grey(style, z, covered[..., None])


@draw.register
@one_thread()
def _contour(style: Contour, scene: FramedScene) -> Tensor:
    buffer = ops.zbuffer(scene.uvz, scene.frame, radius=style.dot_px)
    extent = depth_extent(scene.uvz)
    smooth = torch.zeros_like(buffer.depth)
    covered = torch.zeros_like(buffer.index, dtype=torch.bool)
    reaches = closing_radius(scene.uvz, scene.frame, style.closing)
    margins = [reach + math.ceil(style.dot_px) for reach in reaches]
    for b, views in enumerate(rectangles(scene.uvz, scene.frame, margins)):
        top, left = (min(part.start for part in side) for side in zip(*views, strict=True))
        bottom, right = (max(part.stop for part in side) for side in zip(*views, strict=True))
        where = b, slice(None), slice(top, bottom), slice(left, right)
        nearness = torch.where(buffer.index[where] >= 0, -buffer.depth[where], -torch.inf)
        nearest = window_max(nearness, reaches[b])
        seen = nearest > -torch.inf
        depth = torch.where(seen, -nearest, 0.0)
        sigma_z = float(style.depth_sigma * extent[b])
        reach = min(reaches[b], MAX_BILATERAL_PX)
        smooth[where] = bilateral(depth, seen, reach, sigma_z) if sigma_z > 0 else depth
        covered[where] = seen
    return _grey(style, smooth[..., None], covered[..., None])


@tone.register
def _depth_of_triangles(style: Depth, layer: Layer) -> Tensor:
    return _grey(style, layer.triangles.depth.unsqueeze(-1), layer.covered)


@tone.register
def _contour_of_triangles(style: Contour, layer: Layer) -> Tensor:
    depth, covered = layer.triangles.depth, layer.covered
    sigma_z = float(style.depth_sigma * depth_extent(layer.scene.uvz)[0])
    smooth = bilateral(depth, covered.squeeze(-1), SMOOTH_PX, sigma_z) if sigma_z > 0 else depth
    return _grey(style, smooth.unsqueeze(-1), covered)


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
    far = torch.where(covered, depth, FAR_AWAY)
    around = pad(far, (reach,) * 4, value=FAR_AWAY)
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            there = around[..., reach + down :, reach + right :][..., : depth.shape[-2], : depth.shape[-1]]
            apart = (down**2 + right**2) / (2 * (reach / 2) ** 2)
            weight = (far - there).square_().div_(-2 * depth_sigma**2).sub_(apart).exp_()
            weights.add_(weight)
            total.add_(weight * there)
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
    """Tone (B, V, H, W, 1) depths, 0 where not covered, over all views of a cloud together."""
    low = torch.where(covered, z, torch.inf).amin(dim=(1, 2, 3), keepdim=True)
    extent = (z.amax(dim=(1, 2, 3), keepdim=True) - low).clamp_min(1e-6)
    tone = (z - low).mul_(style.far - style.near).div_(extent).add_(style.near)
    return torch.where(covered, tone, style.background)

"""The projections of the published codes: the styles ``pointclip`` and ``realistic``, from their numbers alone."""

import math

import torch
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, max_pool2d

from pointclip import ops
from pointclip.cameras import PAPER_TO_CAM, V2_TO_CAM
from pointclip.images.scene import Scene, picture
from pointclip.images.styles import PaperDepth, Realistic

ZERO_SHOT = (128, 1.6)
FEW_SHOT = (224, 1.4)
GRID, SLICES = 112, 8
FILL, DEPTH_BIAS = 0.8, 0.2
POOL, POOL_PAD = 7, 2
GAUSS_SIGMA = 3.0


@picture.register
def _pointclip(style: PaperDepth, scene: Scene) -> Tensor:
    """Depth ``n / sum(1/z)`` in pixel ``ceil(coordinate - 0.5)``; rows along the paper's x', columns along y'."""
    resolution, distance = ZERO_SHOT if scene.views.rig.startswith("pointclip-6") else FEW_SHOT
    resolution, distance = style.resolution or resolution, style.distance or distance
    x, y, z = _turned(scene, PAPER_TO_CAM).unbind(-1)
    z = z + distance
    row = torch.ceil((x / z + 1) * resolution / 2 - 0.5)
    column = torch.ceil((y / z + 1) * resolution / 2 - 0.5)
    uvz = torch.stack([column + 0.5, row + 0.5, z], dim=-1)
    depth = ops.weighted_mean(uvz, 1 / z, (resolution, resolution))
    return _resized(depth, scene.size)


@picture.register
def _realistic(style: Realistic, scene: Scene) -> Tensor:
    """Largest z in a grid, each slice dilated and smoothed, largest over slices, inverted; z points to the viewer."""
    points = _turned(scene, V2_TO_CAM)
    num_clouds, num_views, _num_points, _ = points.shape
    known = points.isfinite().all(-1, keepdim=True)
    first = points.gather(2, known.int().argmax(2, keepdim=True).expand(-1, -1, -1, 3))
    points = torch.where(known, points, first)  # a point once more changes no maximum
    high, low = points.amax(2, keepdim=True), points.amin(2, keepdim=True)
    extent = (high - low).amax(-1, keepdim=True)
    points = (points - (high + low) / 2) / extent.clamp_min(torch.finfo(points.dtype).tiny) * 2
    x, y, z = points.flatten(0, 1).unbind(-1)
    row, column = (torch.ceil((at * FILL + 1) / 2 * GRID).clamp(1, GRID - 2).long() for at in (x, y))
    level = ((z + 1) / 2 + DEPTH_BIAS) / (1 + DEPTH_BIAS) * (SLICES - 2)
    cell = (torch.ceil(level).long().clamp(0, SLICES - 1) * GRID + row) * GRID + column
    grid = points.new_zeros(num_clouds * num_views, SLICES * GRID * GRID)
    grid = grid.scatter_reduce(1, cell, level.clamp(1, SLICES - 2), "amax")
    image = _smoothed(_dilated(grid.view(-1, SLICES, GRID, GRID))).amax(1)
    image = 1 - image / image.amax((1, 2), keepdim=True)
    return _resized(image.view(num_clouds, num_views, *image.shape[1:]), scene.size)


def _turned(scene: Scene, to_cam: Tensor) -> Tensor:
    """Points (B, V, N, 3) in a paper's own axes, whose rotation is ``to_cam^T @ world_to_cam``."""
    rotations = to_cam.T.to(scene.points) @ scene.views.rotations.to(scene.points)
    return torch.einsum("vij,bnj->bvni", rotations, scene.points)


def _dilated(grid: Tensor) -> Tensor:
    """Take the maximum over windows of 7 x 7, one axis at a time; the picture shrinks from 112 to 110."""
    rows = max_pool2d(grid, (POOL, 1), stride=1, padding=(POOL_PAD, 0))
    return max_pool2d(rows, (1, POOL), stride=1, padding=(0, POOL_PAD))


def _smoothed(grid: Tensor) -> Tensor:
    """Average 3 x 3 cells with a Gaussian, one axis at a time, zeros around."""
    side = math.exp(-1 / (2 * GAUSS_SIGMA**2))
    kernel = grid.new_tensor([side, 1.0, side]) / (1 + 2 * side)
    flat = grid.flatten(0, 1)[:, None]
    flat = conv2d(conv2d(flat, kernel.view(1, 1, 3, 1), padding=(1, 0)), kernel.view(1, 1, 1, 3), padding=(0, 1))
    return flat.view(grid.shape)


def _resized(images: Tensor, size: int) -> Tensor:
    """Resize (B, V, H, W) to (B, V, 1, S, S), bilinear, corners on corners."""
    return interpolate(images, size=(size, size), mode="bilinear", align_corners=True)[:, :, None]

"""The z-buffer in pure torch: its definition, and what runs on a CPU."""

import sys

import torch

from pointclip.ops._footprint import offsets, squared_radius
from pointclip.ops._memory import chunks, filled

_LOW = 0xFFFFFFFF
_HIGH_HALF = 1 if sys.byteorder == "little" else 0


def zbuffer(uvz: torch.Tensor, height: int, width: int, radius: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the nearest point of every pixel.

    One integer maximum decides: the key holds the bits of z, reversed, above the reversed index, so the nearest point
    has the largest key, then the lowest index, and an empty pixel (-1) loses against any point.

    Args:
        uvz: (B, V, N, 3) float32 or float64.
        height: Rows H of the image.
        width: Columns W of the image.
        radius: Radius of the disc of a point, in pixels.

    Returns:
        Index (B, V, H, W) int64 and depth (B, V, H, W) of uvz's dtype.
    """
    num_clouds, num_views, num_points, _ = uvz.shape
    rows = uvz.reshape(num_clouds * num_views, num_points, 3)
    keys = filled((rows.shape[0], height * width), -1, torch.int64, uvz.device)
    for part in chunks(rows.shape[0], num_points):
        _scatter(keys, rows[:, part], part.start, (height, width), radius)
    depth = _depth(keys, rows)
    index = keys.bitwise_not_().bitwise_and_(_LOW).sub_(1)
    if rows.dtype == torch.float64 and num_points:
        depth = rows[..., 2].gather(1, index.clamp(min=0)).masked_fill_(index < 0, 0.0)
    shape = (num_clouds, num_views, height, width)
    return index.view(shape), depth.view(shape)


def locate(
    rows: torch.Tensor, size: tuple[int, int]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Say which points count, their pixel, and where in the pixel they lie.

    Returns:
        Valid (bool), pixel row and pixel column (int64, 0 where not valid), and the bits of z as float32 (int32).
    """
    u, v, z = rows.unbind(-1)
    bits = z.to(torch.float32).contiguous().view(torch.int32)
    valid = (bits > 0) & (bits < 0x7F800000)
    valid &= (u >= 0) & (u < size[1]) & (v >= 0) & (v < size[0])
    row = torch.where(valid, v, 0).to(torch.int64)
    col = torch.where(valid, u, 0).to(torch.int64)
    return valid, row, col, bits


def _scatter(keys: torch.Tensor, rows: torch.Tensor, start: int, size: tuple[int, int], radius: float) -> None:
    """Let a chunk of points compete for their pixels."""
    valid, row, col, bits = locate(rows, size)
    order = torch.arange(start, start + rows.shape[1], device=rows.device)
    key = ((0x7FFFFFFF - bits).to(torch.int64) << 32).add_(_LOW - 1 - order)
    key.masked_fill_(~valid, -1)
    pixel = row * size[1] + col
    keys.scatter_reduce_(1, pixel, key, "amax")
    if radius > 0:
        for where, target in neighbours(rows, (valid, row, col, pixel), size, radius):
            keys.scatter_reduce_(1, target, key.where(where, -1), "amax")


def neighbours(rows, located, size, radius):
    """Yield, for each step of the footprint but the zero one, who covers that neighbour and its pixel."""
    valid, row, col, pixel = located
    height, width = size
    limit = squared_radius(radius)
    du = rows[..., 0] - rows[..., 0].floor() - 0.5
    dv = rows[..., 1] - rows[..., 1].floor() - 0.5
    steps = offsets(radius)
    across = {step: ((du - step).square_(), valid & (col >= -step) & (col < width - step)) for _, step in steps}
    down = {step: ((dv - step).square_(), (row >= -step) & (row < height - step)) for step, _ in steps}
    for i, j in steps:
        if i or j:
            where = (down[i][0] + across[j][0]) <= limit
            where &= down[i][1]
            where &= across[j][1]
            yield where, (pixel + (i * width + j)).mul_(where)


def _depth(keys: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Read the float32 depth back out of the keys; an empty pixel (-1) gives 0."""
    depth = filled(tuple(keys.shape), 0.0, rows.dtype, rows.device)
    if rows.dtype == torch.float32:
        high = keys.view(torch.int32).view(*keys.shape, 2)[..., _HIGH_HALF]
        torch.bitwise_not(high, out=depth.view(torch.int32)).bitwise_and_(0x7FFFFFFF)
    return depth

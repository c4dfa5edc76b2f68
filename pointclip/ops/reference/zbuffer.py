"""The z-buffer in pure torch: its definition, and what runs on a CPU."""

import sys

import torch

from pointclip.ops.footprint import offsets, reach, squared_radius
from pointclip.ops.reference.memory import chunks, empty, filled
from pointclip.ops.reference.points import centred, locate

_LOW = 0xFFFFFFFF
_LARGEST = 0x7FFFFFFF
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
    rim = reach(radius)
    wide = filled((rows.shape[0], (height + 2 * rim) * (width + 2 * rim)), -1, torch.int64, uvz.device)
    for part in chunks(rows.shape[0], num_points):
        _scatter(wide, rows[:, part], part.start, (height, width), radius)
    inner = wide.view(-1, height + 2 * rim, width + 2 * rim)[:, rim : rim + height, rim : rim + width]
    index, depth = _decode(inner.reshape(-1, height * width).contiguous(), rows)
    shape = (num_clouds, num_views, height, width)
    return index.view(shape), depth.view(shape)


def _scatter(keys: torch.Tensor, rows: torch.Tensor, start: int, size: tuple[int, int], radius: float) -> None:
    """Let a chunk of points compete for their pixels; masks are -1, which wins nowhere (torch.where is slow here).

    The keys have a rim that discs may extend into, so that every step of the footprint is one shift of all pixels.
    """
    at = locate(rows, size)
    order = torch.arange(start, start + rows.shape[1], device=rows.device)
    key = ((_LARGEST - at.bits).to(torch.int64) << 32).add_(_LOW - 1 - order)
    key.bitwise_or_(at.valid.to(torch.int64).sub_(1))
    limit, rim, width = squared_radius(radius), reach(radius), size[1] + 2 * reach(radius)
    pixel = at.row * width + at.col
    du, dv = centred(rows[..., 0]), centred(rows[..., 1])
    across = {j: (du - j).square_() for j in range(-rim, rim + 1)}
    for i in range(-rim, rim + 1):
        down = (dv - i).square_()
        for j in (j for row, j in offsets(radius) if row == i):
            beyond = (down + across[j] > limit).to(torch.int64).neg_() if i or j else 0
            keys[:, (rim + i) * width + rim + j :].scatter_reduce_(1, pixel, key | beyond, "amax")


def _decode(keys: torch.Tensor, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Turn the keys into the index (in place) and the depth; float32 depth is read back out of the keys."""
    if rows.dtype == torch.float32:
        depth = empty(tuple(keys.shape), rows.dtype, rows.device)
        high = keys.view(torch.int32).view(*keys.shape, 2)[..., _HIGH_HALF]
        torch.bitwise_not(high, out=depth.view(torch.int32)).bitwise_and_(_LARGEST)
    index = keys.bitwise_not_().bitwise_and_(_LOW).sub_(1)
    if rows.dtype == torch.float32:
        return index, depth
    if rows.shape[1] == 0:
        return index, torch.zeros_like(index, dtype=rows.dtype)
    return index, rows[..., 2].gather(1, index.clamp(min=0)).masked_fill_(index < 0, 0.0)

"""The z-buffer in pure torch: its definition."""

import torch
from torch.nn.functional import pad

from pointclip.ops.reference.memory import chunks
from pointclip.ops.reference.points import locate, neighbours

_LOW = 0xFFFFFFFF
_NOTHING = 0x7FFFFFFFFFFFFFFF


def zbuffer(uvz: torch.Tensor, height: int, width: int, radius: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the nearest point of every pixel.

    One integer minimum decides: the key holds the bits of z above the index, so the nearest point has the smallest key,
    then the lowest index.

    Args:
        uvz: (B, V, N, 3) float32 or float64.
        height: Rows H of the image.
        width: Columns W of the image.
        radius: Radius of the disc of a point, in pixels.

    Returns:
        Index (B, V, H, W) int64 and depth (B, V, H, W) of uvz's dtype.
    """
    rows, shape = uvz.flatten(0, 1), (*uvz.shape[:2], height, width)
    keys = torch.full((rows.shape[0], height * width), _NOTHING, device=uvz.device)
    for part in chunks(*rows.shape[:2]):
        at = locate(rows[:, part], (height, width))
        key = (at.bits.to(torch.int64) << 32) + torch.arange(part.start, part.stop, device=uvz.device)
        for step in neighbours(rows[:, part], at, (height, width), radius):
            keys.scatter_reduce_(1, step.pixel, key.where(step.covers, _NOTHING), "amin")
    index = (keys & _LOW).where(keys < _NOTHING, -1)
    depth = pad(rows[..., 2], (1, 0)).gather(1, index + 1)
    return index.view(shape), depth.view(shape)

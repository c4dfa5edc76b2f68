"""Scatter points into images: nearest point, soft splat, weighted mean.

One meaning on every device: pure torch defines each op, and kernels have to agree with it.
"""

import math

import torch

from pointclip._checks import check_floating, check_shape
from pointclip.errors import InputError
from pointclip.ops import _reference_zbuffer
from pointclip.ops._footprint import MAX_RADIUS
from pointclip.ops._gather import gather
from pointclip.ops._types import Splat, ZBuffer

__all__ = ["Splat", "ZBuffer", "gather", "zbuffer"]


def zbuffer(uvz: torch.Tensor, size: tuple[int, int], radius: float = 0.0, *, backend: str = "auto") -> ZBuffer:
    """Find the nearest point of every pixel; ties go to the lowest index."""
    check_shape("uvz", uvz, "B V N 3")
    check_floating("uvz", uvz)
    if not (math.isfinite(radius) and 0 <= radius <= MAX_RADIUS):
        raise InputError(f"radius must be between 0 and {MAX_RADIUS:g} pixels, got {radius}")
    if uvz.dtype not in (torch.float32, torch.float64):
        uvz = uvz.float()
    index, depth = _reference_zbuffer.zbuffer(uvz.detach(), *size, float(radius))
    if uvz.requires_grad:
        depth = gather(index, uvz[..., 2:]).squeeze(-1)
    return ZBuffer(index, depth)

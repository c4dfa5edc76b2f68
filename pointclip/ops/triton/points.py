"""What the Triton kernels share: reading points, their footprint, and the launch."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import triton
import triton.language as tl

BLOCK = 128
LAUNCH = {"num_warps": 4, "enable_fp_fusion": False}


def grid(num_rows: int, num_points: int) -> tuple[int]:
    """Return one program per block of points of one view, on one axis (the only one that goes beyond 65,535)."""
    return (num_rows * triton.cdiv(num_points, BLOCK),)


def on_device_of(tensor: torch.Tensor) -> AbstractContextManager[Any]:
    """Make the GPU of a tensor the current one; launches go to its current stream."""
    return torch.cuda.device(tensor.device) if tensor.is_cuda else nullcontext()


@triton.jit
def which_points(num_points, BLOCK: tl.constexpr):
    """Return the (cloud, view) row as int64, the point numbers of this program, and which of them exist."""
    blocks = tl.cdiv(num_points, BLOCK)
    program = tl.program_id(0)
    row = (program // blocks).to(tl.int64)
    point = (program % blocks).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    return row, point, point < num_points


@triton.jit
def read_points(uvz, row, point, exists, num_points, height, width):
    """Load points and say which count: u, v, z are harmless numbers where valid is false."""
    base = uvz + (row * num_points + point) * 3
    u = tl.load(base, mask=exists, other=-1.0)
    v = tl.load(base + 1, mask=exists, other=-1.0)
    z = tl.load(base + 2, mask=exists, other=-1.0)
    bits = z.to(tl.float32).to(tl.int32, bitcast=True)
    valid = exists & (bits > 0) & (bits < 0x7F800000)
    valid = valid & (u >= 0) & (u < width) & (v >= 0) & (v < height)
    u = tl.where(valid, u, 0.5)
    v = tl.where(valid, v, 0.5)
    z = tl.where(valid, z, 1.0)
    bits = tl.where(valid, bits, 0x3F800000)
    return u, v, z, bits, valid


@triton.jit
def centred(coordinate):
    """Return the pixel number and where in the pixel the coordinate lies, from the pixel's centre."""
    pixel = coordinate.to(tl.int32)
    return pixel, (coordinate - pixel.to(coordinate.dtype)) - 0.5


@triton.jit
def covered(valid, row, col, i, j, du, dv, limit, height, width):
    """Say which points cover the pixel (row, col), i rows and j columns from their own; its centre is (du, dv) away."""
    near = ((dv * dv + du * du) <= limit) | ((i == 0) & (j == 0))
    return valid & near & (row >= 0) & (row < height) & (col >= 0) & (col < width)

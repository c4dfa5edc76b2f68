"""The z-buffer on CUDA: one 64-bit atomic maximum per pixel touched, then one pass over the pixels."""

import torch
import triton
import triton.language as tl

from pointclip.ops.footprint import reach, squared_radius
from pointclip.ops.triton.points import BLOCK, LAUNCH, centred, covered, grid, on_device_of, read_points, which_points

_PIXELS = 1024


@triton.jit
def _compete(uvz, keys, num_points, height, width, limit, REACH: tl.constexpr, BLOCK: tl.constexpr):
    view, point, exists = which_points(num_points, BLOCK)
    u, v, z, bits, valid = read_points(uvz, view, point, exists, num_points, height, width)
    col, du = centred(u)
    row, dv = centred(v)
    key = ((0x7FFFFFFF - bits).to(tl.int64) << 32) + (4294967294 - point)
    image = keys + view * height * width
    for i in range(-REACH, REACH + 1):
        for j in range(-REACH, REACH + 1):
            covers = covered(valid, row + i, col + j, i, j, du - j, dv - i, limit, height, width)
            target = image + (row + i).to(tl.int64) * width + (col + j)
            # Keys only grow: one that does not beat a possibly old value need not ask the atomic unit.
            known = tl.load(target, mask=covers, other=0)
            tl.atomic_max(target, key, mask=covers & (key > known), sem="relaxed")


@triton.jit
def _decode(uvz, keys, depth, num_pixels, num_points, pixels_per_view, PIXELS: tl.constexpr):
    pixel = tl.program_id(0).to(tl.int64) * PIXELS + tl.arange(0, PIXELS)
    exists = pixel < num_pixels
    key = tl.load(keys + pixel, mask=exists, other=-1)
    hit = key >= 0
    index = tl.where(hit, 4294967294 - (key & 4294967295), -1)
    if depth.dtype.element_ty == tl.float32:
        bits = (0x7FFFFFFF - (key >> 32)).to(tl.int32)
        nearest = tl.where(hit, bits, 0).to(tl.float32, bitcast=True)
    else:
        view = pixel // pixels_per_view
        nearest = tl.load(uvz + (view * num_points + index) * 3 + 2, mask=exists & hit, other=0.0)
    tl.store(keys + pixel, index, mask=exists)
    tl.store(depth + pixel, nearest, mask=exists)


def zbuffer(uvz: torch.Tensor, height: int, width: int, radius: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the nearest point of every pixel, bit for bit as the reference does."""
    num_clouds, num_views, num_points, _ = uvz.shape
    shape = (num_clouds, num_views, height, width)
    uvz = uvz.contiguous()
    keys = torch.full(shape, -1, dtype=torch.int64, device=uvz.device)
    depth = torch.empty(shape, dtype=uvz.dtype, device=uvz.device)
    num_rows, num_pixels = num_clouds * num_views, keys.numel()
    with on_device_of(uvz):
        if num_rows * num_points:
            _compete[grid(num_rows, num_points)](
                uvz, keys, num_points, height, width, squared_radius(radius), reach(radius), BLOCK, **LAUNCH
            )
        if num_pixels:
            _decode[(triton.cdiv(num_pixels, _PIXELS),)](
                uvz, keys, depth, num_pixels, num_points, height * width, _PIXELS, **LAUNCH
            )
    return keys, depth

"""Triangles on CUDA: each looks at the pixels of its box, with one 64-bit atomic maximum per pixel that it covers."""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl

from pointclip.ops.packed import each
from pointclip.ops.reference.rasterize import LIMIT, STEPS, measure
from pointclip.ops.triton.points import LAUNCH, on_device_of

_TRIANGLES = 8
_PIXELS = 64
_LOW = 0xFFFFFFFF


@triton.jit
def _read_corner(uvz, faces, face, corner, exists, num_points, LIMIT: tl.constexpr, STEPS: tl.constexpr):
    """Load a corner of each triangle on the grid of 1/STEPS pixel, its z, and whether it can be drawn."""
    point = tl.load(faces + face * 3 + corner, mask=exists, other=0)
    exists = exists & (point >= 0) & (point < num_points)
    u = tl.load(uvz + point * 3, mask=exists, other=0.0).to(tl.float64)
    v = tl.load(uvz + point * 3 + 1, mask=exists, other=0.0).to(tl.float64)
    z = tl.load(uvz + point * 3 + 2, mask=exists, other=-1.0)
    single = z.to(tl.float32)
    x, y = tl.floor(u * STEPS + 0.5), tl.floor(v * STEPS + 0.5)
    valid = exists & (single > 0) & (single < float("inf"))
    valid = valid & (tl.abs(x) <= LIMIT * STEPS) & (tl.abs(y) <= LIMIT * STEPS)
    x = tl.where(valid, x, 0.0).to(tl.int64)
    y = tl.where(valid, y, 0.0).to(tl.int64)
    return x, y, tl.where(valid, z.to(tl.float64), 1.0), valid


@triton.jit
def _extent(a, b, c, count, STEPS: tl.constexpr):
    """Return the first and the last pixel whose centre lies between three corners."""
    low = (tl.minimum(tl.minimum(a, b), c) + (STEPS // 2 - 1)) >> 8
    high = (tl.maximum(tl.maximum(a, b), c) - STEPS // 2) >> 8
    return tl.maximum(low, 0), tl.minimum(high, count - 1)


@triton.jit
def _edge(x1, y1, x2, y2, sign, x, y):
    """Return the edge function at pixel centres (x, y), and where they are inside."""
    dx, dy = (sign * (x2 - x1))[:, None], (sign * (y2 - y1))[:, None]
    here = dx * (y - y1[:, None]) - dy * (x - x1[:, None])
    return here.to(tl.float64), (here > 0) | ((here == 0) & ((dy < 0) | ((dy == 0) & (dx > 0))))


@triton.jit
def _compete(
    uvz, faces, keys, num_faces, num_points, points_per_view, height, width,
    PERSPECTIVE: tl.constexpr, LIMIT: tl.constexpr, STEPS: tl.constexpr, TRIANGLES: tl.constexpr, PIXELS: tl.constexpr,
):  # fmt: skip
    blocks = tl.cdiv(num_faces, TRIANGLES)
    view = (tl.program_id(0) // blocks).to(tl.int64)
    face = (tl.program_id(0) % blocks).to(tl.int64) * TRIANGLES + tl.arange(0, TRIANGLES)
    points, exists = uvz + view * points_per_view * 3, face < num_faces
    x0, y0, z0, valid0 = _read_corner(points, faces, face, 0, exists, num_points, LIMIT, STEPS)
    x1, y1, z1, valid1 = _read_corner(points, faces, face, 1, exists, num_points, LIMIT, STEPS)
    x2, y2, z2, valid2 = _read_corner(points, faces, face, 2, exists, num_points, LIMIT, STEPS)
    area = (x1 - x0) * (y2 - y0) - (y1 - y0) * (x2 - x0)
    sign = tl.where(area > 0, 1, -1).to(tl.int64)
    left, right = _extent(x0, x1, x2, width, STEPS)
    top, bottom = _extent(y0, y1, y2, height, STEPS)
    drawn = valid0 & valid1 & valid2 & (area != 0) & (left <= right) & (top <= bottom)
    columns = tl.where(drawn, right - left + 1, 1)
    count = tl.where(drawn, columns * (bottom - top + 1), 0)
    if PERSPECTIVE:
        z0, z1, z2 = 1.0 / z0, 1.0 / z1, 1.0 / z2
    size = tl.where(drawn, area * sign, 1).to(tl.float64)
    near0, near1, near2 = (z0 / size)[:, None], (z1 / size)[:, None], (z2 / size)[:, None]
    image = keys + view * height * width
    for start in range(0, tl.max(count, 0), PIXELS):
        pixel = (start + tl.arange(0, PIXELS).to(tl.int64))[None, :]
        row, col = top[:, None] + pixel // columns[:, None], left[:, None] + pixel % columns[:, None]
        x, y = col * STEPS + STEPS // 2, row * STEPS + STEPS // 2
        e0, inside0 = _edge(x1, y1, x2, y2, sign, x, y)
        e1, inside1 = _edge(x2, y2, x0, y0, sign, x, y)
        e2, inside2 = _edge(x0, y0, x1, y1, sign, x, y)
        covers = (pixel < count[:, None]) & inside0 & inside1 & inside2
        bits = ((e0 * near0 + e1 * near1) + e2 * near2).to(tl.float32).to(tl.int32, bitcast=True)
        if not PERSPECTIVE:
            bits = 0x7FFFFFFF - bits
        key = (bits.to(tl.int64) << 32) + (4294967294 - face)[:, None]
        target = image + row * width + col
        # Keys only grow: one that does not beat a possibly old value need not ask the atomic unit.
        known = tl.load(target, mask=covers, other=0)
        tl.atomic_max(target, key, mask=covers & (key > known), sem="relaxed")


def rasterize(
    uvz: torch.Tensor, faces: torch.Tensor, meshes: Sequence[int], height: int, width: int, perspective: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Find the nearest triangle of every pixel; depth and weights of the winners are the reference's own."""
    shape = (len(meshes) // 4, uvz.shape[0], height, width)
    uvz, faces = uvz.contiguous(), faces.contiguous()
    face = torch.full(shape, -1, dtype=torch.int64, device=uvz.device)
    depth = torch.empty(shape, dtype=uvz.dtype, device=uvz.device)
    barycentric = torch.empty((*shape, 3), dtype=uvz.dtype, device=uvz.device)
    for b, (own_faces, own_points) in enumerate(each(meshes)):
        num_faces, num_points = own_faces.stop - own_faces.start, own_points.stop - own_points.start
        programs = shape[1] * triton.cdiv(num_faces, _TRIANGLES)
        with on_device_of(uvz):
            if programs:
                _compete[(programs,)](
                    uvz[:, own_points.start :], faces[own_faces], face[b], num_faces, num_points, uvz.shape[1],
                    height, width, perspective, LIMIT, STEPS, _TRIANGLES, _PIXELS, **LAUNCH,
                )  # fmt: skip
        face[b] = torch.where(face[b] >= 0, _LOW - 1 - (face[b] & _LOW), -1)
        one = slice(b, b + 1)
        depth[one], barycentric[one] = measure(uvz, faces, meshes[4 * b : 4 * b + 4], face[one], perspective)
    return face, depth, barycentric

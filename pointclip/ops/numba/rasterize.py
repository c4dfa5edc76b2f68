"""Triangles on a CPU: a z-buffer over the rows that each triangle touches, then one pass over the pixels.

The numbers are those of the reference, operation by operation, so that the bits are too.
"""

from collections.abc import Sequence

import numba
import numpy as np
import torch

from pointclip.ops.packed import each
from pointclip.ops.reference.memory import empty
from pointclip.ops.reference.rasterize import LIMIT, STEPS

_LIMIT = int(LIMIT) * STEPS
_HALF = STEPS // 2
_NOWHERE = np.int32(2**31 - 1)
_WIDE = 12


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _snap(points, perspective, grid, near):
    """Round points to the grid, and say how near they are: what is linear on the screen, larger where nearer."""
    for point in range(points.shape[0]):
        u, v, z = np.float64(points[point, 0]), np.float64(points[point, 1]), points[point, 2]
        x, y = np.floor(u * STEPS + 0.5), np.floor(v * STEPS + 0.5)
        single = np.float32(z)
        if single > 0 and single < np.inf and abs(x) <= _LIMIT and abs(y) <= _LIMIT:
            grid[point, 0], grid[point, 1] = np.int32(x), np.int32(y)
            near[point] = 1 / np.float64(z) if perspective else np.float64(z)
        else:
            grid[point, 0] = _NOWHERE


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _cover(faces, grid, near, perspective, height, width, keys):
    """Let every triangle compete for the pixels whose centres it holds; the first of equals stays."""
    stride = width + 8
    flip = np.int32(0) if perspective else np.int32(0x7FFFFFFF)
    for face in range(faces.shape[0]):
        i, j, k = faces[face, 0], faces[face, 1], faces[face, 2]
        x0, x1, x2 = np.int64(grid[i, 0]), np.int64(grid[j, 0]), np.int64(grid[k, 0])
        if max(x0, x1, x2) == _NOWHERE:
            continue
        left = max((min(x0, x1, x2) + (_HALF - 1)) >> 8, 0)
        right = min((max(x0, x1, x2) - _HALF) >> 8, width - 1)
        if left > right:
            continue
        y0, y1, y2 = np.int64(grid[i, 1]), np.int64(grid[j, 1]), np.int64(grid[k, 1])
        top = max((min(y0, y1, y2) + (_HALF - 1)) >> 8, 0)
        bottom = min((max(y0, y1, y2) - _HALF) >> 8, height - 1)
        if top > bottom:
            continue
        area = (x1 - x0) * (y2 - y0) - (y1 - y0) * (x2 - x0)
        if area == 0:
            continue
        sign = 1 if area > 0 else -1
        area *= sign
        dx0, dx1, dx2 = sign * (x2 - x1), sign * (x0 - x2), sign * (x1 - x0)
        dy0, dy1, dy2 = sign * (y2 - y1), sign * (y0 - y2), sign * (y1 - y0)
        x, y = (left << 8) + _HALF, (top << 8) + _HALF
        e0 = np.float64(dx0 * (y - y1) - dy0 * (x - x1))
        e1 = np.float64(dx1 * (y - y2) - dy1 * (x - x2))
        e2 = np.float64(dx2 * (y - y0) - dy2 * (x - x0))
        least0 = 0.0 if dy0 < 0 or (dy0 == 0 and dx0 > 0) else 1.0
        least1 = 0.0 if dy1 < 0 or (dy1 == 0 and dx1 > 0) else 1.0
        least2 = 0.0 if dy2 < 0 or (dy2 == 0 and dx2 > 0) else 1.0
        near0, near1, near2 = near[i] / area, near[j] / area, near[k] / area
        across0, across1, across2 = np.float64(-dy0 << 8), np.float64(-dy1 << 8), np.float64(-dy2 << 8)
        down0, down1, down2 = np.float64(dx0 << 8), np.float64(dx1 << 8), np.float64(dx2 << 8)
        low = np.int64(0xFFFFFFFE - face)
        per0, per1, per2 = 1 / across0, 1 / across1, 1 / across2
        for row in range(top, bottom + 1):
            begin, end = 0.0, np.float64(right - left)
            if right - left > 8:
                cross0, cross1, cross2 = (least0 - e0) * per0, (least1 - e1) * per1, (least2 - e2) * per2
                begin = max(begin, cross0 if across0 > 0 else 0.0)
                begin = max(begin, cross1 if across1 > 0 else 0.0)
                begin = max(begin, cross2 if across2 > 0 else 0.0)
                end = min(end, cross0 if across0 < 0 else end)
                end = min(end, cross1 if across1 < 0 else end)
                end = min(end, cross2 if across2 < 0 else end)
                begin = np.floor(begin)
            count = np.int64(end - begin + 1.01)
            if count > 0:
                at = np.uintp(row * stride + left) + np.uintp(begin)
                for lane in range(np.uintp(((count - 1) | 7) + 1)):
                    step = begin + np.float64(np.int32(lane))
                    a0, a1, a2 = e0 + across0 * step, e1 + across1 * step, e2 + across2 * step
                    here = np.float32((a0 * near0 + a1 * near1) + a2 * near2)
                    key = (np.int64(here.view(np.int32) ^ flip) << 32) | low
                    inside = (a0 >= least0) & (a1 >= least1) & (a2 >= least2)
                    key = key if inside else np.int64(-1)
                    old = keys[at + np.uintp(lane)]
                    keys[at + np.uintp(lane)] = key if key > old else old
            e0 += down0
            e1 += down1
            e2 += down2


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _measure(points, faces, keys, perspective, height, width, face, depth, barycentric):
    """Write what the winners are at the centres of their pixels; neighbours often have the same one."""
    x0 = x1 = x2 = y0 = y1 = y2 = z0 = z1 = z2 = s0 = s1 = s2 = 1.0
    for row in range(height):
        read, at, v = np.uintp(row * (width + 8)), np.uintp(row * width), row + 0.5
        known, v0, v1, v2 = -1, 0.0, 0.0, 0.0
        for col in range(width):
            number = 0xFFFFFFFE - (keys[read] & 0xFFFFFFFF)
            read += np.uintp(1)
            face[at] = number
            if number < 0:
                depth[at] = 0
                barycentric[at, 0] = 0
                barycentric[at, 1] = 0
                barycentric[at, 2] = 0
                at += np.uintp(1)
                continue
            if number != known:
                known = number
                i, j, k = faces[number, 0], faces[number, 1], faces[number, 2]
                x0, x1, x2 = np.float64(points[i, 0]), np.float64(points[j, 0]), np.float64(points[k, 0])
                y0, y1, y2 = np.float64(points[i, 1]), np.float64(points[j, 1]), np.float64(points[k, 1])
                z0, z1, z2 = np.float64(points[i, 2]), np.float64(points[j, 2]), np.float64(points[k, 2])
                v0, v1, v2 = y0 - v, y1 - v, y2 - v
                s0, s1, s2 = z1 * z2, z2 * z0, z0 * z1
                if not perspective:
                    s0 = s1 = s2 = 1.0
            u = col + 0.5
            u0, u1, u2 = x0 - u, x1 - u, x2 - u
            w0, w1, w2 = abs(u1 * v2 - u2 * v1), abs(u2 * v0 - u0 * v2), abs(u0 * v1 - u1 * v0)
            if (w0 + w1) + w2 == 0:
                w0 = w1 = w2 = 1.0
            w0, w1, w2 = w0 * s0, w1 * s1, w2 * s2
            scale = 1 / ((w0 + w1) + w2)
            w0, w1, w2 = w0 * scale, w1 * scale, w2 * scale
            depth[at] = (w0 * z0 + w1 * z1) + w2 * z2
            barycentric[at, 0] = w0
            barycentric[at, 1] = w1
            barycentric[at, 2] = w2
            at += np.uintp(1)


def rasterize(
    uvz: torch.Tensor, faces: torch.Tensor, meshes: Sequence[int], height: int, width: int, perspective: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Find the nearest triangle of every pixel, bit for bit as the reference does."""
    shape = (len(meshes) // 4, uvz.shape[0], height, width)
    face = empty(shape, torch.int64, uvz.device)
    depth, barycentric = empty(shape, uvz.dtype, uvz.device), empty((*shape, 3), uvz.dtype, uvz.device)
    maps = face.flatten(2).numpy(), depth.flatten(2).numpy(), barycentric.flatten(2, 3).numpy()
    points, triangles = uvz.detach().contiguous().numpy(), faces.contiguous().numpy()
    keys = np.empty(height * (width + 8), np.int64)
    for b, (own_faces, own_points) in enumerate(each(meshes)):
        grid, near = np.empty((own_points.stop - own_points.start, 2), np.int32), np.empty(points.shape[1])
        for v in range(shape[1]):
            keys.fill(-1)
            _snap(points[v, own_points], perspective, grid, near)
            _cover(triangles[own_faces], grid, near, perspective, height, width, keys)
            _measure(
                points[v, own_points], triangles[own_faces], keys, perspective, height, width, *(m[b, v] for m in maps)
            )
    return face, depth, barycentric

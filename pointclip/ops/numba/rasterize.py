"""Triangles on a CPU: a z-buffer over the rows that each one touches, then one pass over the pixels.

The numbers are those of the reference, operation by operation, so the bits are too. Whole numbers below 2^53 are kept
as float64, where they are exact and eight of them fit into one register.
"""

from collections.abc import Sequence

import numpy as np
import torch

from pointclip._base.compiled import empty, kernel, over_pictures
from pointclip.ops.reference.rasterize import LIMIT, STEPS

_LIMIT = int(LIMIT) * STEPS
_HALF = STEPS // 2
_NOWHERE = 2**31 - 1
_LOW = 0xFFFFFFFF
_LANES = 8


@kernel
def _snap(points, perspective, grid, near):
    """Round points to the grid, and note what is linear on the screen: 1/z, or z."""
    for point in range(points.shape[0]):
        x = np.floor(np.float64(points[point, 0]) * STEPS + 0.5)
        y = np.floor(np.float64(points[point, 1]) * STEPS + 0.5)
        single = np.float32(points[point, 2])
        grid[point, 0] = _NOWHERE
        if single > 0 and single < np.inf and abs(x) <= _LIMIT and abs(y) <= _LIMIT:
            grid[point, 0], grid[point, 1] = np.int32(x), np.int32(y)
            z = np.float64(points[point, 2])
            near[point] = 1 / z if perspective else z


@kernel
def _extent(a, b, c, count):
    """Return the first and the last pixel whose centre lies between three corners."""
    return max((min(a, b, c) + (_HALF - 1)) // STEPS, 0), min((max(a, b, c) - _HALF) // STEPS, count - 1)


@kernel
def _edge(x1, y1, x2, y2, x, y, sign):
    """Return the edge function at (x, y), its steps to the next column and row, and what it is at least inside."""
    dx, dy = sign * (x2 - x1), sign * (y2 - y1)
    least = 0 if dy < 0 or (dy == 0 and dx > 0) else 1
    here = dx * (y - y1) - dy * (x - x1)
    return np.float64(here), np.float64(-dy * STEPS), np.float64(dx * STEPS), np.float64(least)


@kernel
def _narrow(begin, end, here, across, least):
    """Move the ends of a row's pixels to where an edge function reaches its least."""
    if across > 0:
        return max(begin, np.floor((least - here) / across)), end
    if across < 0:
        return begin, min(end, (least - here) / across)
    return begin, end


@kernel
def _compete(keys, at, begin, count, here, across, least, near, flip, low):
    """Raise the keys of a row's pixels that lie inside; beyond ``count`` it goes on to a whole number of lanes."""
    for lane in range(np.uintp(((count - 1) | (_LANES - 1)) + 1)):
        step = begin + np.float64(np.int32(lane))
        e0, e1, e2 = here[0] + across[0] * step, here[1] + across[1] * step, here[2] + across[2] * step
        bits = np.float32((e0 * near[0] + e1 * near[1]) + e2 * near[2]).view(np.int32) ^ flip
        inside = (e0 >= least[0]) & (e1 >= least[1]) & (e2 >= least[2])
        key = (np.int64(bits) << 32) | low if inside else np.int64(-1)
        old = keys[at + np.uintp(lane)]
        keys[at + np.uintp(lane)] = key if key > old else old


@kernel
def _fill(keys, stride, top, bottom, left, right, edges, near, flip, low):
    """Let one triangle compete for the pixels of its rows."""
    (e0, across0, down0, least0), (e1, across1, down1, least1), (e2, across2, down2, least2) = edges
    for row in range(top, bottom + 1):
        begin, end = 0.0, np.float64(right - left)
        if right - left >= _LANES:
            begin, end = _narrow(begin, end, e0, across0, least0)
            begin, end = _narrow(begin, end, e1, across1, least1)
            begin, end = _narrow(begin, end, e2, across2, least2)
        count = np.int64(end - begin + 1.01)  # one pixel too many does no harm, one too few would
        if count > 0:
            at = np.uintp(row * stride + left) + np.uintp(begin)
            here, across, least = (e0, e1, e2), (across0, across1, across2), (least0, least1, least2)
            _compete(keys, at, begin, count, here, across, least, near, flip, low)
        e0 += down0
        e1 += down1
        e2 += down2


@kernel
def _cover(faces, grid, near, perspective, height, width, keys):
    """Let every triangle compete for the pixels whose centres it holds."""
    flip = np.int32(0) if perspective else np.int32(0x7FFFFFFF)
    for face in range(faces.shape[0]):
        i, j, k = faces[face, 0], faces[face, 1], faces[face, 2]
        x0, x1, x2 = np.int64(grid[i, 0]), np.int64(grid[j, 0]), np.int64(grid[k, 0])
        left, right = _extent(x0, x1, x2, width)
        if left > right or max(x0, x1, x2) == _NOWHERE:
            continue
        y0, y1, y2 = np.int64(grid[i, 1]), np.int64(grid[j, 1]), np.int64(grid[k, 1])
        top, bottom = _extent(y0, y1, y2, height)
        area = (x1 - x0) * (y2 - y0) - (y1 - y0) * (x2 - x0)
        if top > bottom or area == 0:
            continue
        sign = 1 if area > 0 else -1
        x, y, area = left * STEPS + _HALF, top * STEPS + _HALF, area * sign
        edges = (
            _edge(x1, y1, x2, y2, x, y, sign),
            _edge(x2, y2, x0, y0, x, y, sign),
            _edge(x0, y0, x1, y1, x, y, sign),
        )
        nears = (near[i] / area, near[j] / area, near[k] / area)
        _fill(keys, width + _LANES, top, bottom, left, right, edges, nears, flip, np.int64(_LOW - 1 - face))


@kernel
def _weigh(x, y, by, u, v):
    """Return the barycentric weights at (u, v) of three corners; ``by`` makes them those of perspective."""
    u0, u1, u2, v0, v1, v2 = x[0] - u, x[1] - u, x[2] - u, y[0] - v, y[1] - v, y[2] - v
    w0, w1, w2 = abs(u1 * v2 - u2 * v1), abs(u2 * v0 - u0 * v2), abs(u0 * v1 - u1 * v0)
    if (w0 + w1) + w2 == 0:
        w0 = w1 = w2 = 1.0
    w0, w1, w2 = w0 * by[0], w1 * by[1], w2 * by[2]
    scale = 1 / ((w0 + w1) + w2)
    return w0 * scale, w1 * scale, w2 * scale


@kernel
def _measure(points, faces, keys, perspective, height, width, face, depth, barycentric):
    """Write what the winners are at the centres of their pixels; neighbours often have the same one."""
    x = y = z = by = (1.0, 1.0, 1.0)
    known = np.int64(-1)
    for row in range(height):
        read, at = np.uintp(row * (width + _LANES)), np.uintp(row * width)
        for col in range(width):
            number = _LOW - 1 - (keys[read] & _LOW)
            face[at] = number
            if number >= 0 and number != known:
                known = number
                i, j, k = faces[number, 0], faces[number, 1], faces[number, 2]
                x = np.float64(points[i, 0]), np.float64(points[j, 0]), np.float64(points[k, 0])
                y = np.float64(points[i, 1]), np.float64(points[j, 1]), np.float64(points[k, 1])
                z = np.float64(points[i, 2]), np.float64(points[j, 2]), np.float64(points[k, 2])
                if perspective:
                    by = z[1] * z[2], z[2] * z[0], z[0] * z[1]
            w0, w1, w2 = _weigh(x, y, by, col + 0.5, row + 0.5) if number >= 0 else (0.0, 0.0, 0.0)
            depth[at] = (w0 * z[0] + w1 * z[1]) + w2 * z[2]
            barycentric[at, 0], barycentric[at, 1], barycentric[at, 2] = w0, w1, w2
            read += np.uintp(1)
            at += np.uintp(1)


@kernel
def _draw(first, last, uvz, faces, meshes, perspective, height, width, face, depth, barycentric):
    keys = np.empty(height * (width + _LANES), np.int64)
    for picture in range(first, last):
        mesh, view = picture // uvz.shape[0], picture % uvz.shape[0]
        first_face, end_face, first_point, end_point = meshes[mesh]
        triangles, points = faces[first_face:end_face], uvz[view, first_point:end_point]
        grid, near = np.empty((points.shape[0], 2), np.int32), np.empty(points.shape[0])
        keys[:] = -1
        _snap(points, perspective, grid, near)
        _cover(triangles, grid, near, perspective, height, width, keys)
        _measure(
            points, triangles, keys, perspective, height, width, face[picture], depth[picture], barycentric[picture]
        )


def rasterize(
    uvz: torch.Tensor, faces: torch.Tensor, meshes: Sequence[int], height: int, width: int, perspective: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Find the nearest triangle of every pixel, bit for bit as the reference does."""
    shape = (len(meshes) // 4, uvz.shape[0], height, width)
    face, depth, barycentric = empty(shape, torch.int64), empty(shape, uvz.dtype), empty((*shape, 3), uvz.dtype)
    over_pictures(
        _draw,
        shape[0] * shape[1],
        depth.numel() + uvz.numel(),
        uvz.detach().contiguous().numpy(),
        faces.contiguous().numpy(),
        np.array(meshes, np.int64).reshape(-1, 4),
        perspective,
        height,
        width,
        face.view(-1, height * width).numpy(),
        depth.view(-1, height * width).numpy(),
        barycentric.view(-1, height * width, 3).numpy(),
    )
    return face, depth, barycentric

"""The z-buffer on a CPU: points in their order, each pixel keeps the nearest, and so the lowest index at equal z."""

import numpy as np
import torch

from pointclip._base.compiled import empty, kernel, over_pictures
from pointclip.ops.footprint import offsets, squared_radius
from pointclip.ops.numba.arrays import pictures

_INFINITE = np.float32(np.inf)


@kernel
def _nearest(first, last, uvz, index, depth, height, width, steps, limit, half):
    for picture in range(first, last):
        index[picture, :] = -1
        depth[picture, :] = 0
        for point in range(uvz.shape[1]):
            u, v, z = uvz[picture, point, 0], uvz[picture, point, 1], uvz[picture, point, 2]
            near = np.float32(z)
            if not (near > 0 and near < _INFINITE and u >= 0 and u < width and v >= 0 and v < height):
                continue
            row, col = int(v), int(u)
            dv, du = v - np.floor(v) - half, u - np.floor(u) - half
            for step in range(len(steps)):
                i, j = int(steps[step, 0]), int(steps[step, 1])
                if not (0 <= row + i < height and 0 <= col + j < width):
                    continue
                down, across = dv - steps[step, 0], du - steps[step, 1]
                if (i != 0 or j != 0) and down * down + across * across > limit:
                    continue
                pixel = (row + i) * width + col + j
                if index[picture, pixel] < 0 or near < np.float32(depth[picture, pixel]):
                    index[picture, pixel] = point
                    depth[picture, pixel] = z


def zbuffer(uvz: torch.Tensor, height: int, width: int, radius: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the nearest point of every pixel, bit for bit as the reference does."""
    shape = (*uvz.shape[:2], height, width)
    points = pictures(uvz)
    index, depth = empty(shape, torch.int64), empty(shape, uvz.dtype)
    images = [pictures(image.flatten(2)) for image in (index, depth)]
    scalar, steps = points.dtype.type, np.array(offsets(radius), dtype=points.dtype)
    cost = points.size * len(steps) + index.numel()
    footprint = (steps, scalar(squared_radius(radius)), scalar(0.5))
    over_pictures(_nearest, len(points), cost, points, *images, height, width, *footprint)
    return index, depth

"""The z-buffer on a CPU: points in their order, each pixel keeps the nearest, and so the lowest index at equal z."""

import numpy as np
import torch

from pointclip._base.compiled import empty, kernel, over_pictures
from pointclip.ops.footprint import reach, squared_radius
from pointclip.ops.numba.arrays import pictures

_INFINITE = np.float32(np.inf)


@kernel
def _nearest(first, last, uvz, index, depth, size, rim, steps, limit, half):
    """Steps are the numbers from -rim to rim in the dtype of the points, in which all distances are rounded."""
    height, width = size
    for picture in range(first, last):
        points, winner, front = uvz[picture], index[picture], depth[picture]
        winner[:] = -1
        front[:] = np.inf
        for point in range(len(points)):
            u, v, z = points[point, 0], points[point, 1], points[point, 2]
            near = np.float32(z)
            if not (near > 0 and near < _INFINITE and u >= 0 and u < width and v >= 0 and v < height):
                continue
            row, col = int(v), int(u)
            dv, du = v - np.floor(v) - half, u - np.floor(u) - half
            for i in range(max(-rim, -row), min(rim, height - 1 - row) + 1):
                down = dv - steps[rim + i]
                for j in range(max(-rim, -col), min(rim, width - 1 - col) + 1):
                    across = du - steps[rim + j]
                    covers = (down * down + across * across <= limit) | ((i == 0) & (j == 0))
                    pixel = (row + i) * width + col + j
                    if covers & (near < np.float32(front[pixel])):
                        winner[pixel] = point
                        front[pixel] = z
        for pixel in range(height * width):
            front[pixel] = front[pixel] if winner[pixel] >= 0 else 0


def zbuffer(uvz: torch.Tensor, height: int, width: int, radius: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the nearest point of every pixel, bit for bit as the reference does."""
    points, rim = pictures(uvz), reach(radius)
    index, depth = (empty((*uvz.shape[:2], height, width), dtype) for dtype in (torch.int64, uvz.dtype))
    images = [pictures(image.flatten(2)) for image in (index, depth)]
    steps, scalar = np.arange(-rim, rim + 1, dtype=points.dtype), points.dtype.type
    cost = points.size * (2 * rim + 1) ** 2 + index.numel()
    footprint = (rim, steps, scalar(squared_radius(radius)), scalar(0.5))
    over_pictures(_nearest, len(points), cost, points, *images, (height, width), *footprint)
    return index, depth

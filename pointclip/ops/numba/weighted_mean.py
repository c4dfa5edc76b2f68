"""The weighted mean of depths on a CPU, forward and backward: sums in the order of the points."""

import numpy as np
import torch

from pointclip._base.compiled import empty, kernel, over_pictures
from pointclip.ops.numba.arrays import per_point, pictures

_INFINITE = np.float32(np.inf)


@kernel
def _pixel(u, v, z, height, width):
    near = np.float32(z)
    if near > 0 and near < _INFINITE and u >= 0 and u < width and v >= 0 and v < height:
        return int(v) * width + int(u)
    return -1


@kernel
def _average(first, last, uvz, weights, mean, total, num_views, height, width):
    for picture in range(first, last):
        cloud, view = picture // num_views, (picture % num_views) % weights.shape[1]
        mean[picture, :] = 0
        total[picture, :] = 0
        for point in range(uvz.shape[1]):
            z, weight = uvz[picture, point, 2], weights[cloud, view, point]
            pixel = _pixel(uvz[picture, point, 0], uvz[picture, point, 1], z, height, width)
            if pixel >= 0 and np.isfinite(weight):
                total[picture, pixel] += weight
                mean[picture, pixel] += weight * z
        for pixel in range(height * width):
            average = mean[picture, pixel] / total[picture, pixel]
            mean[picture, pixel] = average if np.isfinite(average) else 0


@kernel
def _gather(first, last, grad, uvz, weights, mean, total, grad_uvz, grad_weights, num_views, height, width):
    for picture in range(first, last):
        cloud, view = picture // num_views, (picture % num_views) % weights.shape[1]
        grad_uvz[picture, :, :] = 0
        grad_weights[picture, :] = 0
        for point in range(uvz.shape[1]):
            z, weight = uvz[picture, point, 2], weights[cloud, view, point]
            pixel = _pixel(uvz[picture, point, 0], uvz[picture, point, 1], z, height, width)
            if pixel >= 0 and np.isfinite(weight) and total[picture, pixel] != 0:
                share = grad[picture, pixel] / total[picture, pixel]
                grad_uvz[picture, point, 2] = share * weight
                grad_weights[picture, point] = share * (z - mean[picture, pixel])


def weighted_mean(
    uvz: torch.Tensor, weights: torch.Tensor, height: int, width: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Average z over the points of a pixel with weights."""
    shape = (*uvz.shape[:2], height, width)
    points = pictures(uvz)
    mean, total = empty(shape, uvz.dtype), empty(shape, uvz.dtype)
    images = [pictures(image.flatten(2)) for image in (mean, total)]
    cost = points.size + mean.numel()
    over_pictures(_average, len(points), cost, points, per_point(weights), *images, shape[1], height, width)
    return mean, total


def weighted_mean_backward(
    grad: torch.Tensor, uvz: torch.Tensor, weights: torch.Tensor, mean: torch.Tensor, total: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the gradients to uvz (B, V, N, 3) and to the weights (B, V, N)."""
    points = pictures(uvz)
    grad_uvz, grad_weights = empty(tuple(uvz.shape), uvz.dtype), empty(tuple(weights.shape), uvz.dtype)
    images = [pictures(image.flatten(2)) for image in (mean, total)]
    over_pictures(
        _gather, len(points), points.size, pictures(grad.flatten(2)), points, per_point(weights), *images,
        pictures(grad_uvz), pictures(grad_weights), uvz.shape[1], *mean.shape[2:],
    )  # fmt: skip
    return grad_uvz, grad_weights

"""The soft splat on a CPU, forward and backward: each pixel's front first, then sums in the order of the points."""

import numpy as np
import torch

from pointclip._base.compiled import empty, kernel, over_pictures
from pointclip.ops.footprint import RIM, SPLAT_SIGMAS, offsets, sharpness, single, squared_radius
from pointclip.ops.numba.arrays import per_point, pictures
from pointclip.ops.reference.splat import TINY, Maps, per_pixel

_INFINITE = np.float32(np.inf)


@kernel
def _counts(u, v, z, height, width):
    near = np.float32(z)
    return near > 0 and near < _INFINITE and u >= 0 and u < width and v >= 0 and v < height


@kernel
def _reached(u, v, step, height, width, limit, half):
    """Return the pixel at a step from a point's own, or -1 where the point does not reach it; and how far it is."""
    down, across = v - np.floor(v) - half - step[0], u - np.floor(u) - half - step[1]
    row, col = int(v) + int(step[0]), int(u) + int(step[1])
    near = (step[0] == 0 and step[1] == 0) or down * down + across * across <= limit
    inside = 0 <= row < height and 0 <= col < width
    return row * width + col if near and inside else -1, down, across


@kernel
def _find_front(points, front, size, steps, numbers):
    height, width = size
    for point in range(len(points)):
        u, v, z = points[point]
        if _counts(u, v, z, height, width):
            for step in range(len(steps)):
                pixel, _, _ = _reached(u, v, steps[step], height, width, numbers[0], numbers[1])
                if pixel >= 0 and np.float32(z) < front[pixel]:
                    front[pixel] = z


@kernel
def _blend(first, last, uvz, values, depth, coverage, averages, weight, front, num_views, size, steps, numbers):
    height, width = size
    limit, half, scale, tau, rim, one, tiny = numbers
    for picture in range(first, last):
        cloud, view = picture // num_views, (picture % num_views) % values.shape[1]
        depth[picture, :], coverage[picture, :], weight[picture, :], averages[picture] = 0, 0, 0, 0
        front[picture, :] = _INFINITE
        _find_front(uvz[picture], front[picture], size, steps, numbers)
        for point in range(uvz.shape[1]):
            u, v, z = uvz[picture, point]
            if not _counts(u, v, z, height, width):
                continue
            for step in range(len(steps)):
                pixel, down, across = _reached(u, v, steps[step], height, width, limit, half)
                if pixel < 0:
                    continue
                g = np.exp((across * across + down * down) * scale)
                w = g * np.exp(min((front[picture, pixel] - z) / tau, one))
                coverage[picture, pixel] += max((g - rim) / (one - rim), one - one)
                weight[picture, pixel] += w
                depth[picture, pixel] += w * z
                for channel in range(values.shape[3]):
                    averages[picture, pixel, channel] += w * values[cloud, view, point, channel]
        for pixel in range(height * width):
            divisor = max(weight[picture, pixel], tiny)
            coverage[picture, pixel] = -np.expm1(-coverage[picture, pixel])
            depth[picture, pixel] /= divisor
            averages[picture, pixel] /= divisor
            if front[picture, pixel] == _INFINITE:
                front[picture, pixel] = 0


@kernel
def _collect(
    first, last, uvz, values, front, to_depth, to_values, offset, to_coverage, grad_uvz, grad_values,
    num_views, size, steps, numbers,
):  # fmt: skip
    height, width = size
    limit, half, scale, tau, _, one, _ = numbers
    for picture in range(first, last):
        cloud, view = picture // num_views, (picture % num_views) % values.shape[1]
        grad_uvz[picture], grad_values[picture] = 0, 0
        for point in range(uvz.shape[1]):
            u, v, z = uvz[picture, point]
            if not _counts(u, v, z, height, width):
                continue
            for step in range(len(steps)):
                pixel, down, across = _reached(u, v, steps[step], height, width, limit, half)
                if pixel < 0:
                    continue
                g = np.exp((across * across + down * down) * scale)
                w = g * np.exp(min((front[picture, pixel] - z) / tau, one))
                slope = z * to_depth[picture, pixel] - offset[picture, pixel]
                for channel in range(values.shape[3]):
                    share = to_values[picture, pixel, channel]
                    slope += values[cloud, view, point, channel] * share
                    grad_values[picture, point, channel] += w * share
                slope *= w
                grad_uvz[picture, point, 2] += w * to_depth[picture, pixel] - slope / tau
                slope = (slope + g * to_coverage[picture, pixel]) * (scale + scale)
                grad_uvz[picture, point, 0] += slope * across
                grad_uvz[picture, point, 1] += slope * down


def splat(uvz: torch.Tensor, values: torch.Tensor, height: int, width: int, sigma: float, tau: float) -> Maps:
    """Average depth and values softly over the points around each pixel."""
    shape, dtype = (*uvz.shape[:2], height, width), uvz.dtype
    averages, front = empty((*shape, values.shape[-1]), dtype), empty(shape, torch.float32)
    maps = Maps(empty(shape, dtype), empty(shape, dtype), averages, empty(shape, dtype), front)
    points, (steps, numbers) = pictures(uvz), _footprint(sigma, tau, uvz)
    images = [pictures(image.flatten(2, 3)) for image in maps]
    cost = points.size * len(steps) + averages.numel() + 4 * front.numel()
    over_pictures(
        _blend, len(points), cost, points, per_point(values), *images, shape[1], (height, width), steps, numbers
    )
    return maps


def splat_backward(
    grads: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    uvz: torch.Tensor,
    values: torch.Tensor,
    maps: Maps,
    sigma: float,
    tau: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the gradients to uvz (B, V, N, 3) and to the values (B, V, N, D), gathering from the images."""
    grad_uvz, grad_values = empty(tuple(uvz.shape), uvz.dtype), empty(tuple(values.shape), uvz.dtype)
    points, (steps, numbers) = pictures(uvz), _footprint(sigma, tau, uvz)
    images = [pictures(image.flatten(2, 3)) for image in (maps.front, *per_pixel(grads, maps))]
    over_pictures(
        _collect, len(points), points.size * len(steps), points, per_point(values), *images,
        pictures(grad_uvz), pictures(grad_values), uvz.shape[1], tuple(maps.front.shape[2:]), steps, numbers,
    )  # fmt: skip
    return grad_uvz, grad_values


def _footprint(sigma: float, tau: float, uvz: torch.Tensor) -> tuple[np.ndarray, tuple[np.floating, ...]]:
    """Give the steps to the pixels of a footprint, and the numbers of the formulas in the dtype of the points."""
    dtype, radius = np.dtype(str(uvz.dtype).removeprefix("torch.")), SPLAT_SIGMAS * sigma
    numbers = (squared_radius(radius), 0.5, sharpness(sigma), single(tau), RIM, 1.0, TINY)
    return np.array(offsets(radius), dtype), tuple(dtype.type(number) for number in numbers)

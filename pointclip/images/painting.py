"""The visible surface painted by compiled loops on a CPU: :func:`pointclip.images.surface.paint` without gradients.

Sliding windows run in place and look ahead only, so that a result lies where its window begins.
"""

import numpy as np
import torch
from torch import Tensor

from pointclip import ops
from pointclip._base.compiled import kernel

Closings = tuple[tuple[int, int, int], tuple[int, int, int]]
_AXES = ((1, 0), (0, 1), (1, 1), (1, -1))


@kernel
def _max_ahead(image, down, across, length):
    """Replace each pixel by the maximum of ``length`` pixels, one step (down, across) after the other."""
    width = 1
    while width < length:
        step = min(width, length - width)
        low, high = max(0, -step * across), image.shape[1] - max(0, step * across)
        for row in range(image.shape[0] - step * down):
            here, there = image[row, low:high], image[row + step * down, low + step * across : high + step * across]
            for at in range(len(here)):
                here[at] = there[at] if there[at] > here[at] else here[at]
        width += step


@kernel
def _sum_ahead(image, down, across, length):
    """Sum runs of ``length`` pixels, out of runs of 1, 2, 4, ... pixels; the image is used up."""
    total, start, width = np.zeros_like(image), 0, 1
    while width <= length:
        if length & width:
            for row in range(image.shape[0] - start * down):
                there, here = image[row + start * down, start * across :], total[row]
                for at in range(len(there)):
                    here[at] += there[at]
            start += width
        if 2 * width <= length:
            for row in range(image.shape[0] - width * down):
                there, here = image[row + width * down, width * across :], image[row]
                for at in range(len(there)):
                    here[at] += there[at]
        width *= 2
    return total


@kernel
def _fill(sums, blocks, averages, to_fill, blend):
    """Give blocks that are to be filled the average around them; return how many have no painted pixel there."""
    left = 0
    for row in range(to_fill.shape[0]):
        for column in range(to_fill.shape[1]):
            if to_fill[row, column] == 0 or averages[-1, row, column] > 0:
                continue
            if sums[-1, row, column] <= 0.5:
                left += 1
                continue
            averages[-1, row, column] = 1
            for plane in range(len(blocks)):
                average = sums[plane, row, column] / sums[-1, row, column]
                averages[plane, row, column] = average
                before = 0 if blend else blocks[plane, row, column]
                blocks[plane, row, column] = before + to_fill[row, column] * average
    return left


@kernel
def _nearness(index, depth, lowest):
    """Return minus the depth, the lowest number where nothing is, and its maximum in blocks of 2 x 2 pixels."""
    nearness = np.empty_like(depth)
    blocks = np.full(((depth.shape[0] + 1) // 2, (depth.shape[1] + 1) // 2), lowest, depth.dtype)
    for row in range(depth.shape[0]):
        for column in range(depth.shape[1]):
            near = -depth[row, column] if index[row, column] >= 0 else lowest
            nearness[row, column] = near
            blocks[row >> 1, column >> 1] = max(blocks[row >> 1, column >> 1], near)
    return nearness, blocks


@kernel
def _see(
    index, nearness, values, known, covered, blocks, to_fill, closed, halving, hiding, far_halving, tolerance, blend
):
    """Mark the covered pixels and those where a sample is seen, and sum what is seen in blocks of 2 x 2 pixels."""
    lowest = np.finfo(nearness.dtype).min
    for row in range(len(index)):
        covers, hides, half = closed[row >> halving], hiding[row >> far_halving], row >> 1
        for column in range(index.shape[1]):
            known[row, column] = False
            covered[row, column] = covers[column >> halving] > lowest
            if not covered[row, column]:
                continue
            at = index[row, column]
            if at >= 0 and nearness[row, column] >= hides[column >> far_halving] - tolerance:
                known[row, column] = True
                to_fill[half, column >> 1] += blend
                blocks[-1, half, column >> 1] += 1
                for channel in range(len(blocks) - 1):
                    blocks[channel, half, column >> 1] += values[at, channel]
            else:
                to_fill[half, column >> 1] += 1


@kernel
def _finish(index, values, painted, known, covered, averages, blend):
    """Paint covered pixels with the averages of their blocks, and where samples are not blended, those."""
    for row in range(len(index)):
        for channel in range(len(painted)):
            average = averages[channel, row >> 1]
            for column in range(index.shape[1]):
                painted[channel, row, column] = average[column >> 1] * covered[row, column]
                if known[row, column] and not blend:
                    painted[channel, row, column] = values[index[row, column], channel]
        for column in range(index.shape[1]):
            filled = covered[row, column] & (averages[-1, row >> 1, column >> 1] > 0)
            known[row, column] = filled | (known[row, column] & (not blend))


def _window_max(image: np.ndarray, reach: int, cut: int) -> None:
    for (down, across), length in zip(_AXES, [2 * (reach - 2 * cut) + 1] * 2 + [2 * cut + 1] * 2, strict=True):
        _max_ahead(image, down, across, length)


def _close_gaps(nearness: np.ndarray, reach: int, cut: int) -> np.ndarray:
    """Dilate and erode by squares, their corners cut; the window of a dilation begins 2 cut columns into itself."""
    height, width = nearness.shape
    padded = np.pad(nearness, 2 * reach, constant_values=-np.inf)
    _window_max(padded, reach, cut)
    wide = np.negative(padded[: height + 2 * reach, 2 * cut : width + 2 * reach + 2 * cut], order="C")
    _window_max(wide, reach, cut)
    return np.negative(wide[:height, 2 * cut : width + 2 * cut], order="C")


def _tent(plane: np.ndarray, reach: int) -> np.ndarray:
    """Sum two windows of blocks after each other."""
    sums = np.pad(plane, 2 * reach)
    for down, across in _AXES[:2] * 2:
        sums = _sum_ahead(sums, down, across, 2 * reach + 1)
    return sums[: plane.shape[0], : plane.shape[1]]


def _paint(
    arrays: list[np.ndarray], closings: Closings, tolerance: np.floating, blend: bool, windows: tuple[int, ...]
) -> None:
    """Paint one picture."""
    index, depth, values, painted, known = arrays
    nearness, halved = _nearness(index, depth, np.finfo(depth.dtype).min)
    closed, hiding = (_close_gaps(halved if halving else nearness, *window) for halving, *window in closings)
    blocks = np.zeros((values.shape[1] + 1, *halved.shape), values.dtype)  # sums, and the number of pixels
    to_fill, covered = np.zeros(halved.shape, np.int64), np.empty(index.shape, np.bool_)
    maps = (closed, closings[0][0], hiding, closings[1][0])
    _see(index, nearness, values, known, covered, blocks, to_fill, *maps, tolerance, blend)
    averages = np.zeros_like(blocks)
    for window in windows:
        sums = np.stack([_tent(plane, window) for plane in blocks])
        if _fill(sums, blocks, averages, to_fill, blend) == 0:
            break
    _finish(index, values, painted, known, covered, averages, blend)


def paint(
    buffer: ops.ZBuffer,
    values: Tensor,
    closings: Closings,
    tolerance: Tensor,
    blend: bool,
    windows: tuple[int, ...],
) -> tuple[Tensor, Tensor]:
    """Paint what :func:`pointclip.images.surface.paint` does, given its settings.

    Closings are, of the gaps to cover and of those that hide: how often the picture is halved, reach, corners' cut.
    """
    shape = buffer.index.shape
    painted = torch.empty(*shape[:2], values.shape[-1], *shape[2:], dtype=values.dtype)
    known = torch.empty(shape, dtype=torch.bool)
    arrays = [each.numpy() for each in (buffer.index, buffer.depth, values.contiguous(), painted, known)]
    for cloud, view in np.ndindex(*shape[:2]):
        behind = arrays[1].dtype.type(tolerance[cloud].item())
        _paint([each[cloud, view] for each in arrays], closings, behind, blend, windows)
    return painted, known

"""The visible surface painted by compiled loops on a CPU: :func:`pointclip.images.surface.paint` without gradients.

Sliding windows run in place and look ahead only, so that a result lies where its window begins.
"""

import numpy as np
import torch
from torch import Tensor

from pointclip import ops
from pointclip._base.compiled import kernel


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
def _window_max(image, reach, cut):
    _max_ahead(image, 1, 0, 2 * (reach - 2 * cut) + 1)
    _max_ahead(image, 0, 1, 2 * (reach - 2 * cut) + 1)
    _max_ahead(image, 1, 1, 2 * cut + 1)
    _max_ahead(image, 1, -1, 2 * cut + 1)


@kernel
def _close_gaps(nearness, reach, cut):
    """Dilate and erode by squares, their corners cut; the window of a dilation begins 2 cut columns into itself."""
    height, width = nearness.shape
    padded = np.full((height + 4 * reach, width + 4 * reach), -np.inf, nearness.dtype)
    padded[2 * reach : 2 * reach + height, 2 * reach : 2 * reach + width] = nearness
    _window_max(padded, reach, cut)
    wide = -padded[: height + 2 * reach, 2 * cut : width + 2 * reach + 2 * cut]
    _window_max(wide, reach, cut)
    return -wide[:height, 2 * cut : width + 2 * cut]


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
def _tent(blocks, reach):
    """Sum two windows of blocks after each other, of each plane of (D, h, w)."""
    rows, columns, rim = blocks.shape[1], blocks.shape[2], 2 * reach
    sums = np.empty_like(blocks)
    for at in range(len(blocks)):
        plane = np.zeros((rows + 2 * rim, columns + 2 * rim), blocks.dtype)
        plane[rim : rim + rows, rim : rim + columns] = blocks[at]
        for _ in range(2):
            plane = _sum_ahead(_sum_ahead(plane, 1, 0, 2 * reach + 1), 0, 1, 2 * reach + 1)
        sums[at] = plane[:rows, :columns]
    return sums


@kernel
def _fill(blocks, averages, to_fill, blend, reach):
    """Give blocks that are to be filled the average around them; return how many have no painted pixel there."""
    sums, left = _tent(blocks, reach), 0
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
def _see(index, nearness, values, known, covered, blocks, to_fill, closings, tolerance, blend):
    """Mark the covered pixels and those where a sample is seen, and sum what is seen in blocks of 2 x 2 pixels."""
    (closed, halving), (hiding, far_halving) = closings
    lowest = np.finfo(nearness.dtype).min
    for row in range(len(index)):
        covers, hides, half = closed[row >> halving], hiding[row >> far_halving], row >> 1
        for column in range(index.shape[1]):
            known[row, column] = False
            if covers[column >> halving] <= lowest:
                covered[row, column] = False
                continue
            covered[row, column], at = True, index[row, column]
            if at >= 0 and nearness[row, column] >= hides[column >> far_halving] - tolerance:
                known[row, column] = True
                to_fill[half, column >> 1] += blend
                blocks[-1, half, column >> 1] += 1
                for channel in range(len(blocks) - 1):
                    blocks[channel, half, column >> 1] += values[at, channel]
            else:
                to_fill[half, column >> 1] += 1


@kernel
def _paint(index, depth, values, painted, known, closings, tolerance, blend, windows):
    """Closings are, of the gaps to cover and of those that hide: halvings of the picture, reach, corner cut."""
    nearness, halved = _nearness(index, depth, np.finfo(depth.dtype).min)
    (halving, reach, cut), (far_halving, far_reach, far_cut) = closings
    closed = _close_gaps(nearness if halving == 0 else halved, reach, cut)
    hiding = _close_gaps(nearness if far_halving == 0 else halved, far_reach, far_cut)
    blocks = np.zeros((values.shape[1] + 1, *halved.shape), values.dtype)  # sums, and the number of pixels
    to_fill, covered = np.zeros(halved.shape, np.int64), np.empty(index.shape, np.bool_)
    both = ((closed, halving), (hiding, far_halving))
    _see(index, nearness, values, known, covered, blocks, to_fill, both, tolerance, blend)
    averages = np.zeros_like(blocks)
    for window in windows:
        if _fill(blocks, averages, to_fill, blend, window) == 0:
            break
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


def paint(
    buffer: ops.ZBuffer,
    values: Tensor,
    closings: tuple[tuple[int, int, int], ...],
    tolerance: Tensor,
    blend: bool,
    windows: tuple[int, ...],
) -> tuple[Tensor, Tensor]:
    """Paint what :func:`pointclip.images.surface.paint` does, given its settings in pixels and blocks."""
    shape = buffer.index.shape
    painted = torch.empty(*shape[:2], values.shape[-1], *shape[2:], dtype=values.dtype)
    known = torch.empty(shape, dtype=torch.bool)
    arrays = [each.numpy() for each in (buffer.index, buffer.depth, values.contiguous(), painted, known)]
    for cloud, view in np.ndindex(*shape[:2]):
        behind = arrays[1].dtype.type(tolerance[cloud].item())
        _paint(*(each[cloud, view] for each in arrays), closings, behind, blend, windows)
    return painted, known

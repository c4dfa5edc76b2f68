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
                there = image[row + start * down, start * across :]
                for at in range(len(there)):
                    total[row, at] += there[at]
            start += width
        for row in range(image.shape[0] - width * down):
            there = image[row + width * down, width * across :]
            for at in range(len(there)):
                image[row, at] += there[at]
        width *= 2
    return total


@kernel
def _averages(painted, known, reach):
    """Return the averages (D, h, w) of the known pixels around blocks of 2 x 2, and how many of them there are."""
    depth, height, width = painted.shape
    rows, columns, rim = (height + 1) // 2, (width + 1) // 2, 2 * reach
    sums = np.zeros((depth + 1, rows + 2 * rim, columns + 2 * rim), painted.dtype)
    for row in range(height):
        for column in range(width):
            if known[row, column]:
                sums[depth, rim + row // 2, rim + column // 2] += 1
                for channel in range(depth):
                    sums[channel, rim + row // 2, rim + column // 2] += painted[channel, row, column]
    for channel in range(depth + 1):
        plane = sums[channel]
        for _ in range(2):
            plane = _sum_ahead(_sum_ahead(plane, 1, 0, 2 * reach + 1), 0, 1, 2 * reach + 1)
        sums[channel] = plane
    for channel in range(depth):
        for row in range(rows):
            for column in range(columns):
                sums[channel, row, column] /= max(sums[depth, row, column], 1)
    return sums[:depth, :rows, :columns], sums[depth, :rows, :columns]


@kernel
def _fill(painted, known, to_fill, reach):
    averages, share = _averages(painted, known, reach)
    left = 0
    for row in range(known.shape[0]):
        for column in range(known.shape[1]):
            if to_fill[row, column]:
                if share[row // 2, column // 2] > 0.5:
                    known[row, column], to_fill[row, column] = True, False
                    painted[:, row, column] = averages[:, row // 2, column // 2]
                else:
                    left += 1
    return left


@kernel
def _halved(nearness, lowest):
    blocks = np.full(((nearness.shape[0] + 1) // 2, (nearness.shape[1] + 1) // 2), lowest, nearness.dtype)
    for row in range(nearness.shape[0]):
        for column in range(nearness.shape[1]):
            blocks[row // 2, column // 2] = max(blocks[row // 2, column // 2], nearness[row, column])
    return blocks


@kernel
def _paint(index, depth, values, painted, known, closings, tolerance, blend, windows):
    """Closings are, of the gaps to cover and of those that hide: pixels in a block (1 or 2), reach, corner cut."""
    lowest, to_fill = np.finfo(depth.dtype).min, np.empty(index.shape, np.bool_)
    nearness = np.where(index < 0, lowest, -depth)
    halved = _halved(nearness, lowest)
    (block, reach, cut), (far_block, far_reach, far_cut) = closings
    closed = _close_gaps(nearness if block == 1 else halved, reach, cut)
    hiding = _close_gaps(nearness if far_block == 1 else halved, far_reach, far_cut)
    painted[:] = 0
    for row in range(index.shape[0]):
        for column in range(index.shape[1]):
            front = hiding[row // far_block, column // far_block] - tolerance
            known[row, column] = index[row, column] >= 0 and nearness[row, column] >= front
            covered = closed[row // block, column // block] > lowest
            to_fill[row, column] = covered and (blend or not known[row, column])
            if known[row, column]:
                painted[:, row, column] = values[index[row, column]]
    for window in windows:
        if _fill(painted, known, to_fill, window) == 0:
            break


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

"""Sliding windows over pictures: maximum and sum, in a number of passes that grows with the logarithm of the window."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import pad


def window_max(image: Tensor, reach: int) -> Tensor:
    """Compute the maximum over the square of ``2 reach + 1`` pixels around each pixel (a grey-scale dilation).

    Args:
        image: (..., H, W) float.
        reach: Pixels to each side, 0 or more.

    Returns:
        (..., H, W); outside the picture counts as minus infinity.

    Example:
        >>> window_max(torch.tensor([[0.0, 0.0, 5.0, 0.0]]), 1).tolist()
        [[0.0, 5.0, 5.0, 5.0]]
    """
    return _both_axes(image, reach, -torch.inf, _row_max)


def corner_cut(reach: int) -> int:
    """Give how far the corners of a window are cut to make it an octagon of sides about equal.

    Example:
        >>> corner_cut(3), corner_cut(12)
        (1, 4)
    """
    return round(reach * (1 - math.sqrt(0.5)))


def octagon_max(image: Tensor, reach: int, cut: int) -> Tensor:
    """Compute the maximum over an octagon around each pixel: the square of :func:`window_max` without its corners.

    Args:
        image: (..., H, W) float.
        reach: Pixels to each side, 0 or more.
        cut: Twice this many pixels of each side of a corner are cut off; 0 leaves the square.

    Returns:
        (..., H, W); outside the picture counts as minus infinity.

    Example:
        >>> dot = torch.nn.functional.pad(torch.ones(1, 1), (4, 4, 4, 4))
        >>> octagon_max(dot, 3, 1).int()[4].tolist(), octagon_max(dot, 3, 1).int()[1].tolist()
        ([0, 1, 1, 1, 1, 1, 1, 1, 0], [0, 0, 0, 1, 1, 1, 0, 0, 0])
    """
    if cut == 0:
        return window_max(image, reach)
    image = window_max(pad(image, (cut,) * 4, value=-torch.inf), reach - 2 * cut)
    for _ in range(2):  # along one diagonal, then along the other
        image = _diagonal_max(pad(image, (cut,) * 4, value=-torch.inf), 2 * cut + 1).flip(-1)
    return image[..., cut : image.shape[-2] - cut, cut : image.shape[-1] - cut]


def window_sum(image: Tensor, reach: int) -> Tensor:
    """Compute the sum over the square of ``2 reach + 1`` pixels around each pixel.

    Args:
        image: (..., H, W) float.
        reach: Pixels to each side, 0 or more.

    Returns:
        (..., H, W); outside the picture counts as 0.

    Example:
        >>> window_sum(torch.tensor([[1.0, 0.0, 5.0, 0.0]]), 1).tolist()
        [[1.0, 6.0, 5.0, 5.0]]
    """
    return _both_axes(image, reach, 0.0, _row_sum)


def _both_axes(image: Tensor, reach: int, outside: float, along: Callable[[Tensor, int, int], Tensor]) -> Tensor:
    window = 2 * reach + 1
    rows = along(pad(image, (0, 0, reach, reach), value=outside), window, -2)
    return along(pad(rows, (reach, reach), value=outside), window, -1)


def _row_max(image: Tensor, window: int, dim: int) -> Tensor:
    width = 1
    while 2 * width <= window:
        length = image.shape[dim] - width
        image = torch.maximum(image.narrow(dim, 0, length), image.narrow(dim, width, length))
        width *= 2
    length = image.shape[dim] - (window - width)
    return torch.maximum(image.narrow(dim, 0, length), image.narrow(dim, window - width, length))


def _diagonal_max(image: Tensor, window: int) -> Tensor:
    width = 1
    while 2 * width <= window:
        image = torch.maximum(image[..., :-width, :-width], image[..., width:, width:])
        width *= 2
    rest = window - width
    if rest:
        image = torch.maximum(image[..., :-rest, :-rest], image[..., rest:, rest:])
    return image


def _row_sum(image: Tensor, window: int, dim: int) -> Tensor:
    """Add runs of 1, 2, 4, ... pixels: those in the binary digits of the window make up its sum."""
    length = image.shape[dim] - window + 1
    total, start, width = None, 0, 1
    while True:
        if window & width:
            part = image.narrow(dim, start, length)
            total = part if total is None else total + part
            start += width
        if 2 * width > window:
            return total if total is not None else image
        image = image.narrow(dim, 0, image.shape[dim] - width) + image.narrow(dim, width, image.shape[dim] - width)
        width *= 2

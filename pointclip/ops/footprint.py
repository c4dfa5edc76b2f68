"""Which pixels a point covers: the table of neighbours and the limits both backends share."""

import math

import numpy as np

MAX_RADIUS = 64.0
MIN_SIGMA = 0.25
SPLAT_SIGMAS = 3.0
RIM = float(np.float32(math.exp(-0.5 * SPLAT_SIGMAS**2)))


def single(number: float) -> float:
    """Round a parameter to float32, which is what a kernel receives, so that all backends use the same number.

    Example:
        >>> single(0.5), single(0.1) == 0.1
        (0.5, False)
    """
    return float(np.float32(number))


def squared_radius(radius: float) -> float:
    """Return the squared radius that squared distances are compared with.

    Example:
        >>> squared_radius(1.5)
        2.25
    """
    return single(radius * radius)


def sharpness(sigma: float) -> float:
    """Return what a squared distance is multiplied with before the exponential: -1 / (2 sigma^2).

    Example:
        >>> sharpness(1.0)
        -0.5
    """
    return single(-0.5 / sigma**2)


def reach(radius: float) -> int:
    """Return how many pixels a disc can extend beyond the pixel its centre lies in.

    Example:
        >>> reach(0), reach(0.4), reach(0.5), reach(1.5)
        (0, 0, 1, 2)
    """
    return math.floor(radius + 0.5) if radius > 0 else 0


def offsets(radius: float) -> list[tuple[int, int]]:
    """List the (row, column) steps to pixels that a disc can touch, from wherever in its own pixel it starts.

    Example:
        >>> offsets(0.5)
        [(-1, 0), (0, -1), (0, 0), (0, 1), (1, 0)]
        >>> len(offsets(1.5))
        13
    """
    limit = squared_radius(radius)
    steps = range(-reach(radius), reach(radius) + 1)
    near = {step: max(abs(step) - 0.5, 0.0) ** 2 for step in steps}
    return [(row, col) for row in steps for col in steps if near[row] + near[col] <= limit]

"""The three ops a user calls: arguments are checked here, and nowhere below."""

import math

import torch

from pointclip._base.checks import check_floating, check_shape
from pointclip.errors import InputError
from pointclip.ops import (
    autograd,  # noqa: F401  (registers the gradients)
    library,
)
from pointclip.ops.footprint import MAX_RADIUS, MIN_SIGMA, SPLAT_SIGMAS
from pointclip.ops.types import Splat, ZBuffer

_MAX_POINTS = 2**31 - 1


def zbuffer(uvz: torch.Tensor, size: tuple[int, int], radius: float = 0.0, *, backend: str = "auto") -> ZBuffer:
    """Find the nearest point of every pixel.

    The smallest z wins, compared as float32; at equal z the lowest index wins, whatever the order of threads. A point
    counts where u, v, z are finite, z > 0, 0 <= u < W and 0 <= v < H: outside the frame it covers no pixel at all,
    whatever its radius.

    Args:
        uvz: (B, V, N, 3) floating: u pixels right, v pixels down, z in front of the camera. Pixel (r, c) covers
            r <= v < r + 1 and c <= u < c + 1. Half precision is read as float32: its 8 or 11 bits do not tell the
            columns of an image apart.
        size: Rows H and columns W of the image.
        radius: Disc of a point, in pixels, 0 to 64. A point covers its own pixel and, above 0, every pixel whose
            centre lies within ``radius`` of (u, v).
        backend: ``"reference"``, ``"numba"``, ``"triton"``, or ``"auto"``: numba on a CPU, triton on CUDA, and the
            reference elsewhere or where those cannot run (the log says which and why).

    Returns:
        ``ZBuffer(index, depth)``: index (B, V, H, W) int64, -1 where no point fell; depth (B, V, H, W), the z of that
        point, 0 where index is -1; depth is float32, float64 for float64 points.

    Raises:
        InputError: A shape, dtype, size or radius does not fit.
        BackendUnavailable: The named backend cannot run on these points.

    Note:
        The gradient of depth goes to the z of the winning points; u and v get none (see ``splat``). The index is the
        same on every run, device and backend. Cost grows with N times the pixels of a disc.

    Example:
        >>> uvz = torch.tensor([[[[0.5, 0.5, 2.0], [0.9, 0.1, 1.0], [5.0, 0.5, 1.0]]]])
        >>> zbuf = zbuffer(uvz, size=(1, 3))
        >>> zbuf.index
        tensor([[[[ 1, -1, -1]]]])
        >>> zbuf.depth
        tensor([[[[1., 0., 0.]]]])
    """
    uvz = _points(uvz)
    height, width = _size(size)
    if not 0 <= radius <= MAX_RADIUS:
        raise InputError(f"radius must be between 0 and {MAX_RADIUS:g} pixels, got {radius}")
    depth, index = library.zbuffer(uvz, height, width, float(radius), backend)
    return ZBuffer(index, depth)


def splat(
    uvz: torch.Tensor,
    size: tuple[int, int],
    values: torch.Tensor | None = None,
    sigma: float = 1.0,
    tau: float = 0.05,
    *,
    backend: str = "auto",
) -> Splat:
    """Average depth and values softly over the points around each pixel.

    Point i weighs ``w = exp(-d^2 / (2 sigma^2)) * exp(-(z - z_front) / tau)`` in every pixel whose centre lies within
    3 sigma of it, at distance d; z_front is the smallest z there. Which points count is as in ``zbuffer``.

    Args:
        uvz: (B, V, N, 3) floating, as in ``zbuffer``.
        size: Rows H and columns W of the image.
        values: Per-point values to average, (B, N, D), or (B, V, N, D) where each view has its own; None for depth
            and coverage alone.
        sigma: Standard deviation of the footprint, in pixels, 0.25 to 21.
        tau: How soft the z-order is, in the unit of z: a point tau behind the front one counts e times less.
        backend: As in ``zbuffer``.

    Returns:
        ``Splat(depth, coverage, values)``: depth = sum(w z) / sum(w) and values = sum(w x) / sum(w) (B, V, H, W, D),
        0 where no footprint reaches; coverage = 1 - exp(-sum(h)) in [0, 1), h being the Gaussian lowered to reach 0 at
        3 sigma. float32, float64 for float64 points.

    Raises:
        InputError: A shape, dtype, size, sigma or tau does not fit.
        BackendUnavailable: The named backend cannot run on these points.

    Note:
        Gradients go to u, v, z and values. z_front cancels in the averages and takes no part in them; a point leaving
        a footprint or the frame is a jump the gradient does not see. ``coverage * depth + (1 - coverage) * far`` makes
        an image that is nearly smooth. Sums of floats: on a GPU the last digits change from run to run.

    Example:
        >>> uvz = torch.tensor([[[[1.5, 0.5, 2.0]]]])
        >>> soft = splat(uvz, size=(1, 3), values=torch.tensor([[[4.0]]]), sigma=0.5)
        >>> soft.depth, soft.values.flatten()
        (tensor([[[[2., 2., 2.]]]]), tensor([4., 4., 4.]))
        >>> soft.coverage
        tensor([[[[0.1181, 0.6321, 0.1181]]]])
    """
    uvz = _points(uvz)
    height, width = _size(size)
    if not MIN_SIGMA <= sigma <= MAX_RADIUS / SPLAT_SIGMAS:
        raise InputError(
            f"sigma must be between {MIN_SIGMA} and {MAX_RADIUS / SPLAT_SIGMAS:.4g} pixels, got {sigma}: a smaller"
            " footprint falls between pixel centres, which zbuffer does not"
        )
    if not 0 < tau < math.inf:
        raise InputError(f"tau must be a positive depth, got {tau}")
    per_point = uvz[..., :0] if values is None else _per_view("values", values, uvz, "N D")
    depth, coverage, averages, *_ = library.splat(uvz, per_point, height, width, float(sigma), float(tau), backend)
    return Splat(depth, coverage, None if values is None else averages)


def weighted_mean(
    uvz: torch.Tensor, weights: torch.Tensor, size: tuple[int, int], *, backend: str = "auto"
) -> torch.Tensor:
    """Average z over the points of each pixel with weights.

    With weights 1/z this is PointCLIP's own depth map, ``n / sum(1/z)``. Which points count is as in ``zbuffer``; a
    point whose weight is not finite does not count either.

    Args:
        uvz: (B, V, N, 3) floating, as in ``zbuffer``.
        weights: (B, N), or (B, V, N) where each view has its own.
        size: Rows H and columns W of the image.
        backend: As in ``zbuffer``.

    Returns:
        (B, V, H, W): sum(w z) / sum(w), 0 where no point fell or the weights add up to 0.

    Raises:
        InputError: A shape, dtype or size does not fit.
        BackendUnavailable: The named backend cannot run on these points.

    Note:
        Gradients go to z and the weights. Sums of floats: on a GPU the last digits change from run to run.

    Example:
        >>> uvz = torch.tensor([[[[0.5, 0.5, 1.0], [0.2, 0.2, 3.0], [1.5, 0.5, 7.0]]]])
        >>> weighted_mean(uvz, 1 / uvz[..., 2], size=(1, 3))
        tensor([[[[1.5000, 7.0000, 0.0000]]]])
    """
    uvz = _points(uvz)
    height, width = _size(size)
    per_view = _per_view("weights", weights, uvz, "N")
    return library.weighted_mean(uvz, per_view, height, width, backend)[0]


def _points(uvz: torch.Tensor) -> torch.Tensor:
    """Check points and read half precision as float32."""
    check_shape("uvz", uvz, "B V N 3")
    check_floating("uvz", uvz)
    if uvz.shape[2] > _MAX_POINTS:
        raise InputError(f"uvz holds {uvz.shape[2]} points per cloud and an index counts to {_MAX_POINTS}: split it")
    return uvz if uvz.dtype in (torch.float32, torch.float64) else uvz.float()


def _size(size: tuple[int, int]) -> tuple[int, int]:
    """Check an image size."""
    if not isinstance(size, (tuple, list)) or len(size) != 2 or not all(int(n) == n and n > 0 for n in size):
        raise InputError(f"size must be two positive whole numbers (rows, columns), got {size}")
    if size[0] * size[1] > _MAX_POINTS:
        raise InputError(f"size {size} has more than {_MAX_POINTS} pixels: take a smaller image")
    return int(size[0]), int(size[1])


def _per_view(name: str, given: torch.Tensor, uvz: torch.Tensor, axes: str) -> torch.Tensor:
    """Read per-point numbers as one view per (cloud, view) without copying them, in the dtype of the points."""
    per_view = given.ndim == 2 + len(axes.split())
    check_shape(name, given, f"B V {axes}" if per_view else f"B {axes}")
    check_floating(name, given)
    if given.device != uvz.device:
        raise InputError(f"{name} is on {given.device} and uvz on {uvz.device}: move one of them with .to(device)")
    wanted = uvz.shape[:3] if per_view else (uvz.shape[0], uvz.shape[2])
    if tuple(given.shape[: len(wanted)]) != tuple(wanted):
        raise InputError(f"{name} of shape {tuple(given.shape)} does not fit uvz of shape {tuple(uvz.shape)}")
    given = given.to(uvz.dtype)
    return given if per_view else given.unsqueeze(1).expand(-1, uvz.shape[1], *given.shape[1:])

"""Where a cloud stands: centre, scale, up axis, and random changes of them for training."""

from typing import overload

import torch

from pointclip._base.checks import check_floating, nearest
from pointclip.errors import InputError

# Rows say where x, y and z of the world come from; each is a rotation, so nothing is mirrored.
_TO_Y_UP = {
    "y": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "z": ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
    "x": ((0, -1, 0), (1, 0, 0), (0, 0, 1)),
    "-y": ((-1, 0, 0), (0, -1, 0), (0, 0, 1)),
    "-z": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "-x": ((0, 1, 0), (-1, 0, 0), (0, 0, 1)),
}


def _check_points(points: torch.Tensor) -> None:
    if not isinstance(points, torch.Tensor) or points.ndim < 2 or points.shape[-1] != 3 or not points.shape[-2]:
        got = tuple(points.shape) if isinstance(points, torch.Tensor) else type(points).__name__
        raise InputError(f"points must be a tensor of shape (N, 3) or (B, N, 3) with at least one point, got {got}")
    check_floating("points", points)


def normalize_unit_sphere(points: torch.Tensor) -> torch.Tensor:
    """Centre each cloud on its bounding box and scale its farthest point to distance 1.

    The middle of the bounding box hardly moves when the same surface is sampled again or more densely on one side; the
    mean of the points does.

    Args:
        points: (N, 3) or (B, N, 3) floating point, any unit.

    Returns:
        Same shape: (p - c) / max|p - c|, c the middle of the bounding box. A cloud of identical points becomes zeros.

    Raises:
        InputError: The shape or the dtype does not fit.

    Note:
        Differentiable; doing it twice changes nothing more. Rows with NaN or infinite values stay so and do not count.

    Example:
        >>> normalize_unit_sphere(torch.tensor([[0.0, 0, 0], [4, 0, 0], [2, 0, 0]])).tolist()
        [[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    _check_points(points)
    known = points.isfinite().all(-1, keepdim=True)
    high = torch.where(known, points, -torch.inf).amax(dim=-2, keepdim=True)
    low = torch.where(known, points, torch.inf).amin(dim=-2, keepdim=True)
    centred = points - (high + low) / 2
    tiny = torch.finfo(points.dtype).tiny
    counted = torch.where(known, centred, 0.0)
    extent = counted.detach().abs().amax(dim=(-2, -1), keepdim=True)  # cancels out; keeps squares from overflowing
    extent = extent.clamp_min(tiny)
    radius = torch.linalg.vector_norm(counted / extent, dim=-1).amax(dim=-1)[..., None, None]
    return centred / extent / radius.clamp_min(tiny)


def turn_up(vectors: torch.Tensor, up: str) -> torch.Tensor:
    """Rotate points or normals so that the axis named by ``up`` becomes +y.

    Args:
        vectors: (..., 3).
        up: "y" (nothing changes), "z" (x, y, z become x, z, -y), "x", or one of them with a minus sign.

    Returns:
        Same shape, rotated about the origin; never mirrored.

    Raises:
        InputError: ``up`` is none of the six.

    Example:
        >>> turn_up(torch.tensor([1.0, 2.0, 3.0]), "z").tolist()
        [1.0, 3.0, -2.0]
    """
    if up not in _TO_Y_UP:
        raise InputError(f"up={up!r} is no axis: {nearest(str(up), _TO_Y_UP)}")
    return vectors @ torch.tensor(_TO_Y_UP[up], dtype=vectors.dtype, device=vectors.device).T


@overload
def augment(
    points: torch.Tensor,
    generator: torch.Generator,
    *,
    yaw: float = ...,
    scale: tuple[float, float] = ...,
    jitter: float = ...,
    shift: float = ...,
    normals: None = ...,
) -> torch.Tensor: ...


@overload
def augment(
    points: torch.Tensor,
    generator: torch.Generator,
    *,
    yaw: float = ...,
    scale: tuple[float, float] = ...,
    jitter: float = ...,
    shift: float = ...,
    normals: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]: ...


def augment(
    points: torch.Tensor,
    generator: torch.Generator,
    *,
    yaw: float = 0.0,
    scale: tuple[float, float] = (2 / 3, 3 / 2),
    jitter: float = 0.0,
    shift: float = 0.2,
    normals: torch.Tensor | None = None,
) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
    """Turn, stretch, move and roughen each cloud at random, as PointCLIP's few-shot training does by default.

    Args:
        points: (N, 3) or (B, N, 3) floating point; each cloud draws its own change.
        generator: Source of all random numbers, on the device of the points or on the CPU.
        yaw: Largest turn about +y to either side, in radians; pi for any turn.
        scale: Range of the factor of each axis, drawn uniformly.
        jitter: Standard deviation of the noise on each coordinate, in world units, cut at three of them.
        shift: Largest move along each axis to either side, in world units.
        normals: Unit normals of the same shape, changed along with the points.

    Returns:
        New points, p' = s * R p + t + noise; with ``normals`` the pair (points, normals), normals n' ~ R n / s.

    Raises:
        InputError: The shape does not fit, or a range makes no sense.

    Note:
        Differentiable in the points; nothing is changed in place.

    Example:
        >>> cloud = torch.rand(4, 100, 3)
        >>> augment(cloud, torch.Generator().manual_seed(0), yaw=3.14).shape
        torch.Size([4, 100, 3])
    """
    _check_points(points)
    if not 0 < scale[0] <= scale[1] or min(yaw, jitter, shift) < 0:
        raise InputError(
            f"augment needs 0 < scale[0] <= scale[1] and no negative range, got {scale=}, {yaw=}, {jitter=}, {shift=}"
        )

    def uniform(low: float, high: float, *tail: int) -> torch.Tensor:
        drawn = torch.rand((*points.shape[:-2], *tail), generator=generator, device=generator.device)
        return (low + (high - low) * drawn).to(points)

    angle_rad, factor, offset = uniform(-yaw, yaw, 1, 1), uniform(*scale, 1, 3), uniform(-shift, shift, 1, 3)
    changed = _turn_about_y(points, angle_rad) * factor + offset
    if jitter > 0:
        noise = torch.randn(points.shape, generator=generator, device=generator.device).clamp(-3.0, 3.0)
        changed = changed + (jitter * noise).to(points)
    if normals is None:
        return changed
    return changed, torch.nn.functional.normalize(_turn_about_y(normals, angle_rad) / factor, dim=-1)


def _turn_about_y(vectors: torch.Tensor, angle_rad: torch.Tensor) -> torch.Tensor:
    cosine, sine = angle_rad.cos(), angle_rad.sin()
    x, y, z = vectors.split(1, dim=-1)
    return torch.cat([cosine * x + sine * z, y, cosine * z - sine * x], dim=-1)

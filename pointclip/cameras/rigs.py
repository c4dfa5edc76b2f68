"""The table of rigs: views that pointclip knows by name."""

import math
import re
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from pointclip._base.checks import nearest
from pointclip.cameras.camera import Views as Views
from pointclip.cameras.camera import euler_xyz as euler_xyz
from pointclip.cameras.camera import framing_focal as framing_focal
from pointclip.cameras.camera import look_at as look_at
from pointclip.cameras.files import read_views as read_views
from pointclip.cameras.files import write_views as write_views
from pointclip.errors import InputError


def _directions(yaw_deg: list[float], elevation_deg: list[float]) -> Tensor:
    yaw, elevation = torch.tensor(yaw_deg).deg2rad(), torch.tensor(elevation_deg).deg2rad()
    return torch.stack([yaw.sin() * elevation.cos(), elevation.sin(), yaw.cos() * elevation.cos()], dim=-1)


def _pinhole(rotations: Tensor, names: list[str], distance: float, focal: float, rig: str) -> Views:
    num_views = rotations.shape[0]
    translations = torch.tensor([0.0, 0.0, distance]).repeat(num_views, 1)
    return Views(rotations, translations, torch.full((num_views,), focal), True, tuple(names), rig)


RING_ELEVATION_DEG = 25.0
RING_START_DEG = 30.0
ORBIT_DISTANCE = 2.5


def ring(num_views: int) -> Views:
    """Make ``ring-K``: K evenly spaced yaws at 25 degrees of elevation, the first at 30 degrees from the front (+z)."""
    yaw_deg = [RING_START_DEG + 360.0 * k / num_views for k in range(num_views)]
    names = [f"yaw {yaw % 360:.0f}, up {RING_ELEVATION_DEG:.0f}" for yaw in yaw_deg]
    rotations = look_at(_directions(yaw_deg, [RING_ELEVATION_DEG] * num_views))
    return _pinhole(rotations, names, ORBIT_DISTANCE, framing_focal(ORBIT_DISTANCE), f"ring-{num_views}")


def orbit(num_views: int) -> Views:
    """Make ``orbit-K``: K directions spread evenly over the whole sphere (a Fibonacci lattice)."""
    k = torch.arange(num_views, dtype=torch.float64) + 0.5
    height = 1 - 2 * k / num_views
    yaw = math.pi * (3 - math.sqrt(5)) * k
    radius = (1 - height**2).clamp_min(0).sqrt()
    directions = torch.stack([radius * yaw.sin(), height, radius * yaw.cos()], dim=-1).float()
    names = [
        f"yaw {math.degrees(y) % 360:.0f}, up {math.degrees(math.asin(h)):.0f}"
        for y, h in zip(yaw.tolist(), height.tolist(), strict=True)
    ]
    return _pinhole(look_at(directions), names, ORBIT_DISTANCE, framing_focal(ORBIT_DISTANCE), f"orbit-{num_views}")


# PointCLIP (Zhang et al., CVPR 2022): Euler angles (a, b, c) in degrees of R = Rx(a) Ry(b) Rz(c).
_SIDES_DEG = ((0, 0, 90), (90, 0, 90), (180, 0, 90), (270, 0, 90))
_ENDS_DEG = ((0, -90, 90), (0, 90, 90))
_CORNERS_DEG = ((225, -45, 90), (225, 45, 90), (315, -45, 90), (315, 45, 90))
POINTCLIP_6_DEG = _SIDES_DEG + _ENDS_DEG
POINTCLIP_10_DEG = _SIDES_DEG + _CORNERS_DEG + _ENDS_DEG

# The paper's image has x' downwards and y' to the right with z' away: a mirror image. Negating y' undoes it.
PAPER_TO_CAM = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])

# PointCLIP V2 (Zhu et al., ICCV 2023) turns by the same R, then by Ry of an elevation. Its z' points to the viewer:
# the same rows and columns are no mirror image there.
REALISTIC_10_DEG = tuple((yaw, 0, 90) for yaw in (45, 135, 225, 315, 0, 90, 180, 270)) + _ENDS_DEG
REALISTIC_10_UP_DEG = (20.0,) * 8 + (12.0,) * 2
V2_TO_CAM = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])


def _pointclip(angles_deg: tuple[tuple[float, float, float], ...], distance: float, rig: str) -> Views:
    rotations = torch.stack([PAPER_TO_CAM @ euler_xyz(angles) for angles in angles_deg])
    return _pinhole(rotations, [_seen_from(rotation) for rotation in rotations], distance, 1.0, rig)


def _realistic_10() -> Views:
    rotations = torch.stack(
        [
            V2_TO_CAM @ euler_xyz((0, up, 0)) @ euler_xyz(angles)
            for angles, up in zip(REALISTIC_10_DEG, REALISTIC_10_UP_DEG, strict=True)
        ]
    )
    translations = torch.tensor([0.0, 0.0, ORBIT_DISTANCE]).repeat(10, 1)
    names = tuple(_seen_from(rotation) for rotation in rotations)
    return Views(rotations, translations, torch.full((10,), 0.8), False, names, "realistic-10")


def _seen_from(rotation: Tensor) -> str:
    """Name a view by the side it shows, such as ``"from +z"``, or by the yaw and the elevation of its camera."""
    direction = -rotation[2]
    for axis, along in zip("xyz", direction.tolist(), strict=True):
        if abs(along) > 0.999:
            return f"from {'+' if along > 0 else '-'}{axis}"
    x, y, z = direction.tolist()
    return f"yaw {round(math.degrees(math.atan2(x, z))) % 360}, up {round(math.degrees(math.asin(y)))}"


_FIXED: dict[str, Callable[[], Views]] = {
    "pointclip-6": lambda: _pointclip(POINTCLIP_6_DEG, 1.6, "pointclip-6"),
    "pointclip-10": lambda: _pointclip(POINTCLIP_10_DEG, 1.4, "pointclip-10"),
    "realistic-10": _realistic_10,
}
_COUNTED: dict[str, Callable[[int], Views]] = {"ring": ring, "orbit": orbit}
MAX_VIEWS = 256


def rig_names() -> list[str]:
    """List the rigs that :func:`views` knows, K standing for a number of views.

    Example:
        >>> rig_names()
        ['pointclip-6', 'pointclip-10', 'realistic-10', 'ring-K', 'orbit-K']
    """
    return [*_FIXED, *(f"{family}-K" for family in _COUNTED)]


def views(name: str | Path | Views, *, distance: float | None = None, fov_deg: float | None = None) -> Views:
    """Look up a rig of views by name, or read one from a file.

    Args:
        name: ``"pointclip-6"`` (the six axis views of PointCLIP's zero-shot code, unmirrored), ``"pointclip-10"`` (its
            ten few-shot views), ``"realistic-10"`` (the ten of PointCLIP V2), ``"ring-K"`` (K yaws at 25 degrees of
            elevation), ``"orbit-K"`` (K directions over the sphere); a ``.json`` file, see :func:`read_views`; or views
            already made.
        distance: From every camera to the origin, see :meth:`Views.placed`; None leaves it to the rig.
        fov_deg: Field of view in degrees; None leaves it to the rig.

    Returns:
        The views.

    Raises:
        InputError: No rig has that name, K is not between 1 and 256, or the file is missing or wrong.

    Note:
        The styles fit each shape to the frame, so distance and field of view change the perspective, not the size.

    Example:
        >>> views("orbit-12").num_views
        12
    """
    return _found(name).placed(distance, fov_deg)


def _found(name: str | Path | Views) -> Views:
    if isinstance(name, Views):
        return name
    if str(name).lower().endswith(".json"):
        return read_views(name)
    if name in _FIXED:
        return _FIXED[str(name)]()
    family, _, count = str(name).rpartition("-")
    if family in _COUNTED and re.fullmatch(r"\d{1,4}", count):
        if not 1 <= int(count) <= MAX_VIEWS:
            raise InputError(f"rig {name!r}: the number of views must be between 1 and {MAX_VIEWS}")
        return _COUNTED[family](int(count))
    raise InputError(
        f"no rig is named {name!r}: {nearest(str(name), rig_names())} (K is a number, as in ring-6), or a .json file"
    )

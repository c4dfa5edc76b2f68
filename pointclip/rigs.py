"""Views (where the cameras stand) and the table of rigs that pointclip knows by name."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pointclip._checks import check_shape, nearest
from pointclip.errors import InputError


@dataclass(frozen=True, eq=False)
class Views:
    """Hold V cameras that look at an object at the origin.

    A point in the world becomes ``points_cam = rotations @ points_world + translations``; the camera's x axis points
    to the right of the picture, y down, z away from the camera (right-handed, so no picture is mirrored).

    Args:
        rotations: (V, 3, 3) float32, world_to_cam rotation matrices.
        translations: (V, 3) float32, world units; ``(0, 0, d)`` puts the camera at distance d from the origin.
        focal: (V,) float32, focal length in half image sides. Perspective: a point at 45 degrees from the axis falls
            ``focal`` half sides from the centre. Orthographic: half sides per world unit.
        perspective: True for a pinhole camera, False for a parallel projection.
        names: V names, such as ``"yaw 60, up 25"``.
        rig: The name of the rig, for messages and result files.

    Raises:
        InputError: A shape does not fit, or a rotation is none (a mirror, a scaling).

    Example:
        >>> rig = views("ring-6")
        >>> rig.num_views, tuple(rig.rotations.shape)
        (6, (6, 3, 3))
    """

    rotations: Tensor
    translations: Tensor
    focal: Tensor
    perspective: bool
    names: tuple[str, ...]
    rig: str = "custom"

    def __post_init__(self) -> None:
        check_shape("rotations", self.rotations, "V 3 3")
        num_views = self.rotations.shape[0]
        check_shape("translations", self.translations, f"{num_views} 3")
        check_shape("focal", self.focal, f"{num_views}")
        if num_views == 0 or len(self.names) != num_views:
            raise InputError(
                f"views need one name each and at least one view, got {num_views} and {len(self.names)} names"
            )
        with torch.no_grad():
            gram = self.rotations @ self.rotations.mT - torch.eye(
                3, dtype=self.rotations.dtype, device=self.rotations.device
            )
            if not (gram.abs().max() < 1e-3 and (torch.linalg.det(self.rotations) > 0).all()):
                raise InputError("rotations must be proper rotation matrices: orthonormal, determinant +1, no mirror")

    @property
    def num_views(self) -> int:
        """Number of views V."""
        return self.rotations.shape[0]

    def to(self, device: torch.device | str) -> "Views":
        """Give the same views with tensors on a device."""
        return replace(
            self,
            rotations=self.rotations.to(device),
            translations=self.translations.to(device),
            focal=self.focal.to(device),
        )

    def rotated(self, rotation: Tensor) -> "Views":
        """Turn all cameras about the origin by a world rotation (3, 3): they then see a turned object as before."""
        check_shape("rotation", rotation, "3 3")
        return replace(self, rotations=self.rotations @ rotation.mT.to(self.rotations), rig=f"{self.rig} rotated")


def look_at(directions: Tensor, roll_up: tuple[float, float, float] = (0.0, 1.0, 0.0)) -> Tensor:
    """Compute world_to_cam rotations of cameras that look from directions at the origin, with +y up in the picture.

    Args:
        directions: (V, 3) float, from the object to the camera, any length above 0.
        roll_up: The world direction that is up in the picture. Seen from straight above or below, it is -z.

    Returns:
        (V, 3, 3) rotations whose rows are the camera's right, down and forward axes.

    Example:
        >>> look_at(torch.tensor([[0.0, 0.0, 1.0]]))[0].int().tolist()
        [[1, 0, 0], [0, -1, 0], [0, 0, -1]]
    """
    check_shape("directions", directions, "V 3")
    forward = -torch.nn.functional.normalize(directions, dim=-1)
    up = torch.tensor(roll_up, dtype=directions.dtype, device=directions.device).expand_as(forward)
    fallback = torch.tensor([0.0, 0.0, -1.0], dtype=directions.dtype, device=directions.device).expand_as(forward)
    parallel = torch.linalg.cross(forward, up).norm(dim=-1, keepdim=True) < 1e-4
    right = torch.nn.functional.normalize(torch.linalg.cross(forward, torch.where(parallel, fallback, up)), dim=-1)
    return torch.stack([right, torch.linalg.cross(forward, right), forward], dim=-2)


def _directions(yaw_deg: list[float], elevation_deg: list[float]) -> Tensor:
    yaw, elevation = torch.tensor(yaw_deg).deg2rad(), torch.tensor(elevation_deg).deg2rad()
    return torch.stack([yaw.sin() * elevation.cos(), elevation.sin(), yaw.cos() * elevation.cos()], dim=-1)


def _pinhole(rotations: Tensor, names: list[str], distance: float, focal: float, rig: str) -> Views:
    num_views = rotations.shape[0]
    translations = torch.tensor([0.0, 0.0, distance]).repeat(num_views, 1)
    return Views(rotations, translations, torch.full((num_views,), focal), True, tuple(names), rig)


def _framing_focal(distance: float) -> float:
    """Focal length with which the unit sphere, seen from a distance, just touches the picture's sides."""
    return math.sqrt(distance**2 - 1)


RING_ELEVATION_DEG = 25.0
RING_START_DEG = 30.0
ORBIT_DISTANCE = 2.5


def ring(num_views: int) -> Views:
    """Make ``ring-K``: K evenly spaced yaws at 25 degrees of elevation, the first at 30 degrees from the front (+z)."""
    yaw_deg = [RING_START_DEG + 360.0 * k / num_views for k in range(num_views)]
    names = [f"yaw {yaw % 360:.0f}, up {RING_ELEVATION_DEG:.0f}" for yaw in yaw_deg]
    rotations = look_at(_directions(yaw_deg, [RING_ELEVATION_DEG] * num_views))
    return _pinhole(rotations, names, ORBIT_DISTANCE, _framing_focal(ORBIT_DISTANCE), f"ring-{num_views}")


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
    return _pinhole(look_at(directions), names, ORBIT_DISTANCE, _framing_focal(ORBIT_DISTANCE), f"orbit-{num_views}")


# PointCLIP (Zhang et al., CVPR 2022): Euler angles (a, b, c) in degrees of R = Rx(a) Ry(b) Rz(c).
POINTCLIP_6_DEG = ((0, 0, 90), (90, 0, 90), (180, 0, 90), (270, 0, 90), (0, -90, 90), (0, 90, 90))
POINTCLIP_6_NAMES = ("from -z", "from -x", "from +z", "from +x", "from +y", "from -y")


def euler_xyz(angles_deg: tuple[float, float, float]) -> Tensor:
    """Compute ``Rx(a) Ry(b) Rz(c)``, the rotation of the paper's code, as a (3, 3) float32 matrix.

    Example:
        >>> (euler_xyz((0, 0, 90)) @ torch.tensor([1.0, 0.0, 0.0])).round().tolist()
        [0.0, 1.0, 0.0]
    """
    a, b, c = (math.radians(angle) for angle in angles_deg)
    rx = torch.tensor([[1, 0, 0], [0, math.cos(a), -math.sin(a)], [0, math.sin(a), math.cos(a)]], dtype=torch.float64)
    ry = torch.tensor([[math.cos(b), 0, math.sin(b)], [0, 1, 0], [-math.sin(b), 0, math.cos(b)]], dtype=torch.float64)
    rz = torch.tensor([[math.cos(c), -math.sin(c), 0], [math.sin(c), math.cos(c), 0], [0, 0, 1]], dtype=torch.float64)
    return (rx @ ry @ rz).float()


# The paper's image has x' downwards and y' to the right with z' away: a mirror image. Negating y' undoes it.
PAPER_TO_CAM = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


def _pointclip(angles_deg: tuple, names: tuple[str, ...], distance: float, rig: str) -> Views:
    rotations = torch.stack([PAPER_TO_CAM @ euler_xyz(angles) for angles in angles_deg])
    return _pinhole(rotations, list(names), distance, 1.0, rig)


_FIXED: dict[str, Callable[[], Views]] = {
    "pointclip-6": lambda: _pointclip(POINTCLIP_6_DEG, POINTCLIP_6_NAMES, 1.6, "pointclip-6"),
}
_COUNTED: dict[str, Callable[[int], Views]] = {"ring": ring, "orbit": orbit}
MAX_VIEWS = 256


def rig_names() -> list[str]:
    """List the rigs that :func:`views` knows, K standing for a number of views.

    Example:
        >>> "ring-K" in rig_names()
        True
    """
    return [*_FIXED, *(f"{family}-K" for family in _COUNTED)]


def views(name: str | Views) -> Views:
    """Look up a rig of views by name.

    Args:
        name: ``"pointclip-6"`` (the six axis views of PointCLIP, unmirrored), ``"ring-K"`` (K yaws at 25 degrees of
            elevation), ``"orbit-K"`` (K directions over the sphere); or views already made, given back as they are.

    Returns:
        The views.

    Raises:
        InputError: No rig has that name, or K is not between 1 and 256.

    Example:
        >>> views("orbit-12").num_views
        12
    """
    if isinstance(name, Views):
        return name
    if name in _FIXED:
        return _FIXED[name]()
    family, _, count = str(name).rpartition("-")
    if family in _COUNTED and re.fullmatch(r"\d{1,4}", count):
        if not 1 <= int(count) <= MAX_VIEWS:
            raise InputError(f"rig {name!r}: the number of views must be between 1 and {MAX_VIEWS}")
        return _COUNTED[family](int(count))
    raise InputError(f"no rig is named {name!r}: {nearest(str(name), rig_names())} (K is a number, as in ring-6)")

"""Views: where the cameras stand, how they are turned, and their lens."""

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from pointclip._base.checks import check_shape
from pointclip.cameras import interop as _other_cameras
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
        principal: (V, 2) float32, where the camera's axis meets the picture, right and down of its middle in half
            image sides; None is the middle.

    Raises:
        InputError: A shape does not fit, or a rotation is none (a mirror, a scaling).

    Example:
        >>> from pointclip.cameras.rigs import views
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
    principal: Tensor | None = None

    def __post_init__(self) -> None:
        check_shape("rotations", self.rotations, "V 3 3")
        num_views = self.rotations.shape[0]
        check_shape("translations", self.translations, f"{num_views} 3")
        check_shape("focal", self.focal, f"{num_views}")
        if self.principal is not None:
            check_shape("principal", self.principal, f"{num_views} 2")
        if num_views == 0 or len(self.names) != num_views:
            raise InputError(
                f"views need one name each and at least one view, got {num_views} and {len(self.names)} names"
            )
        if not bool((self.focal.detach() > 0).all()):
            raise InputError(f"focal must be above 0 in every view, got {self.focal.tolist()}")
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
            principal=None if self.principal is None else self.principal.to(device),
        )

    def rotated(self, rotation: Tensor) -> "Views":
        """Turn all cameras about the origin by a world rotation (3, 3): they then see a turned object as before."""
        check_shape("rotation", rotation, "3 3")
        return replace(self, rotations=self.rotations @ rotation.mT.to(self.rotations), rig=f"{self.rig} rotated")

    def placed(self, distance: float | None = None, fov_deg: float | None = None) -> "Views":
        """Move all cameras to a distance from the origin, with a lens of a field of view.

        Args:
            distance: World units, above 0; None with a field of view is where the unit sphere touches the frame.
            fov_deg: Angle that the picture's short side spans, between 0 and 180 degrees, perspective only; None with
                a distance above 1 is the angle at which the unit sphere touches the frame.

        Returns:
            The views; these ones where both are None.

        Raises:
            InputError: A number is out of range.

        Example:
            >>> from pointclip.cameras.rigs import views
            >>> near = views("ring-6").placed(fov_deg=60)
            >>> round(near.translations[0, 2].item(), 3), round(near.focal[0].item(), 3)
            (2.0, 1.732)
        """
        if distance is None and fov_deg is None:
            return self
        focal = None if fov_deg is None else lens(fov_deg)
        if fov_deg is not None and not self.perspective:
            raise InputError("a parallel projection has no field of view: give a distance alone")
        if distance is None:
            distance = 1 / math.sin(math.radians(float(fov_deg or 90)) / 2)
        if not 0 < distance < math.inf:
            raise InputError(f"distance must be above 0, got {distance}")
        if focal is None and self.perspective:
            focal = framing_focal(distance)
        translations = torch.zeros_like(self.translations)
        translations[:, 2] = distance
        return replace(
            self, translations=translations, focal=self.focal if focal is None else torch.full_like(self.focal, focal)
        )

    @classmethod
    def from_open3d(cls, cameras: Any) -> "Views":
        """Take over one or several Open3D ``PinholeCameraParameters``, or a ``PinholeCameraTrajectory``.

        Raises:
            InputError: It is none of them, or its pixels are not square.
        """
        return cls(**_other_cameras.from_open3d(cameras))

    @classmethod
    def from_pytorch3d(cls, cameras: Any) -> "Views":
        """Take over a PyTorch3D batch of FoV, perspective or orthographic cameras.

        Raises:
            InputError: It is no such camera, or its pixels are not square.
        """
        return cls(**_other_cameras.from_pytorch3d(cameras))


def lens(fov_deg: float) -> float:
    """Compute the focal length, in half image sides, of a field of view.

    Raises:
        InputError: The angle is not between 0 and 180 degrees.

    Example:
        >>> round(lens(90.0), 6)
        1.0
    """
    if not 0 < fov_deg < 180:
        raise InputError(f"fov_deg must be between 0 and 180 degrees, got {fov_deg}")
    return 1 / math.tan(math.radians(fov_deg) / 2)


def framing_focal(distance: float) -> float:
    """Compute the focal length with which the unit sphere, seen from a distance, just touches the picture's sides.

    Raises:
        InputError: The camera would stand inside the sphere.

    Example:
        >>> round(framing_focal(2.0), 3)
        1.732
    """
    if not distance > 1:
        raise InputError(f"a camera at distance {distance} stands inside the unit sphere: give a field of view as well")
    return math.sqrt(distance**2 - 1)


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

"""How a shape is looked at: as it is, with another axis up, or as an augmented copy."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from pointclip._base.seeds import draw
from pointclip.errors import InputError
from pointclip.points import MeshCloud, PointCloud, augment

if TYPE_CHECKING:
    from pointclip.model import PointCLIP


@dataclass(frozen=True)
class Augmentation:
    """How the augmented copies of a training cloud differ from it.

    The model centres and scales every cloud to its frame, so a move and an even scaling of the points would be undone:
    they are done to the picture instead, which shrinks and moves within its frame, all views alike.

    Args:
        copies: Augmented copies beside the clean one; 0 for none.
        yaw_rad: Largest turn about +y to either side, in radians.
        stretch: Range of the factor of each axis.
        jitter: Standard deviation of the noise on each coordinate, in world units.
        zoom: Smallest size of the picture within its frame, in (0, 1]; it moves as far as the room that is left.

    Raises:
        InputError: A number is out of range.

    Example:
        >>> Augmentation(copies=2).copies
        2
    """

    copies: int = 4
    yaw_rad: float = math.pi / 12
    stretch: tuple[float, float] = (0.85, 1.2)
    jitter: float = 0.003
    zoom: float = 0.85

    def __post_init__(self) -> None:
        if self.copies < 0 or not 0 < self.zoom <= 1:
            raise InputError(f"augmentation needs copies >= 0 and zoom in (0, 1], got {self.copies} and {self.zoom}")
        if min(self.yaw_rad, self.jitter) < 0 or not 0 < self.stretch[0] <= self.stretch[1]:
            raise InputError(
                "augmentation needs yaw_rad and jitter of at least 0 and 0 < stretch[0] <= stretch[1], "
                f"got {self.yaw_rad}, {self.jitter} and {self.stretch}"
            )


@dataclass(frozen=True)
class Look:
    """One look at a shape.

    Attributes:
        up: The axis taken as up.
        augmentation: How an augmented copy differs; None is the shape as it is.
        seed: Of the augmentation.
        copy: Which copy.
    """

    up: str = "y"
    augmentation: Augmentation | None = None
    seed: int = 0
    copy: int = 0

    def name(self, fingerprint: str) -> bytes:
        """Name the look at the shape of a fingerprint, in 16 bytes.

        Example:
            >>> Look().name("1f") == Look("z").name("1f"), len(Look().name("1f"))
            (False, 16)
        """
        changes: Any = None
        if self.augmentation is not None:
            changes = [{**asdict(self.augmentation), "copies": None}, self.seed, self.copy]
        return hashlib.blake2b(json.dumps([fingerprint, self.up, changes]).encode(), digest_size=16).digest()

    def draw(self, model: "PointCLIP", cloud: PointCloud, fingerprint: str) -> tuple[Tensor, bool]:
        """Draw a shape.

        Returns:
            (V,3,S,S), and whether the tower's mean and standard deviation are to be applied.

        Raises:
            InputError: The style needs what the shape lacks.
        """
        cloud, generator = cloud.turned(self.up), draw(self.seed, f"augment/{fingerprint}", self.copy)
        if self.augmentation is not None:
            cloud = _changed(cloud, self.augmentation, generator)
        pictures = model.render(cloud)[0]
        if self.augmentation is not None:
            pictures = shrink_and_move(pictures, self.augmentation.zoom, generator)
        return pictures, model.style_for(cloud).clip_normalized


def _changed(cloud: PointCloud, augmentation: Augmentation, generator: torch.Generator) -> PointCloud:
    """Turn and stretch a shape, and roughen a cloud: noise on the vertices of a mesh would tear it along its seams."""
    changes: dict[str, Any] = {"yaw": augmentation.yaw_rad, "scale": augmentation.stretch, "shift": 0.0}
    if isinstance(cloud, MeshCloud):
        vertices = augment(torch.from_numpy(cloud.mesh.vertices), generator, **changes)
        return cloud.with_mesh(replace(cloud.mesh, vertices=vertices.numpy()))
    changes["jitter"] = augmentation.jitter
    if cloud.normals is None:
        return replace(cloud, points=augment(cloud.points, generator, **changes))
    points, normals = augment(cloud.points, generator, normals=cloud.normals, **changes)
    return replace(cloud, points=points, normals=normals)


def shrink_and_move(pictures: Tensor, zoom: float, generator: torch.Generator) -> Tensor:
    """Shrink pictures by one random factor and move them by one random step, so that they stay within the frame.

    Args:
        pictures: (V,3,S,S) float.
        zoom: Smallest factor, in (0, 1].
        generator: Source of the three random numbers, on the CPU.

    Returns:
        (V,3,S,S); the room around is filled with the colour of the picture's edge.

    Example:
        >>> page = torch.ones(1, 3, 8, 8)
        >>> torch.allclose(shrink_and_move(page, 0.5, torch.Generator().manual_seed(0)), page)
        True
    """
    drawn = torch.rand(3, generator=generator)
    factor = zoom + (1.0 - zoom) * float(drawn[0])
    right, down = ((2.0 * drawn[1:] - 1.0) * (1.0 - factor)).tolist()
    inverse = torch.tensor([[1.0, 0.0, -right], [0.0, 1.0, -down]]) / factor
    grid = affine_grid(inverse.expand(len(pictures), 2, 3), list(pictures.shape), align_corners=False)
    return grid_sample(pictures.float(), grid.to(pictures.device), padding_mode="border", align_corners=False)

"""What a style draws from, and the two tables of drawing functions that each style enters."""

from dataclasses import dataclass
from functools import singledispatch

import torch
from torch import Tensor

from pointclip.cameras import Views
from pointclip.images.styles import Style


@dataclass(frozen=True, eq=False)
class Scene:
    """Clouds, what is known of their points, and the cameras.

    Attributes:
        points: (B, N, 3) float, world units.
        normals: (B, N, 3) float, or None.
        colors: (B, N, 3) float in [0, 1], or None.
        views: V cameras.
        size: S, side of the finished picture in pixels.
        frame_points: (B, M, 3) float, what fills the frame; None is the points themselves.
    """

    points: Tensor
    normals: Tensor | None
    colors: Tensor | None
    views: Views
    size: int
    frame_points: Tensor | None

    def in_camera(self, vectors: Tensor) -> Tensor:
        """Turn world vectors (B, N, 3) into every camera's axes, (B, V, N, 3)."""
        return torch.einsum("vij,bnj->bvni", self.views.rotations.to(vectors), vectors)


@dataclass(frozen=True, eq=False)
class FramedScene(Scene):
    """A scene that is already projected.

    Attributes:
        uvz: (B, V, N, 3) float, pixels of the enlarged picture and world units.
        frame: (H, W) of the enlarged picture.
    """

    uvz: Tensor
    frame: tuple[int, int]


@singledispatch
def picture(style: Style, scene: Scene) -> Tensor:
    """Make finished pictures (B, V, 1 or 3, S, S). A style that is not framed registers its own."""
    raise TypeError(f"no picture is registered for the style {type(style).__name__}")


@singledispatch
def draw(style: Style, scene: FramedScene) -> Tensor:
    """Draw a framed style, enlarged: (B, V, H, W, 1) grey or (B, V, H, W, 3) in [0, 1]. Each registers its own."""
    raise TypeError(f"no drawing is registered for the style {type(style).__name__}")

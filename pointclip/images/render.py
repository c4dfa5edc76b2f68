"""Points and views to pictures in [0, 1]: one small function for each style."""

from dataclasses import dataclass
from functools import singledispatch

import torch
from einops import rearrange
from torch import Tensor
from torch.nn.functional import avg_pool2d, normalize

from pointclip._checks import check_shape
from pointclip.errors import InputError
from pointclip.images.styles import Color, Depth, Shaded, Style
from pointclip.images.surface import front_surface
from pointclip.projection import fit_to_frame, project
from pointclip.rigs import Views


@dataclass(frozen=True, eq=False)
class Scene:
    """What a drawing function sees: clouds, what is known of their points, and where they fall in the picture."""

    points: Tensor
    normals: Tensor | None
    colors: Tensor | None
    views: Views
    uvz: Tensor
    size: tuple[int, int]

    def in_camera(self, vectors: Tensor) -> Tensor:
        """Turn world vectors (B, N, 3) into every camera's axes, (B, V, N, 3)."""
        return torch.einsum("vij,bnj->bvni", self.views.rotations.to(vectors), vectors)


def render(
    points: Tensor,
    views: Views,
    style: Style,
    size: int = 224,
    normals: Tensor | None = None,
    colors: Tensor | None = None,
) -> Tensor:
    """Draw every cloud in every view.

    Args:
        points: (B, N, 3) float, world units.
        views: V cameras.
        style: One of the table, from :func:`pointclip.images.style`.
        size: S, side of the picture in pixels.
        normals: (B, N, 3) float unit normals, used by ``shaded`` and ``color``.
        colors: (B, N, 3) float in [0, 1], used by ``color``.

    Returns:
        (B, V, 3, S, S) float in [0, 1].

    Raises:
        InputError: A shape or dtype does not fit, or the style needs colours and there are none.

    Example:
        >>> from pointclip.images.styles import style
        >>> from pointclip.rigs import views
        >>> render(torch.rand(1, 500, 3), views("ring-2"), style("depth"), size=64).shape
        torch.Size([1, 2, 3, 64, 64])
    """
    check_shape("points", points, "B N 3")
    for name, tensor in (("normals", normals), ("colors", colors)):
        if tensor is not None:
            check_shape(name, tensor, f"{points.shape[0]} {points.shape[1]} 3")
    large = (size * style.supersample,) * 2
    uvz = fit_to_frame(project(points, views, large), large, style.margin)
    picture = draw(style, Scene(points, normals, colors, views, uvz, large))
    small = avg_pool2d(rearrange(picture, "b v h w c -> (b v) c h w"), style.supersample)
    return rearrange(small, "(b v) c h w -> b v c h w", b=points.shape[0]).expand(-1, -1, 3, -1, -1)


@singledispatch
def draw(style: Style, scene: Scene) -> Tensor:
    """Draw one style: (B, V, H, W, 1) grey or (B, V, H, W, 3) in [0, 1]. Each style registers its own."""
    raise TypeError(f"no drawing is registered for the style {type(style).__name__}")


@draw.register
def _depth(style: Depth, scene: Scene) -> Tensor:
    z, covered = front_surface(scene.uvz, scene.size, scene.uvz[..., 2:], style.dot_px, style.closing)
    covered = covered[..., None]
    low = torch.where(covered, z, torch.inf).amin(dim=(1, 2, 3), keepdim=True)
    high = torch.where(covered, z, -torch.inf).amax(dim=(1, 2, 3), keepdim=True)
    tone = style.near + (style.far - style.near) * (z - low) / (high - low).clamp_min(1e-6)
    return torch.where(covered, tone, style.background)


@draw.register
def _shaded(style: Shaded, scene: Scene) -> Tensor:
    if scene.normals is None:
        light, covered = _light_of_depth_map(style, scene)
    else:
        lit = lambert(scene.in_camera(scene.normals), style.light)[..., None]
        light, covered = front_surface(scene.uvz, scene.size, lit, style.dot_px, style.closing)
    return torch.where(covered[..., None], style.ambient + (1 - style.ambient) * light, style.background)


@draw.register
def _color(style: Color, scene: Scene) -> Tensor:
    if scene.colors is None:
        raise InputError("style 'color' needs colours and this shape has none: use style='auto' or 'shaded'")
    paint = scene.colors[:, None].expand(-1, scene.uvz.shape[1], -1, -1)
    if scene.normals is not None:
        light = lambert(scene.in_camera(scene.normals), style.light)[..., None]
        paint = paint * (style.ambient + (1 - style.ambient) * light)
    seen, covered = front_surface(scene.uvz, scene.size, paint, style.dot_px, style.closing)
    return torch.where(covered[..., None], seen, style.background)


def lambert(normals_cam: Tensor, light: tuple[float, float, float]) -> Tensor:
    """Compute ``max(0, n . light)`` with every normal turned to the camera's side first.

    Args:
        normals_cam: (..., 3) unit normals in camera axes.
        light: Direction to the lamp in camera axes.

    Returns:
        (...) in [0, 1].

    Example:
        >>> lambert(torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]), (0.0, 0.0, -1.0)).tolist()
        [1.0, 0.0]
    """
    facing = torch.where(normals_cam[..., 2:] > 0, -normals_cam, normals_cam)
    direction = normalize(facing.new_tensor(light), dim=0)
    return (facing * direction).sum(-1).clamp(0, 1)


def _light_of_depth_map(style: Shaded, scene: Scene) -> tuple[Tensor, Tensor]:
    """Normals from the slope of the painted surface itself, for clouds without any."""
    position, covered = front_surface(scene.uvz, scene.size, scene.in_camera(scene.points), style.dot_px, style.closing)
    across, down = _slope(position, covered, dim=3), _slope(position, covered, dim=2)
    normals_cam = normalize(torch.linalg.cross(across, down), dim=-1)
    return lambert(normals_cam, style.light)[..., None], covered


def _slope(position: Tensor, covered: Tensor, dim: int, step: int = 3) -> Tensor:
    """Central difference of positions along a picture axis, one-sided at the silhouette."""
    ahead, behind = torch.roll(position, -step, dim), torch.roll(position, step, dim)
    has_ahead, has_behind = torch.roll(covered, -step, dim), torch.roll(covered, step, dim)
    ahead = torch.where(has_ahead[..., None], ahead, position)
    behind = torch.where(has_behind[..., None], behind, position)
    return ahead - behind

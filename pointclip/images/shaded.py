"""Lit surfaces: the styles ``shaded`` and ``color``, and where their normals come from."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from pointclip import ops
from pointclip.errors import InputError
from pointclip.images.scene import FramedScene, draw
from pointclip.images.styles import Color, Shaded
from pointclip.images.surface import front_surface
from pointclip.images.textures import atlas
from pointclip.images.triangles import Layer, averaged_down, finished, tone
from pointclip.points import estimate_normals

_COLORLESS = "style 'color' needs colours and this shape has none: use style='auto' or 'shaded'"


@draw.register
def _shaded(style: Shaded, scene: FramedScene) -> Tensor:
    normals = _normals(style, scene)
    if normals is None:
        light, covered = _light_of_depth_map(style, scene)
    else:
        lit = lambert(scene.in_camera(normals), style.light)[..., None]
        light, covered = front_surface(scene.uvz, scene.frame, lit, style.dot_px, style.closing)
    tone = ((1 - style.ambient) * light).add_(style.ambient)
    return torch.where(covered[..., None], tone, style.background)


@draw.register
def _color(style: Color, scene: FramedScene) -> Tensor:
    if scene.colors is None:
        raise InputError(_COLORLESS)
    paint = scene.colors[:, None].expand(-1, scene.uvz.shape[1], -1, -1)
    normals = None if style.normals_from == "depth" else _normals(style, scene)
    if normals is not None:
        light = lambert(scene.in_camera(normals), style.light)[..., None]
        paint = paint * (style.ambient + (1 - style.ambient) * light)
    seen, covered = front_surface(scene.uvz, scene.frame, paint, style.dot_px, style.closing)
    return torch.where(covered[..., None], seen, style.background)


@tone.register
def _lit_triangles(style: Shaded, layer: Layer) -> Tensor:
    colored = isinstance(style, Color)
    if colored and layer.scene.mesh.corner_colors is None:
        raise InputError(_COLORLESS)
    return layer.lit(style.light, style.ambient, colored)


@finished.register
def _finished_triangles(style: Shaded, layer: Layer) -> Tensor:
    face, _, weights = layer.triangles
    if weights.requires_grad or ops.why_not("numba", weights) is not None:
        return averaged_down(torch.where(layer.covered, tone(style, layer), style.background), style.supersample)
    from pointclip.images.triangles_compiled import paint

    mesh, colors, textures = layer.scene.mesh, None, None
    if isinstance(style, Color):
        if mesh.corner_colors is None:
            raise InputError(_COLORLESS)
        colors = np.ascontiguousarray(mesh.corner_colors, dtype=np.float32)
        if mesh.face_texture is not None and mesh.corner_uv is not None:
            textures = (mesh.face_texture, np.ascontiguousarray(mesh.corner_uv), *atlas(mesh))
    light = layer.scene.light(style.light).numpy()
    maps = face[0].numpy(), weights[0].numpy()
    painted = paint(*maps, light, style.ambient, colors, textures, style.background, style.supersample)
    return torch.from_numpy(painted)[None]


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
    lit = (normals_cam * normalize(normals_cam.new_tensor(light), dim=0)).sum(-1)
    return torch.where(normals_cam[..., 2] > 0, -lit, lit).clamp(0, 1)


def _normals(style: Shaded, scene: FramedScene) -> Tensor | None:
    """Normals (B, N, 3) as the style wants them; None leaves them to the depth map."""
    if style.normals_from == "fit":
        return estimate_normals(scene.points, style.neighbours) if scene.points.shape[1] >= 3 else None
    if style.normals_from == "given" and scene.normals is None:
        raise InputError(
            "normals_from='given' needs normals and this shape has none: use normals_from='auto', 'fit' or 'depth'"
        )
    return None if style.normals_from == "depth" else scene.normals


def _light_of_depth_map(style: Shaded, scene: FramedScene) -> tuple[Tensor, Tensor]:
    """Light the slope of the painted surface itself, for clouds without normals."""
    at = scene.in_camera(scene.points)
    position, covered = front_surface(scene.uvz, scene.frame, at, style.dot_px, style.closing)
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

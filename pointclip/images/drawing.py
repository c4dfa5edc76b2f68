"""Points and views to pictures, in any style."""

from torch import Tensor

from pointclip._base.checks import check_shape
from pointclip.cameras import Views, fit_to_frame, project
from pointclip.errors import InputError
from pointclip.images.scene import FramedScene, Scene, draw, picture
from pointclip.images.styles import Framed, Style
from pointclip.images.triangles import averaged_down


def render(
    points: Tensor,
    views: Views,
    style: Style,
    size: int = 224,
    normals: Tensor | None = None,
    colors: Tensor | None = None,
    frame_points: Tensor | None = None,
) -> Tensor:
    """Draw every cloud in every view.

    Args:
        points: (B, N, 3) float, world units.
        views: V cameras.
        style: One of the table, from :func:`pointclip.images.style`.
        size: S, side of the picture in pixels.
        normals: (B, N, 3) float unit normals, used by ``shaded``, ``color`` and ``soft``.
        colors: (B, N, 3) float in [0, 1], used by ``color``.
        frame_points: (B, M, 3) float, what the picture is fitted to in place of the points, in the framed styles.

    Returns:
        (B, V, 3, S, S) float in [0, 1]; depths in world units in the style ``pointclip``.

    Raises:
        InputError: A shape or dtype does not fit, or the style needs colours or normals and there are none.

    Note:
        ``soft`` is differentiable in the points, the normals and the cameras; the others in normals and colours, and
        in the depths of what is seen.

    Example:
        >>> import torch
        >>> from pointclip.images.styles import style
        >>> from pointclip.cameras.rigs import views
        >>> render(torch.rand(1, 500, 3), views("ring-2"), style("depth"), size=64).shape
        torch.Size([1, 2, 3, 64, 64])
    """
    check_shape("points", points, "B N 3")
    if points.shape[1] == 0:
        raise InputError("points must hold at least one point per cloud, got none")
    for name, tensor in (("normals", normals), ("colors", colors)):
        if tensor is not None:
            check_shape(name, tensor, f"{points.shape[0]} {points.shape[1]} 3")
    return picture(style, Scene(points, normals, colors, views, size, frame_points)).expand(-1, -1, 3, -1, -1)


def viewable(pictures: Tensor) -> Tensor:
    """Make pictures fit to be looked at: those that hold depths are divided by each shape's largest.

    Args:
        pictures: (V, 3, S, S) float, one shape's, from :func:`render`.

    Returns:
        Same shape, in [0, 1].

    Example:
        >>> import torch
        >>> viewable(torch.tensor([0.0, 1.0, 2.0])).tolist()
        [0.0, 0.5, 1.0]
    """
    return (pictures / pictures.amax().clamp_min(1.0)).clamp(0, 1)


@picture.register
def _framed(style: Framed, scene: Scene) -> Tensor:
    frame = (scene.size * style.supersample,) * 2
    uvz = project(scene.points, scene.views, frame)
    if style.fit:
        whole = None if scene.frame_points is None else project(scene.frame_points, scene.views, frame)
        uvz = fit_to_frame(uvz, frame, style.margin, whole)
    large = draw(style, FramedScene(**vars(scene), uvz=uvz, frame=frame))
    return averaged_down(large, style.supersample)

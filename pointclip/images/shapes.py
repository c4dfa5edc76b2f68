"""Shapes to pictures: strays left out, placed in the unit sphere, a mesh by its triangles, a cloud by its points."""

import torch
from torch import Tensor

from pointclip._base.checks import check_floating, check_shape, nearest
from pointclip.cameras import Views
from pointclip.errors import InputError
from pointclip.images.drawing import render
from pointclip.images.styles import STYLES, Framed, Style
from pointclip.images.triangles import render_mesh
from pointclip.points import MeshCloud, PointCloud, normalize_unit_sphere, without_outliers

SURFACES = ("auto", "triangles", "points")


def check_surface(surface: str) -> str:
    """Return what ``surface=`` takes, or refuse it.

    Raises:
        InputError: It is none of ``"auto"``, ``"triangles"`` and ``"points"``.
    """
    if surface not in SURFACES:
        raise InputError(f"surface={surface!r} is unknown: {nearest(str(surface), SURFACES)}")
    return surface


def fitting_style(shape: PointCloud | Tensor | None, surface: str = "auto") -> Style:
    """Choose what ``style="auto"`` stands for.

    Args:
        shape: A shape, or the normals of bare points, or None for points without normals.
        surface: What meshes are drawn from, see :func:`render_shape`.

    Returns:
        ``color`` for a mesh with colours that is drawn by its triangles; ``shaded`` for other meshes and for points
        with normals; else ``depth``.

    Example:
        >>> fitting_style(PointCloud(torch.rand(9, 3))) == STYLES["depth"]
        True
    """
    if isinstance(shape, MeshCloud) and surface != "points":
        return STYLES["shaded" if shape.mesh.corner_colors is None else "color"]
    normals = shape.normals if isinstance(shape, PointCloud) else shape
    return STYLES["depth" if normals is None else "shaded"]


def render_shape(
    shape: PointCloud, style: Style, views: Views, size: int, surface: str = "auto", drop_outliers: bool = True
) -> Tensor:
    """Draw a shape in every view.

    Args:
        shape: The shape, any unit: it is centred and scaled to the unit sphere first, unless the style says otherwise.
        style: One of the table.
        views: V cameras, on the device that is to draw.
        size: S, side of the picture in pixels.
        surface: ``"auto"`` draws a mesh by its triangles in the styles that can (``shaded``, ``color``, ``depth`` and
            ``contour``), by samples in the others; ``"triangles"`` refuses the others; ``"points"`` draws samples.
        drop_outliers: Leave out the few points or faces that lie far outside of all others.

    Returns:
        (1, V, 3, S, S) float32 in [0, 1]; the style ``pointclip`` holds depths.

    Raises:
        InputError: The style needs colours or normals and there are none, or draws no triangles as asked.
    """
    if isinstance(shape, MeshCloud) and surface != "points":
        if isinstance(style, Framed) and style.surfaces:
            shape = shape.without_outliers() if drop_outliers and style.unit_sphere else shape
            shape = shape.normalized() if style.unit_sphere else shape
            return render_mesh(shape.mesh, views, style, size)
        if surface == "triangles":
            raise InputError(f"{type(style).__name__} pictures are made of points: leave surface='triangles' out")
    points, normals, colors = shape.batched()
    return render_points(points, style, views, size, normals, colors, drop_outliers)


def render_points(
    points: Tensor,
    style: Style,
    views: Views,
    size: int,
    normals: Tensor | None = None,
    colors: Tensor | None = None,
    drop_outliers: bool = True,
) -> Tensor:
    """Draw bare points in every view, as :func:`render_shape` does.

    Args:
        points: (B, N, 3) float, brought to float32 and to the device of the views, as normals and colors are.
        style: One of the table.
        views: V cameras.
        size: S, side of the picture in pixels.
        normals: (B, N, 3) float unit normals, or None.
        colors: (B, N, 3) float in [0, 1], or None.
        drop_outliers: Leave out the few points that lie far outside of all others.

    Returns:
        (B, V, 3, S, S) float32.

    Raises:
        InputError: A shape or dtype does not fit, or a cloud has no finite point.
    """
    check_shape("points", points, "B N 3")
    check_floating("points", points)
    if 0 in points.shape:
        raise InputError(f"points must hold at least one cloud of at least one point, got {tuple(points.shape)}")
    if not points.isfinite().all(-1).any(-1).all():
        raise InputError("points must hold at least one finite point in every cloud, and one has none")
    device = views.rotations.device
    points = points.to(device, torch.float32)
    normals, colors = (None if one is None else one.to(device, torch.float32) for one in (normals, colors))
    if not style.unit_sphere:
        return render(points, views, style, size, normals, colors)
    kept = without_outliers(points, normals, colors) if drop_outliers else [(points, normals, colors)]
    drawn = [render(normalize_unit_sphere(rows), views, style, size, *known) for rows, *known in kept]
    return drawn[0] if len(drawn) == 1 else torch.cat(drawn)

"""The Open3D window: the cloud, the axes, and every camera with its picture on its image plane."""

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pointclip._base.files import refusals, whole
from pointclip._base.optional import require
from pointclip.cameras import Views
from pointclip.errors import BackendUnavailable
from pointclip.points import PointCloud
from pointclip.viz.panels import Panel

PLANE_DEPTH = 0.7
_SIZE = (1200, 900)
_CORNERS = ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0))
_NO_WINDOW = (
    "Open3D cannot open a window here: there is no display or no OpenGL. Use --html FILE or --snapshot FILE instead, a "
    "virtual display (xvfb-run -a pointclip show ...), or a machine with a screen"
)


def scene(cloud: PointCloud, views: Views, panel: Panel) -> list[Any]:
    """Build Open3D geometries: the cloud on the unit sphere, its axes (x red, y green, z blue), frusta and pictures.

    Args:
        cloud: The shape.
        views: V cameras.
        panel: Pictures of the V views.

    Returns:
        Legacy Open3D geometries. A picture shows on the side where its camera stands, and not from behind.

    Raises:
        MissingDependency: Open3D is not installed.
    """
    o3d = require("open3d", extra="viz")
    shape = cloud.samples.normalized()
    if shape.colors is None:
        lit = torch.full((len(shape), 3), 0.45)
        if shape.normals is not None:
            lit = 0.2 + 0.6 * (shape.normals @ torch.tensor([0.3, 0.8, 0.52])).abs()[:, None].expand(-1, 3)
        shape = replace(shape, colors=lit)
    parts = [shape.to_open3d(), o3d.geometry.TriangleMesh.create_coordinate_frame(size=0.5)]
    for number, pixels in enumerate(panel.pixels()):
        eye, corners = frustum(views, number)
        parts += [_frustum_lines(o3d, eye, corners), _picture_plane(o3d, corners, pixels)]
    return parts


def frustum(views: Views, number: int) -> tuple[Tensor, Tensor]:
    """Place a camera and its image plane in the world.

    Args:
        views: V cameras.
        number: Which of them.

    Returns:
        The eye (4, 3), from which each corner's line starts (one point for a perspective camera), and the corners
        (4, 3) of its picture: top left, top right, bottom right, bottom left.

    Example:
        >>> from pointclip.cameras.rigs import views
        >>> eye, corners = frustum(views("pointclip-6"), 2)  # from +z
        >>> corners[0].sign().int().tolist(), round(eye[0, 2].item(), 3)
        ([-1, 1, 1], 1.6)
    """
    rotation, translation = views.rotations[number].cpu().double(), views.translations[number].cpu().double()
    focal = views.focal[number].item()
    centre = torch.zeros(2, dtype=torch.float64)
    if views.principal is not None:
        centre = views.principal[number].cpu().double()
    plane = (torch.tensor(_CORNERS, dtype=torch.float64) - centre) / focal
    if views.perspective:
        ends = torch.cat([plane * PLANE_DEPTH, torch.full((4, 1), PLANE_DEPTH, dtype=torch.float64)], dim=1)
        starts = torch.zeros_like(ends)
    else:
        ends = torch.cat([plane, torch.full((4, 1), PLANE_DEPTH, dtype=torch.float64)], dim=1)
        starts = torch.cat([plane, torch.zeros(4, 1, dtype=torch.float64)], dim=1)
    return (starts - translation) @ rotation, (ends - translation) @ rotation


def open_window(cloud: PointCloud, views: Views, panel: Panel) -> None:
    """Open a window with the scene and wait until it is closed.

    Raises:
        MissingDependency: Open3D is not installed.
        BackendUnavailable: There is no display or no OpenGL.
    """
    parts = scene(cloud, views, panel)
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise BackendUnavailable(_NO_WINDOW)  # Open3D would draw where nobody sees it, and wait for ever
    window = _window(parts, cloud.name, visible=True)
    try:
        window.run()
    finally:
        window.destroy_window()


def write_snapshot(path: str | Path, cloud: PointCloud, views: Views, panel: Panel) -> None:
    """Draw the scene off screen into a PNG file.

    Raises:
        MissingDependency: Open3D is not installed.
        BackendUnavailable: There is no display or no OpenGL.
        InputError: The file cannot be written.
    """
    from PIL import Image

    window = _window(scene(cloud, views, panel), cloud.name, visible=False)
    try:
        pixels = (np.asarray(window.capture_screen_float_buffer(do_render=True)) * 255).round().astype(np.uint8)
    finally:
        window.destroy_window()
    with whole(path) as draft, refusals(Path(path)):
        Image.fromarray(pixels).save(draft, format="PNG")


def _window(parts: Sequence[Any], title: str, visible: bool) -> Any:
    o3d = require("open3d", extra="viz")
    with o3d.utility.VerbosityContextManager(o3d.utility.VerbosityLevel.Error):
        window = o3d.visualization.Visualizer()
        if not window.create_window(title or "pointclip", *_SIZE, visible=visible):
            raise BackendUnavailable(_NO_WINDOW)
        for part in parts:
            window.add_geometry(part)
    options, control = window.get_render_option(), window.get_view_control()
    options.point_size, options.light_on, options.mesh_show_back_face = 2.0, False, False
    control.set_lookat([0.0, 0.0, 0.0])
    control.set_up([0.0, 1.0, 0.0])
    control.set_front([0.0, 0.62, 0.78])
    control.set_zoom(0.5)
    window.poll_events()
    window.update_renderer()
    return window


def _frustum_lines(o3d: Any, eye: Tensor, corners: Tensor) -> Any:
    lines = o3d.geometry.LineSet()
    lines.points = o3d.utility.Vector3dVector(torch.cat([eye, corners]).numpy())
    lines.lines = o3d.utility.Vector2iVector(
        [(k, 4 + k) for k in range(4)] + [(4 + k, 4 + (k + 1) % 4) for k in range(4)]
    )
    lines.paint_uniform_color((0.35, 0.35, 0.35))
    return lines


def _picture_plane(o3d: Any, corners: Tensor, pixels: np.ndarray) -> Any:
    """Hang a picture between its corners, facing its camera: seen from there, the corners go around clockwise."""
    plane = o3d.geometry.TriangleMesh()
    plane.vertices = o3d.utility.Vector3dVector(corners.numpy())
    plane.triangles = o3d.utility.Vector3iVector([(0, 2, 1), (0, 3, 2)])
    at = [(0, 0), (1, 0), (1, 1), (0, 1)]
    plane.triangle_uvs = o3d.utility.Vector2dVector([at[k] for k in (0, 2, 1, 0, 3, 2)])
    plane.triangle_material_ids = o3d.utility.IntVector([0, 0])
    plane.textures = [o3d.geometry.Image(np.ascontiguousarray(pixels))]
    plane.compute_vertex_normals()
    return plane

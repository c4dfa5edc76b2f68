"""Buffers to pictures: the table of styles and the drawing of each."""

from pointclip.images import (
    depth,  # noqa: F401  (each enters its drawing functions into the table)
    published,  # noqa: F401
    shaded,  # noqa: F401
)
from pointclip.images.drawing import render, viewable
from pointclip.images.shapes import SURFACES, check_surface, fitting_style, render_points, render_shape
from pointclip.images.styles import (
    AUTO,
    STYLES,
    Color,
    Contour,
    Depth,
    Framed,
    PaperDepth,
    Realistic,
    Shaded,
    Soft,
    Style,
    style,
    style_names,
)
from pointclip.images.triangles import render_mesh

__all__ = [
    "AUTO",
    "STYLES",
    "SURFACES",
    "Color",
    "Contour",
    "Depth",
    "Framed",
    "PaperDepth",
    "Realistic",
    "Shaded",
    "Soft",
    "Style",
    "check_surface",
    "fitting_style",
    "render",
    "render_mesh",
    "render_points",
    "render_shape",
    "style",
    "style_names",
    "viewable",
]

"""Buffers to pictures: the table of styles and the drawing of each."""

from pointclip.images import (
    depth,  # noqa: F401  (each enters its drawing functions into the table)
    published,  # noqa: F401
    shaded,  # noqa: F401
)
from pointclip.images.drawing import render, viewable
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

__all__ = [
    "AUTO",
    "STYLES",
    "Color",
    "Contour",
    "Depth",
    "Framed",
    "PaperDepth",
    "Realistic",
    "Shaded",
    "Soft",
    "Style",
    "render",
    "style",
    "style_names",
    "viewable",
]

"""Buffers to pictures: the table of styles and the drawing of each."""

from pointclip.images import (
    lighting,  # noqa: F401  (each enters its drawing functions into the table)
    published,  # noqa: F401
    tones,  # noqa: F401
)
from pointclip.images.render import render, viewable
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

"""Buffers to pictures: the table of styles and the drawing of each."""

from pointclip.images.render import render
from pointclip.images.styles import AUTO, STYLES, Color, Depth, Shaded, Style, style, style_names

__all__ = ["AUTO", "STYLES", "Color", "Depth", "Shaded", "Style", "render", "style", "style_names"]

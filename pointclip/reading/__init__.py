"""Shapes read ahead of their use."""

from pointclip.reading.clouds import read_clouds
from pointclip.reading.items import Reading, read_items

__all__ = [
    "Reading",
    "read_clouds",
    "read_items",
]

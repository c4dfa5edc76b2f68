"""The frozen towers."""

from pointclip.clip.frozen import FrozenClip, pick_device
from pointclip.clip.precision import Precision, supported
from pointclip.clip.still import StillModule
from pointclip.clip.towers import VisionTower

__all__ = [
    "FrozenClip",
    "Precision",
    "StillModule",
    "VisionTower",
    "pick_device",
    "supported",
]

"""The frozen towers."""

from pointclip.clip.alike import label_notes
from pointclip.clip.device import pick_device
from pointclip.clip.frozen import FrozenClip
from pointclip.clip.precision import Precision, supported
from pointclip.clip.still import StillModule
from pointclip.clip.towers import VisionTower

__all__ = [
    "FrozenClip",
    "Precision",
    "StillModule",
    "VisionTower",
    "label_notes",
    "pick_device",
    "supported",
]

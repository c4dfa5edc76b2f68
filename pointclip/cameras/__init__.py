"""Cameras: rigs, files of cameras, and the projection of points into pictures."""

from pointclip.cameras.camera import look_at
from pointclip.cameras.files import read_views, write_views
from pointclip.cameras.projection import fit_to_frame, project
from pointclip.cameras.rigs import PAPER_TO_CAM, V2_TO_CAM, Views, orbit, rig_names, ring, views

__all__ = [
    "PAPER_TO_CAM",
    "V2_TO_CAM",
    "Views",
    "fit_to_frame",
    "look_at",
    "orbit",
    "project",
    "read_views",
    "rig_names",
    "ring",
    "views",
    "write_views",
]

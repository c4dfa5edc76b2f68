"""Point clouds: load, sample, thin, normalise, turn upright, augment, estimate normals."""

from pointclip.points.cloud import PointCloud
from pointclip.points.farthest import farthest_point_subset
from pointclip.points.frames import augment, normalize_unit_sphere, turn_up
from pointclip.points.loading import as_cloud, load
from pointclip.points.mesh_cloud import MeshCloud
from pointclip.points.normals import estimate_normals
from pointclip.points.outliers import far_faces, far_outliers, without_outliers
from pointclip.points.poses import POSES, UP_AXES, check_pose, ups_of
from pointclip.points.sampling import sample_surface

__all__ = [
    "POSES",
    "UP_AXES",
    "MeshCloud",
    "PointCloud",
    "as_cloud",
    "augment",
    "check_pose",
    "estimate_normals",
    "far_faces",
    "far_outliers",
    "farthest_point_subset",
    "load",
    "normalize_unit_sphere",
    "sample_surface",
    "turn_up",
    "ups_of",
    "without_outliers",
]

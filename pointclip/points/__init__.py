"""Point clouds: load, sample, thin, normalise, turn upright, augment, estimate normals."""

from pointclip.points._cloud import PointCloud
from pointclip.points._farthest import farthest_point_subset
from pointclip.points._frames import augment, normalize_unit_sphere, turn_up
from pointclip.points._load import load
from pointclip.points._normals import estimate_normals
from pointclip.points._outliers import far_outliers
from pointclip.points._sampling import sample_surface

__all__ = [
    "PointCloud",
    "augment",
    "estimate_normals",
    "far_outliers",
    "farthest_point_subset",
    "load",
    "normalize_unit_sphere",
    "sample_surface",
    "turn_up",
]

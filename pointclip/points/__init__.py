"""Point clouds: loading, sampling, normalising, augmenting."""

from pointclip.points._cloud import PointCloud, load
from pointclip.points._frames import normalize_unit_sphere
from pointclip.points._sampling import sample_surface

__all__ = ["PointCloud", "load", "normalize_unit_sphere", "sample_surface"]

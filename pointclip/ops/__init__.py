"""Scatter points into images: nearest point, soft splat, weighted mean; draw triangles: nearest one, what it carries.

One meaning on every device: pure torch defines each op (the backend ``reference``), and the kernels compiled by Numba
for a CPU and by Triton for CUDA have to agree with it. The ops are registered with torch as ``pointclip::zbuffer``,
``pointclip::splat`` and ``pointclip::weighted_mean``: they compile, differentiate and batch like torch's own.
"""

from pointclip.ops.backends import BACKENDS, why_not
from pointclip.ops.functions import splat, weighted_mean, zbuffer
from pointclip.ops.gather_values import gather
from pointclip.ops.surfaces import interpolate, rasterize
from pointclip.ops.types import Splat, Triangles, ZBuffer

__all__ = [
    "BACKENDS",
    "Splat",
    "Triangles",
    "ZBuffer",
    "gather",
    "interpolate",
    "rasterize",
    "splat",
    "weighted_mean",
    "why_not",
    "zbuffer",
]

"""The point cloud and how a file becomes one."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from pointclip._checks import check_shape
from pointclip.errors import InputError
from pointclip.meshes import Mesh, load_geometry
from pointclip.points._frames import normalize_unit_sphere
from pointclip.points._sampling import sample_surface


@dataclass(frozen=True)
class PointCloud:
    """Points of one shape, with normals and colours where they are known.

    Args:
        points: (N, 3) float32 on the CPU.
        normals: (N, 3) float32 of unit length, or None.
        colors: (N, 3) float32 in [0, 1], or None.
        name: What to call the shape in tables and messages.
    """

    points: torch.Tensor
    normals: torch.Tensor | None = None
    colors: torch.Tensor | None = None
    name: str = ""

    def __post_init__(self) -> None:
        check_shape("points", self.points, "N 3")
        if not torch.isfinite(self.points).all():
            raise InputError("points must be finite")

    def __len__(self) -> int:
        return len(self.points)


def load(
    path: str | Path, num_points: int | None = 20_000, up: str = "y", seed: int = 0, normalize: bool = True
) -> PointCloud:
    """Read a mesh or point cloud file as a PointCloud (y up, unit sphere)."""
    geometry = load_geometry(path)
    if isinstance(geometry, Mesh):
        geometry = sample_surface(geometry, num_points or 20_000, seed)
    points = torch.from_numpy(geometry.points)
    normals = None if geometry.normals is None else torch.from_numpy(geometry.normals)
    if up == "z":
        points = torch.stack([points[:, 0], points[:, 2], -points[:, 1]], dim=1)
        normals = None if normals is None else torch.stack([normals[:, 0], normals[:, 2], -normals[:, 1]], dim=1)
    if normalize:
        points = normalize_unit_sphere(points)
    colors = None if geometry.colors is None else torch.from_numpy(np.ascontiguousarray(geometry.colors))
    return PointCloud(points.float(), None if normals is None else normals.float(), colors, Path(path).stem)

"""The point cloud, and arrays or other libraries' objects that become one."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from pointclip._base.checks import check_floating, check_shape
from pointclip.errors import InputError
from pointclip.meshes import Mesh, RawPoints
from pointclip.points import interop as _interop
from pointclip.points.farthest import farthest_point_subset
from pointclip.points.frames import normalize_unit_sphere, turn_up
from pointclip.points.outliers import far_outliers

DEFAULT_NUM_POINTS = 20_000


@dataclass(frozen=True, eq=False, repr=False)
class PointCloud:
    """Points of one shape, with normals and colours where they are known.

    Tensors of another floating dtype or device are brought to float32 on the CPU.

    Args:
        points: (N, 3) float32, finite, N at least 1. World frame: +y up.
        normals: (N, 3) float32 of unit length, or None.
        colors: (N, 3) float32 in [0, 1], or None.
        name: What to call the shape in tables and messages.
        notes: What was left out of the file or assumed about it, each a few words; () when nothing was.

    Raises:
        InputError: A shape, dtype or range does not fit.

    Example:
        >>> PointCloud(torch.rand(100, 3), name="dust")
        PointCloud(100 points, name='dust')
    """

    points: torch.Tensor
    normals: torch.Tensor | None = None
    colors: torch.Tensor | None = None
    name: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("points", "normals", "colors"):
            tensor = getattr(self, name)
            if tensor is None and name != "points":
                continue
            check_shape(name, tensor, "N 3" if name == "points" else f"{len(self.points)} 3")
            check_floating(name, tensor)
            object.__setattr__(self, name, tensor.to("cpu", torch.float32))
            if not torch.isfinite(getattr(self, name)).all():
                raise InputError(f"{name} must be finite: drop the rows with NaN or infinite values")
        if not len(self.points):
            raise InputError("points must hold at least one point, got none")
        if self.normals is not None and (torch.linalg.vector_norm(self.normals, dim=1) - 1).abs().max() > 1e-3:
            raise InputError("normals must have unit length: pass torch.nn.functional.normalize(normals, dim=1)")
        if self.colors is not None and (self.colors.min() < 0 or self.colors.max() > 1):
            raise InputError("colors must be in [0, 1]: divide bytes by 255")

    def __len__(self) -> int:
        return len(self.points)

    def __repr__(self) -> str:
        extras = "".join(f", {name}" for name in ("normals", "colors") if getattr(self, name) is not None)
        return f"PointCloud({len(self)} points{extras}, name={self.name!r})"

    @property
    def mesh(self) -> Mesh | None:
        """The triangles of a shape that came from a mesh, see :class:`MeshCloud`; None of a cloud."""
        return None

    @property
    def samples(self) -> "PointCloud":
        """The points alone: the cloud itself, and of a mesh the samples drawn on it."""
        return self

    def normalized(self) -> "PointCloud":
        """Return the cloud centred on its bounding box with its farthest point at distance 1.

        Example:
            >>> PointCloud(torch.tensor([[0.0, 0, 0], [4, 0, 0]])).normalized().points.tolist()
            [[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
        """
        return replace(self, points=normalize_unit_sphere(self.points))

    def subset(self, num_points: int) -> "PointCloud":
        """Return ``num_points`` of the points, spread by ``farthest_point_subset``; all if there are no more.

        Example:
            >>> PointCloud(torch.rand(100, 3)).subset(10)
            PointCloud(10 points, name='')
        """
        if num_points >= len(self):
            return self
        return self.rows(farthest_point_subset(self.points, num_points))

    def rows(self, keep: torch.Tensor) -> "PointCloud":
        """Return the points that a mask (N,) or indices name, with their normals and colours.

        Example:
            >>> PointCloud(torch.rand(100, 3)).rows(torch.arange(7))
            PointCloud(7 points, name='')
        """
        normals = None if self.normals is None else self.normals[keep]
        colors = None if self.colors is None else self.colors[keep]
        return PointCloud(self.points[keep], normals, colors, self.name, self.notes)

    def turned(self, up: str) -> "PointCloud":
        """Return the cloud rotated so that the axis named by ``up`` becomes +y, see :func:`turn_up`.

        Example:
            >>> PointCloud(torch.tensor([[1.0, 2.0, 3.0]])).turned("z").points.tolist()
            [[1.0, 3.0, -2.0]]
        """
        if up == "y":
            return self
        normals = None if self.normals is None else turn_up(self.normals, up)
        return replace(self, points=turn_up(self.points, up), normals=normals)

    def without_outliers(self) -> "PointCloud":
        """Return the cloud without the few points that lie far outside of all others, see :func:`far_outliers`."""
        strays = far_outliers(self.points)
        return self.rows(~strays) if bool(strays.any()) else self

    def batched(self) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        """Return points, normals and colours as a batch of one cloud, each (1, N, 3) float32, or None where unknown.

        They are what ``PointCLIP.render`` and ``encode_views`` take; no number is copied.

        Example:
            >>> points, normals, colors = PointCloud(torch.rand(100, 3)).batched()
            >>> points.shape, normals, colors
            (torch.Size([1, 100, 3]), None, None)
        """
        normals, colors = (None if extra is None else extra[None] for extra in (self.normals, self.colors))
        return self.points[None], normals, colors

    @classmethod
    def from_numpy(
        cls, points: Any, normals: Any | None = None, colors: Any | None = None, name: str = "", up: str = "y"
    ) -> "PointCloud":
        """Build a cloud from arrays of any number type; normals get unit length, bytes become colours in [0, 1].

        Args:
            points: (N, 3); or (N, 6) and the like, alone: of the further columns three of unit length are normals and
                three in [0, 1] or [0, 255] are colours, as in a file. Rows with NaN or infinite values are left out.
            normals: (N, 3), or None.
            colors: (N, 3), or None.
            name: What to call the shape.
            up: Axis of the arrays that points up: ``"y"``, ``"z"``, ``"x"``, or one of these with a minus.

        Raises:
            InputError: A shape, a type or ``up`` makes no sense, or no row is finite.

        Example:
            >>> PointCloud.from_numpy(np.zeros((2, 3), int), colors=np.full((2, 3), 255, np.uint8)).colors.tolist()
            [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
            >>> cloud = PointCloud.from_numpy(np.array([[0, 0, 2.0], [np.nan, 0, 0]]), up="z")
            >>> cloud.points.tolist(), cloud.notes
            ([[0.0, 2.0, 0.0]], ('1 row with NaN or infinite values left out',))
        """
        return cls.from_raw(_interop.raw_from_arrays(points, normals, colors), name).turned(up)

    @classmethod
    def from_trimesh(
        cls, geometry: Any, num_points: int = DEFAULT_NUM_POINTS, seed: int = 0, name: str = ""
    ) -> "PointCloud":
        """Build a shape from a ``trimesh`` Trimesh or Scene (:class:`MeshCloud`, with colours) or PointCloud (kept).

        Example:
            >>> import trimesh
            >>> PointCloud.from_trimesh(trimesh.creation.box(), num_points=500)
            MeshCloud(12 faces, name='')
        """
        return cls._from_geometry(_interop.geometry_from_trimesh(geometry), num_points, seed, name)

    @classmethod
    def from_open3d(
        cls, geometry: Any, num_points: int = DEFAULT_NUM_POINTS, seed: int = 0, name: str = ""
    ) -> "PointCloud":
        """Build a shape from an Open3D TriangleMesh (:class:`MeshCloud`) or PointCloud, legacy or tensor API."""
        return cls._from_geometry(_interop.geometry_from_open3d(geometry), num_points, seed, name)

    def to_open3d(self) -> Any:
        """Return an ``open3d.geometry.PointCloud`` with the points, normals and colours.

        Raises:
            MissingDependency: Open3D is not installed.
        """
        return _interop.open3d_cloud(self.points, self.normals, self.colors)

    @classmethod
    def from_pytorch3d(cls, batch: Any, num_points: int = DEFAULT_NUM_POINTS, seed: int = 0) -> "list[PointCloud]":
        """Build one shape per element of a PyTorch3D ``Meshes`` (:class:`MeshCloud`) or ``Pointclouds`` (kept)."""
        return [cls._from_geometry(item, num_points, seed, "") for item in _interop.geometries_from_pytorch3d(batch)]

    @classmethod
    def _from_geometry(cls, geometry: Mesh | RawPoints, num_points: int, seed: int, name: str) -> "PointCloud":
        from pointclip.points.mesh_cloud import MeshCloud

        if isinstance(geometry, Mesh):
            return MeshCloud(geometry, num_points, seed, name)
        return cls.from_raw(geometry, name)

    @classmethod
    def from_raw(cls, raw: RawPoints, name: str = "") -> "PointCloud":
        """Build a cloud from what a file holds; normals get unit length."""
        normals = raw.normals
        if normals is not None:
            normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-300)
        return cls(_tensor(raw.points), _tensor(normals), _tensor(raw.colors), name, raw.notes)


def _tensor(array: Any) -> Any:
    return None if array is None else torch.from_numpy(np.array(array, dtype=np.float32))

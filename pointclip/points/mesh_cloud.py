"""A mesh that is a point cloud too: it keeps its triangles, and draws its samples where something asks for points."""

from dataclasses import make_dataclass, replace
from functools import cached_property

import torch

from pointclip._base.words import counted
from pointclip.errors import InputError
from pointclip.meshes import Mesh
from pointclip.points.cloud import DEFAULT_NUM_POINTS, PointCloud
from pointclip.points.frames import normalize_unit_sphere, turn_up
from pointclip.points.outliers import far_faces
from pointclip.points.sampling import sample_surface


class MeshCloud(PointCloud):
    """A triangle mesh as a shape: drawn as triangles, and a point cloud of samples for all that wants points.

    Args:
        mesh: The triangles, in the world frame: +y up.
        num_points: How many samples :attr:`points`, :attr:`normals` and :attr:`colors` hold.
        seed: Seed of the samples; they are drawn when first asked for.
        name: What to call the shape in tables and messages.
        unit: Centre and scale the samples once more, so that their farthest lies at distance 1 as those of a cloud do:
            samples never reach all corners of a mesh.

    Attributes:
        mesh: The triangles, without vertices that no face uses.
        points: (num_points, 3) float32, even by area.
        normals: (num_points, 3) float32, of the face each point lies on.
        colors: (num_points, 3) float32 in [0, 1], or None where the mesh has none.

    Raises:
        InputError: No face has an area.

    Example:
        >>> import numpy as np
        >>> corner = MeshCloud(Mesh(np.eye(3), np.array([[0, 1, 2]])), num_points=100, name="corner")
        >>> corner, corner.points.shape
        (MeshCloud(1 face, name='corner'), torch.Size([100, 3]))
    """

    num_points: int
    seed: int
    unit: bool
    _mesh: Mesh
    # what dataclasses.replace hands on: the arguments of __init__, not those of a cloud
    __dataclass_fields__ = make_dataclass("_", ["mesh", "num_points", "seed", "name", "unit"]).__dataclass_fields__  # type: ignore[attr-defined]

    def __init__(
        self, mesh: Mesh, num_points: int = DEFAULT_NUM_POINTS, seed: int = 0, name: str = "", unit: bool = False
    ) -> None:
        if not (mesh.unit_normals[1] > 0).any():
            raise InputError("the mesh has no face with an area: its triangles are points or lines")
        self.__dict__.update(_mesh=mesh.compact(), num_points=num_points, seed=seed, name=name, unit=unit)
        self.__dict__.update(notes=mesh.notes)

    def __len__(self) -> int:
        return self.num_points

    def __repr__(self) -> str:
        colors = ", colors" * (self.mesh.corner_colors is not None)
        return f"MeshCloud({counted(len(self.mesh.faces), 'face')}{colors}, name={self.name!r})"

    def __reduce__(self) -> tuple[type["MeshCloud"], tuple[Mesh, int, int, str, bool]]:
        return MeshCloud, (self.mesh, self.num_points, self.seed, self.name, self.unit)

    @property
    def mesh(self) -> Mesh:
        """The triangles."""
        return self._mesh

    @cached_property
    def samples(self) -> PointCloud:
        """The samples alone: a plain cloud."""
        drawn = PointCloud.from_raw(sample_surface(self.mesh, self.num_points, self.seed), self.name)
        return drawn.normalized() if self.unit else drawn

    @property
    def points(self) -> torch.Tensor:  # type: ignore[override]
        """(num_points, 3) float32, the places of the samples."""
        return self.samples.points

    @property
    def normals(self) -> torch.Tensor | None:  # type: ignore[override]
        """(num_points, 3) float32, the normals of the faces that they lie on."""
        return self.samples.normals

    @property
    def colors(self) -> torch.Tensor | None:  # type: ignore[override]
        """(num_points, 3) float32 in [0, 1], or None where the mesh has none."""
        return self.samples.colors

    def with_mesh(self, mesh: Mesh) -> "MeshCloud":
        """Return the shape with other triangles, sampled likewise."""
        return MeshCloud(mesh, self.num_points, self.seed, self.name, self.unit)

    def normalized(self) -> "MeshCloud":
        """Return the mesh centred on its bounding box with its farthest vertex at distance 1.

        Example:
            >>> import numpy as np
            >>> corner = MeshCloud(Mesh(4.0 * np.eye(3), np.array([[0, 1, 2]]))).normalized()
            >>> round(float(corner.mesh.vertices.max()), 4)
            0.5774
        """
        vertices = normalize_unit_sphere(torch.from_numpy(self.mesh.vertices))
        mesh = replace(self.mesh, vertices=vertices.numpy())
        mesh.__dict__["unit_normals"] = self.mesh.unit_normals  # neither place nor size changes them
        return MeshCloud(mesh, self.num_points, self.seed, self.name, unit=True)

    def turned(self, up: str) -> "MeshCloud":
        """Return the mesh rotated so that the axis named by ``up`` becomes +y, see :func:`turn_up`."""
        if up == "y":
            return self
        vertices = turn_up(torch.from_numpy(self.mesh.vertices), up)
        return self.with_mesh(replace(self.mesh, vertices=vertices.numpy()))

    def without_outliers(self) -> "MeshCloud":
        """Return the mesh without its few faces that lie far outside of all others, see :func:`far_faces`."""
        strays = far_faces(self.mesh)
        if not strays.any():
            return self
        note = f"{counted(int(strays.sum()), 'face')} far from all others left out"
        return self.with_mesh(replace(self.mesh.with_faces(~strays), notes=(*self.notes, note)))

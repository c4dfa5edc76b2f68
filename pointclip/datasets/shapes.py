"""Packs of labelled meshes: many small meshes of one source in one compressed file."""

import hashlib
import json
import lzma
import zipfile
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pointclip.datasets.listed import OUTLIERS_KEPT
from pointclip.datasets.protocol import ByIndex
from pointclip.errors import DatasetError
from pointclip.meshes import Mesh
from pointclip.points import MeshCloud, PointCloud

NAMES, HOME = ("shapes",), None
HOW_TO_GET = "name a pack (NAME.npz.xz), whose shapes and their sources assets/shapes.csv lists"
_ARRAYS = "vertices faces vertex_start face_start low high palette face_color label name".split()


class ShapePack(ByIndex):
    """Give the meshes of one pack; ids are the paths in the pack's source.

    A pack is a NumPy archive compressed once more by lzma: ``vertices`` (V,3) uint16 between ``low`` and ``high`` (n,3)
    of their shape, ``faces`` (F,3) local to each shape, ``vertex_start`` and ``face_start`` (n+1,), ``face_color`` (F,)
    into ``palette`` (P,3) uint8, ``label`` and ``name`` (n,). Shapes are y-up.

    Args:
        path: The file.
        split: ``"all"`` or None: packs are split by source, not within.
        num_points: Surface samples per mesh.
        up: Axis that points up.
        seed: Seed of the samples.

    Attributes:
        labels: Class names, sorted.
        drop_outliers: Leave far outliers out, as :func:`pointclip.load` does; to be set before shapes are read.

    Raises:
        DatasetError: There is no such file or split, or the file is no pack.

    Example:
        >>> ShapePack("kaykit.npz.xz")
        Traceback (most recent call last):
        ...
        pointclip.errors.DatasetError: kaykit.npz.xz does not exist, for packs are not downloaded: name a pack ...
    """

    splits = ("all",)
    split = "all"
    drop_outliers = True

    def __init__(
        self, path: str | Path, split: str | None = None, num_points: int = 20_000, up: str = "y", seed: int = 0
    ) -> None:
        if split not in (None, "all"):
            raise DatasetError(f"a pack of shapes is not split, so it has no {split!r}: take all of it")
        self.path, self.num_points, self.up, self.seed = Path(path), num_points, up, seed
        if not self.path.is_file():
            raise DatasetError(f"{path} does not exist, for packs are not downloaded: {HOW_TO_GET}")
        self.names: list[str] = self._data["name"].tolist()
        self._label: list[str] = self._data["label"].tolist()
        self.labels = sorted(set(self._label))

    def __len__(self) -> int:
        return len(self.names)

    def item(self, index: int) -> tuple[PointCloud, str, str]:
        """Give one mesh, its label and its id."""
        shape = MeshCloud(self.mesh(index), self.num_points, self.seed, Path(self.names[index]).stem)
        shape = shape.without_outliers() if self.drop_outliers else shape
        return shape.turned(self.up).normalized(), self.label(index), self.id(index)

    def mesh(self, index: int) -> Mesh:
        """Give one mesh with a colour for each face, in the pack's units, y-up."""
        data = self._data
        corners = slice(data["vertex_start"][index], data["vertex_start"][index + 1])
        rows = slice(data["face_start"][index], data["face_start"][index + 1])
        low, high = (data[name][index].astype(np.float64) for name in ("low", "high"))
        vertices = low + data["vertices"][corners] / 65535 * (high - low)
        colors = data["palette"][data["face_color"][rows]].astype(np.float32) / 255
        faces = data["faces"][rows].astype(np.int64)
        return Mesh(vertices, faces, np.broadcast_to(colors[:, None], (len(faces), 3, 3)).copy())

    def label(self, index: int) -> str:
        """Name the class of one mesh without sampling it."""
        return self._label[index]

    def id(self, index: int) -> str:
        """Name one mesh: its path in the source."""
        return self.names[index]

    def fingerprint(self, index: int) -> str:
        """Name everything that decides the cloud of one mesh: the pack's checksum and how it is sampled."""
        how = json.dumps([self._checksum, index, self.num_points, self.up, self.seed])
        return hashlib.sha256(how.encode()).hexdigest() + OUTLIERS_KEPT * (not self.drop_outliers)

    def __getstate__(self) -> dict[str, Any]:  # another process opens the file again
        return {name: value for name, value in self.__dict__.items() if name != "_data"}

    @cached_property
    def _checksum(self) -> str:
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    @cached_property
    def _data(self) -> dict[str, np.ndarray]:
        try:
            with lzma.open(self.path) as file, np.load(file, allow_pickle=False) as archive:
                return {name: archive[name] for name in _ARRAYS}
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, lzma.LZMAError) as error:
            raise DatasetError(f"{self.path} is no pack of shapes ({error}): {HOW_TO_GET}") from error


def opened(name: str, folder: Path, split: str | None, num_points: int, up: str | None, seed: int) -> ShapePack:
    """Open a pack by the name ``shapes:PACK.npz.xz``."""
    return ShapePack(folder, split, num_points, up or "y", seed)

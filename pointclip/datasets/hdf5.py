"""Clouds that lie as arrays in HDF5 files, and how an array becomes a cloud."""

import hashlib
import json
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pointclip._base.optional import require
from pointclip.datasets.listed import OUTLIERS_KEPT
from pointclip.datasets.protocol import ByIndex
from pointclip.errors import DatasetError, InputError
from pointclip.points import PointCloud, far_outliers

_STORED = ", rows as stored"
_ONE_AT_A_TIME = threading.Lock()  # HDF5 files are not safe to be read from several threads


def cloud_of(
    source: str | Path,
    points: np.ndarray,
    normals: np.ndarray | None,
    name: str,
    num_points: int,
    up: str,
    drop_outliers: bool = True,
) -> PointCloud:
    """Make of an array what :func:`pointclip.load` makes of a file: +y up, no strays, thinned, in the unit sphere.

    Raises:
        InputError: Fewer than two different finite points.
    """
    known = np.isfinite(points).all(1) & (True if normals is None else np.isfinite(normals).all(1))
    if known.sum() < 2 or (points[known] == points[known][0]).all():
        raise InputError(f"{source} holds fewer than 2 different finite points: a shape needs more")
    cloud = PointCloud.from_numpy(points[known], None if normals is None else normals[known], name=name).turned(up)
    if drop_outliers and (strays := far_outliers(cloud.points)).any():
        cloud = cloud.rows(~strays)
    return cloud.subset(num_points).normalized()


def read_lines(path: Path, how_to_get: str) -> list[str]:
    """Read the lines of a list file that are not empty.

    Raises:
        DatasetError: It is not there.
    """
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read ({getattr(error, 'strerror', error)}). {how_to_get}") from error


@dataclass(frozen=True)
class Hdf5File:
    """A file of clouds: ``data`` (n, points, 3), ``label`` (n,) or (n, 1), and perhaps ``normal`` and ``mask``."""

    path: Path
    name: str


class Hdf5Clouds(ByIndex):
    """Give the clouds of HDF5 files, in their order.

    Args:
        files: The files of the split.
        known: The class names in the order of the files' numbers.
        labels: The class names to tell, each one of ``known``; clouds of other classes are left out.
        split: The split.
        splits: All splits.
        num_points: Most points kept.
        up: Axis that points up in the files.
        how_to_get: Where the set comes from, for messages.
        drop_masked: Leave out the points whose ``mask`` is -1.

    Attributes:
        drop_outliers: Leave far outliers out, as :func:`pointclip.load` does; to be set before shapes are read.
        as_stored: Give the first rows of each array as they are, as the papers' codes do; likewise.

    Raises:
        DatasetError: A file is missing or not of this layout.
        MissingDependency: h5py is not installed.
    """

    drop_outliers, as_stored = True, False

    def __init__(
        self,
        files: Sequence[Hdf5File],
        known: Sequence[str],
        labels: Sequence[str],
        split: str,
        splits: tuple[str, ...],
        num_points: int,
        up: str,
        how_to_get: str,
        drop_masked: bool = False,
    ) -> None:
        self.labels, self.split, self.splits = list(labels), split, splits
        self.num_points, self.up, self.drop_masked = num_points, up, drop_masked
        self._places: list[tuple[Hdf5File, int, str]] = []
        for file in files:
            for row, number in enumerate(_numbers(file.path, len(known), how_to_get)):
                if known[number] in labels:
                    self._places.append((file, row, known[number]))
        if not self._places:
            raise DatasetError(f"the {split} files hold no cloud of the {len(labels)} classes. {how_to_get}")
        self._open: dict[Path, tuple[Any, dict[str, Any]]] = {}
        self._owner = os.getpid()

    def __len__(self) -> int:
        return len(self._places)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": {}}

    def item(self, index: int) -> tuple[PointCloud, str, str]:
        """Read one cloud: the cloud, its label and its id."""
        points, normals = self._arrays(index)
        if self.as_stored:
            cloud = PointCloud.from_numpy(points[: self.num_points], name=self.id(index))
            return cloud, self.label(index), self.id(index)
        how = self.num_points, self.up, self.drop_outliers
        cloud = cloud_of(self.id(index), points, normals, self.id(index), *how)
        return cloud, self.label(index), self.id(index)

    def label(self, index: int) -> str:
        """Name the class of one cloud."""
        return self._places[index][2]

    def id(self, index: int) -> str:
        """Name one cloud: its file and its row."""
        file, row, _ = self._places[index]
        return f"{file.name}/{row:06d}"

    def fingerprint(self, index: int) -> str:
        """Name everything that decides one cloud: its numbers, and how they are read."""
        digest = hashlib.sha256(json.dumps([self.num_points, self.up, self.drop_masked]).encode())
        try:
            arrays = self._arrays(index)
        except InputError as error:  # reading the cloud will say it again
            return f"unreadable: {error}"
        for array in arrays:
            digest.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
        how = _STORED if self.as_stored else OUTLIERS_KEPT * (not self.drop_outliers)
        return digest.hexdigest() + how

    def _arrays(self, index: int) -> tuple[np.ndarray, np.ndarray | None]:
        file, row, _ = self._places[index]
        try:
            with _ONE_AT_A_TIME:
                found = {name: array[row] for name, array in self._opened(file.path).items()}
        except (OSError, KeyError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"{file.path} is damaged at row {row} ({reason}): unpack or download it again") from error
        points, normals, mask = found["data"], found.get("normal"), found.get("mask")
        if mask is None:
            return points, normals
        keep = mask != -1
        return points[keep], None if normals is None else normals[keep]

    def _opened(self, path: Path) -> dict[str, Any]:
        """Open a file once in each process, and its arrays with it: each has a cache of what it has unpacked."""
        if self._owner != os.getpid():  # a handle does not survive a fork
            self._open, self._owner = {}, os.getpid()
        if path not in self._open:
            file = require("h5py", extra="data").File(path, "r")
            wanted = ("data", "normal", "mask") if self.drop_masked else ("data", "normal")
            self._open[path] = file, {name: _array(path, file, name) for name in wanted if name in file}
        return self._open[path][1]


def _array(path: Path, file: Any, name: str) -> Any:
    """Give an array that lies in the file itself: a link or a storage elsewhere could name any file of the reader.

    Raises:
        DatasetError: It lies elsewhere, or is no array.
        KeyError: It is not there.
    """
    h5py = require("h5py", extra="data")
    link = file.get(name, getlink=True)
    array = None if isinstance(link, h5py.ExternalLink) else file[name]
    if (
        not isinstance(array, h5py.Dataset)
        or array.external
        or array.is_virtual
        or array.file.filename != file.filename
    ):
        raise DatasetError(f"{path}: {name} is no array of this file, and links are not followed: copy the array in")
    return array


def _numbers(path: Path, count: int, how_to_get: str) -> list[int]:
    """Read the class numbers of a file, and check that its clouds are there."""
    h5py = require("h5py", extra="data")
    if not path.is_file():
        raise DatasetError(f"{path} is not there. {how_to_get}")
    try:
        with h5py.File(path, "r") as file:
            shape = _array(path, file, "data").shape
            numbers = np.asarray(_array(path, file, "label")).reshape(-1).astype(np.int64)
    except (OSError, KeyError, ValueError) as error:
        if isinstance(error, DatasetError):
            raise
        reason = " ".join(str(error).split())
        raise DatasetError(f"{path} is no HDF5 file with data and label ({reason}). {how_to_get}") from error
    if len(shape) != 3 or shape[2] != 3 or shape[0] != len(numbers):
        raise DatasetError(f"{path}: data must be (n, points, 3) with n labels, got {shape} and {len(numbers)} labels")
    if len(numbers) and not 0 <= numbers.min() <= numbers.max() < count:
        raise DatasetError(f"{path}: labels must be below {count}, got {numbers.min()} to {numbers.max()}")
    return numbers.tolist()

"""Datasets whose every shape is a file of its own."""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pointclip.datasets.protocol import UNREADABLE, ByIndex
from pointclip.points import PointCloud, load

_NAMED_FILES = {
    ".obj": rb"^\s*mtllib\s+(.+?)\s*$",
    ".mtl": rb"^\s*(?:map_\w+|bump|disp|decal)\s+(?:-\S+\s+\S+\s+)*(.+?)\s*$",
    ".dae": rb"<init_from>\s*(?:file:/+)?([^<]+?)\s*</init_from>",
    ".gltf": rb'"uri"\s*:\s*"([^"]+)"',
}
OUTLIERS_KEPT = ", outliers kept"  # at the end of a fingerprint


@dataclass(frozen=True)
class Entry:
    """One shape: its file, its class, its split (``"all"`` where there are none) and its id."""

    path: Path
    label: str
    split: str
    id: str


class ListedFiles(ByIndex):
    """Give the shapes of a list of files.

    Args:
        entries: The shapes of all splits.
        split: The split to give.
        num_points: Points drawn on a mesh, and most kept of a cloud.
        up: Axis that points up in the files.
        seed: Seed of the points drawn.

    Attributes:
        labels: Class names of all splits, sorted.
        split: What it gives.
        splits: The splits there are, sorted.
        entries: The shapes of this split.
        drop_outliers: Leave far outliers out, as :func:`pointclip.load` does; to be set before shapes are read.
    """

    drop_outliers = True

    def __init__(self, entries: Iterable[Entry], split: str, num_points: int, up: str, seed: int) -> None:
        everything = list(entries)
        self.labels = sorted({entry.label for entry in everything})
        self.splits = tuple(sorted({entry.split for entry in everything}))
        self.split, self.num_points, self.up, self.seed = split, num_points, up, seed
        self.entries = [entry for entry in everything if entry.split == split]

    def __len__(self) -> int:
        return len(self.entries)

    def item(self, index: int) -> tuple[PointCloud, str, str]:
        """Read one shape: its point cloud, its label and its id."""
        entry = self.entries[index]
        return self._cloud(entry.path), entry.label, entry.id

    def label(self, index: int) -> str:
        """Name the class of one shape without reading it."""
        return self.entries[index].label

    def id(self, index: int) -> str:
        """Name one shape without reading it."""
        return self.entries[index].id

    def fingerprint(self, index: int) -> str:
        """Name everything that decides the cloud of one shape: the bytes of its files, and how it is read.

        A file that cannot be read has a name too: reading it will say what is wrong. A pipe is left to the reader.
        """
        path = self.entries[index].path
        try:
            if path.exists() and not path.is_file():
                return f"{UNREADABLE}no regular file"
            known = file_fingerprint(path, self.num_points, self.up, self.seed)
        except OSError as error:
            return f"{UNREADABLE}{error.strerror}"
        return known + OUTLIERS_KEPT * (not self.drop_outliers)

    def _cloud(self, path: Path) -> PointCloud:
        return load(path, self.num_points, self.up, self.seed, drop_outliers=self.drop_outliers)


def file_fingerprint(path: Path, num_points: int, up: str, seed: int) -> str:
    """Name everything that decides the cloud of a file: its bytes and those of the files it names, and how it is read.

    Raises:
        OSError: The file cannot be read.
    """
    digest = hashlib.sha256(json.dumps([num_points, up, seed]).encode())
    for known in _with_named_files(path):
        digest.update(known.suffix.lower().encode() + hashlib.sha256(known.read_bytes()).digest())
    return digest.hexdigest()


def _with_named_files(path: Path) -> list[Path]:
    """Give a mesh file and the material, texture and buffer files it names, as far as they are there."""
    found = [path]
    for known in found:  # grows while it is walked: materials name textures
        pattern = _NAMED_FILES.get(known.suffix.lower())
        for match in re.findall(pattern, known.read_bytes(), re.MULTILINE) if pattern else ():
            named = known.parent / match.decode("utf-8", "replace")
            if named.is_file() and named not in found:
                found.append(named)
    return found

"""Class folders: ``class/name.obj``, with or without ``train/``, ``val/`` and ``test/`` above or below the class."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pointclip.errors import DatasetError
from pointclip.points import PointCloud, load
from pointclip.stream import find_shapes

SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_NAMED_FILES = {
    ".obj": rb"^\s*mtllib\s+(.+?)\s*$",
    ".mtl": rb"^\s*(?:map_\w+|bump|disp|decal)\s+(?:-\S+\s+\S+\s+)*(.+?)\s*$",
    ".gltf": rb'"uri"\s*:\s*"([^"]+)"',
}


@dataclass(frozen=True)
class Entry:
    """One shape of a class folder: its file, its class and its split (``"all"`` where the folder names none)."""

    path: Path
    label: str
    split: str


class ClassFolder:
    """Give the shapes of a folder with one folder per class.

    Three layouts are known: ``class/name.obj``, ``train/class/name.obj`` and ``class/train/name.obj`` (with ``val`` and
    ``test`` likewise). Shapes may lie deeper inside a class. Hidden files and unknown file types are left out.

    Args:
        root: The folder.
        split: ``"train"``, ``"val"`` or ``"test"``; None takes the training split, or everything where there is none.
        num_points: Points drawn on a mesh, and most kept of a cloud.
        up: Axis that points up in the files.
        seed: Seed of the points drawn.

    Attributes:
        labels: Class names of **all** splits, sorted.
        split: What it gives: ``"train"``, ``"val"``, ``"test"``, or ``"all"`` for a folder without splits.
        splits: The splits the folder has.

    Raises:
        DatasetError: There is no such folder, split or shape, or the layout is none of the three.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as root:
        ...     for name in ("chair/a.xyz", "table/b.xyz"):
        ...         (Path(root) / name).parent.mkdir()
        ...         _ = (Path(root) / name).write_text("0 0 0\\n1 1 1\\n")
        ...     shapes = ClassFolder(root)
        ...     print(shapes.labels, shapes.split, shapes.item(1))
        ['chair', 'table'] all (PointCloud(2 points, name='b'), 'table', 'table/b.xyz')
    """

    def __init__(
        self, root: str | Path, split: str | None = None, num_points: int = 20_000, up: str = "y", seed: int = 0
    ) -> None:
        self.root, self.num_points, self.up, self.seed = Path(root), num_points, up, seed
        everything = list(_entries(self.root))
        self.labels = sorted({entry.label for entry in everything})
        self.splits = tuple(sorted({entry.split for entry in everything}))
        self.split = _pick(self.root, self.splits, split)
        self.entries = [entry for entry in everything if entry.split == self.split]

    def __len__(self) -> int:
        return len(self.entries)

    def item(self, index: int) -> tuple[PointCloud, str, str]:
        """Read one shape: its point cloud, its label and its id (the path below the folder)."""
        entry = self.entries[index]
        cloud = load(entry.path, num_points=self.num_points, up=self.up, seed=self.seed)
        return cloud, entry.label, entry.path.relative_to(self.root).as_posix()

    def label(self, index: int) -> str:
        """Name the class of one shape without reading it."""
        return self.entries[index].label

    def fingerprint(self, index: int) -> str:
        """Name everything that decides the cloud of one shape: the bytes of its files, and how it is read."""
        digest = hashlib.sha256(json.dumps([self.num_points, self.up, self.seed]).encode())
        for path in _with_named_files(self.entries[index].path):
            digest.update(path.suffix.lower().encode() + hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()


def _entries(root: Path) -> Iterator[Entry]:
    """Find the shapes of a class folder and what their folders say of them."""
    if not root.is_dir():
        raise DatasetError(f"{root} is no folder: name one that holds a folder of shapes per class")
    top = _folders(root)
    if not top:
        raise DatasetError(f"{root} holds no folder: put the shapes of each class into a folder of the class's name")
    if all(folder.name.lower() in SPLITS for folder in top):
        for folder in top:
            for kind in _folders(folder):
                yield from _shapes(kind, kind.name, SPLITS[folder.name.lower()])
        return
    for kind in top:
        below = _folders(kind)
        if below and all(folder.name.lower() in SPLITS for folder in below):
            for folder in below:
                yield from _shapes(folder, kind.name, SPLITS[folder.name.lower()])
        else:
            yield from _shapes(kind, kind.name, "all")


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def _shapes(folder: Path, label: str, split: str) -> Iterator[Entry]:
    for item in find_shapes([folder]):
        if item.error is not None:
            raise DatasetError(f"class {label!r}: {item.error}")
        yield Entry(Path(item.path), label, split)


def _pick(root: Path, splits: tuple[str, ...], wanted: str | None) -> str:
    if "all" in splits and len(splits) > 1:
        raise DatasetError(f"{root}: some classes have train and test folders and some have none: give all the same")
    if wanted is None:
        wanted = "all" if splits == ("all",) else "train"
    if wanted not in splits:
        has = "shapes that are not split" if splits == ("all",) else " and ".join(splits)
        raise DatasetError(
            f"{root} has no split {wanted!r}, it has {has}: make a {wanted}/ folder with a folder per class"
        )
    return wanted


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

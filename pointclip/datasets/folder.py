"""Class folders: ``class/name.obj``, with or without ``train/``, ``val/`` and ``test/`` above or below the class."""

from collections.abc import Iterator
from pathlib import Path

from pointclip.datasets.listed import Entry, ListedFiles
from pointclip.datasets.paths import find_shapes
from pointclip.errors import DatasetError

SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


class ClassFolder(ListedFiles):
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
        self.root = Path(root)
        everything = list(_entries(self.root))
        splits = tuple(sorted({entry.split for entry in everything}))
        super().__init__(everything, pick_split(self.root, splits, split), num_points, up, seed)


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
                yield from _shapes(root, kind, kind.name, SPLITS[folder.name.lower()])
        return
    for kind in top:
        below = _folders(kind)
        if below and all(folder.name.lower() in SPLITS for folder in below):
            for folder in below:
                yield from _shapes(root, folder, kind.name, SPLITS[folder.name.lower()])
        else:
            yield from _shapes(root, kind, kind.name, "all")


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def _shapes(root: Path, folder: Path, label: str, split: str) -> Iterator[Entry]:
    for item in find_shapes([folder]):
        if item.error is not None:
            raise DatasetError(f"class {label!r}: {item.error}")
        path = Path(item.path)
        yield Entry(path, label, split, path.relative_to(root).as_posix())


def pick_split(root: Path, splits: tuple[str, ...], wanted: str | None) -> str:
    """Choose a split of those there are; None is ``train``, or everything where nothing is split.

    Raises:
        DatasetError: There is no such split, or only some shapes have one.
    """
    if "all" in splits and len(splits) > 1:
        raise DatasetError(f"{root}: some classes have train and test folders and some have none: give all the same")
    if wanted is None:
        wanted = "all" if splits == ("all",) else "train"
    if wanted not in splits:
        has = "shapes that are not split" if splits == ("all",) else " and ".join(splits)
        raise DatasetError(
            f"{root} has no split {wanted!r}, it has {has}: name one that is there, or split the shapes so"
        )
    return wanted

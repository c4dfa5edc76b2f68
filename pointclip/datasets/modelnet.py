"""ModelNet10 and ModelNet40 in the three layouts that are handed around: meshes, HDF5 clouds, clouds with normals."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pointclip.datasets.hdf5 import Hdf5Clouds, Hdf5File, cloud_of, read_lines
from pointclip.datasets.listed import Entry, ListedFiles
from pointclip.datasets.protocol import Dataset
from pointclip.errors import DatasetError, InputError
from pointclip.points import PointCloud

CLASSES_10 = "bathtub bed chair desk dresser monitor night_stand sofa table toilet".split()
CLASSES_40 = (
    "airplane bathtub bed bench bookshelf bottle bowl car chair cone cup curtain desk door dresser flower_pot "
    "glass_box guitar keyboard lamp laptop mantel monitor night_stand person piano plant radio range_hood sink sofa "
    "stairs stool table tent toilet tv_stand vase wardrobe xbox"
).split()
SPLITS = ("train", "test")
NAMES = ("modelnet10", "modelnet40")
HOME = None
HOW_TO_GET = (
    "ModelNet is not downloaded by pointclip. The folder must hold chair/train/chair_0001.off and so on "
    "(ModelNet10.zip or ModelNet40.zip of modelnet.cs.princeton.edu), or ply_data_train0.h5 and train_files.txt "
    "(modelnet40_ply_hdf5_2048.zip of the PointNet code), or chair/chair_0001.txt and modelnet40_train.txt "
    "(modelnet40_normal_resampled.zip of the PointNet++ code)"
)


def open_modelnet(
    root: str | Path, classes: int, split: str = "train", num_points: int = 20_000, up: str | None = None, seed: int = 0
) -> "ModelNetMeshes | ModelNetHdf5 | ModelNetNormals":
    """Recognise the layout of a folder and open it.

    Args:
        root: The folder.
        classes: 10 or 40.
        split: ``"train"`` or ``"test"``.
        num_points: Points drawn on a mesh, and most kept of a cloud.
        up: Axis that points up in the files; None is the layout's own: z for the meshes, y for the clouds.
        seed: Seed of the points drawn on a mesh.

    Raises:
        DatasetError: There is no such folder or split, or the layout is none of the three.
    """
    root = Path(root)
    if split not in SPLITS:
        raise DatasetError(f"ModelNet{classes} has the splits train and test, not {split!r}")
    if (root / "train_files.txt").is_file():
        return ModelNetHdf5(root, classes, split, num_points, up or "y")
    if (root / f"modelnet{classes}_{split}.txt").is_file():
        return ModelNetNormals(root, classes, split, num_points, up or "y")
    if any((root / spelling / part).is_dir() for _, spelling in _spellings(classes) for part in SPLITS):
        return ModelNetMeshes(root, classes, split, num_points, up or "z", seed)
    what = "holds none of the layouts of" if root.is_dir() else "is no folder with"
    raise DatasetError(f"{root} {what} ModelNet{classes}. {HOW_TO_GET}")


def opened(name: str, folder: Path, split: str | None, num_points: int, up: str | None, seed: int) -> Dataset:
    """Open ``modelnet10`` or ``modelnet40``; the split is ``train`` unless one is named."""
    return open_modelnet(folder, int(name.removeprefix("modelnet")), split or "train", num_points, up, seed)


class ModelNetMeshes(ListedFiles):
    """Give the meshes of ``<class>/{train,test}/<class>_0001.off``, z-up; ids are paths below the folder."""

    def __init__(self, root: Path, classes: int, split: str, num_points: int, up: str, seed: int) -> None:
        super().__init__(_meshes(root, classes), split, num_points, up, seed)
        if not self.entries:
            raise DatasetError(f"{root} holds no {split} mesh of ModelNet{classes}. {HOW_TO_GET}")
        self.labels = _names(classes)


class ModelNetNormals(ListedFiles):
    """Give the clouds of ``<class>/<class>_0001.txt``, rows ``x,y,z,nx,ny,nz``, y-up; ids are paths."""

    def __init__(self, root: Path, classes: int, split: str, num_points: int, up: str) -> None:
        entries = [entry for part in SPLITS for entry in _resampled(root, classes, part)]
        super().__init__(entries, split, num_points, up, 0)
        unknown = sorted(set(self.labels) - set(_names(classes)))
        if unknown or not self.entries:
            what = f"names shapes of {', '.join(unknown)}, no class of it" if unknown else "names no shape"
            raise DatasetError(f"{root / f'modelnet{classes}_{split}.txt'} {what}. {HOW_TO_GET}")
        self.labels = _names(classes)

    def _cloud(self, path: Path) -> PointCloud:
        try:
            if not path.read_bytes().strip():
                raise InputError(f"{path} is empty: unpack the set again")
            rows = np.loadtxt(path, delimiter=",", ndmin=2, dtype=np.float64)
        except FileNotFoundError as error:
            raise InputError(f"{path} is named in the list of shapes and is not there: unpack the set again") from error
        except (OSError, ValueError) as error:
            raise InputError(f"{path} is no table of x,y,z,nx,ny,nz ({error}): unpack the set again") from error
        if rows.shape[1] not in (3, 6):
            raise InputError(f"{path} must have rows x,y,z,nx,ny,nz, got {rows.shape[1]} columns")
        normals = rows[:, 3:] if rows.shape[1] == 6 else None
        return cloud_of(path, rows[:, :3], normals, path.stem, self.num_points, self.up, self.drop_outliers)


class ModelNetHdf5(Hdf5Clouds):
    """Give the clouds of ``ply_data_{train0..4,test0,1}.h5``, y-up; ids are ``ply_data_test0/000123``."""

    def __init__(self, root: Path, classes: int, split: str, num_points: int, up: str) -> None:
        known = [_canonical(name) for name in read_lines(root / "shape_names.txt", HOW_TO_GET)]
        labels = _names(classes)
        if classes == 40 and sorted(known) != labels:
            raise DatasetError(f"{root / 'shape_names.txt'} does not hold the 40 class names. {HOW_TO_GET}")
        # the lists name the files by paths of another machine: only the last part counts
        names = [
            line.replace("\\", "/").rpartition("/")[2] for line in read_lines(root / f"{split}_files.txt", HOW_TO_GET)
        ]
        files = [Hdf5File(root / name, Path(name).stem) for name in names]
        super().__init__(files, known, labels, split, SPLITS, num_points, up, HOW_TO_GET)


def _names(classes: int) -> list[str]:
    return [name.replace("_", " ") for name in (CLASSES_10 if classes == 10 else CLASSES_40)]


def _spellings(classes: int) -> Iterator[tuple[str, str]]:
    """Give each class with each spelling its folder may have."""
    for name in _names(classes):
        for spelling in dict.fromkeys((name.replace(" ", "_"), name, name.replace(" ", "-"), name.replace(" ", ""))):
            yield name, spelling


def _canonical(name: str) -> str:
    known = {spelling.casefold(): label for label, spelling in _spellings(40)}
    return known.get(name.strip().casefold(), name.strip().replace("_", " "))


def _meshes(root: Path, classes: int) -> Iterator[Entry]:
    for name, spelling in _spellings(classes):
        for split in SPLITS:
            for path in sorted((root / spelling / split).glob("*.off")):
                if not path.name.startswith("."):
                    yield Entry(path, name, split, path.relative_to(root).as_posix())


def _resampled(root: Path, classes: int, split: str) -> Iterator[Entry]:
    folders = _folders(root)
    for shape in read_lines(root / f"modelnet{classes}_{split}.txt", HOW_TO_GET):
        stem = Path(shape.replace("\\", "/").rpartition("/")[2]).name.removesuffix(".txt")
        spelling = stem.rpartition("_")[0]
        folder = folders.get(spelling.casefold(), spelling)
        yield Entry(root / folder / f"{stem}.txt", _canonical(spelling), split, f"{folder}/{stem}.txt")


def _folders(root: Path) -> dict[str, str]:
    """Map the spelling of shapes to that of the folders: ``night_stand`` may lie in ``night stand``."""
    found: dict[str, str] = {}
    for path in sorted(root.iterdir()):
        if path.is_dir():
            for name in _variants(path.name):
                found.setdefault(name.casefold(), path.name)
    return found


def _variants(name: str) -> Sequence[str]:
    return (name, name.replace(" ", "_"), name.replace("-", "_"))

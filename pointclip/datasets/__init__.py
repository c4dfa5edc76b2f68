"""Datasets: one file each, one small protocol (``labels``, ``len``, ``item(i)``, ``split``), and their names."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pointclip._base.checks import nearest
from pointclip.errors import DatasetError

if TYPE_CHECKING:
    from pointclip.datasets.protocol import Dataset

MODELNET = ("modelnet10", "modelnet40")
SCANOBJECTNN = ("scanobjectnn", "scanobjectnn-obj_bg", "scanobjectnn-obj_only", "scanobjectnn-pb_t50_rs")
NAMES = (*MODELNET, *SCANOBJECTNN, "sweethome3d")


def open_dataset(
    name: str | Path,
    split: str | None = None,
    *,
    num_points: int = 20_000,
    up: str | None = None,
    seed: int = 0,
    drop_outliers: bool = True,
) -> "Dataset":
    """Open a dataset by name.

    Args:
        name: ``"modelnet40:FOLDER"`` or ``"modelnet10:FOLDER"`` (meshes, HDF5 or clouds with normals: the layout is
            recognised), ``"scanobjectnn-obj_only:FOLDER"`` (or ``-obj_bg``, ``-pb_t50_rs``; without a variant
            ``obj_only``), ``"sweethome3d"`` or ``"sweethome3d:FOLDER"``, a folder with a folder of shapes per class, or
            a ``.csv`` file with the columns path, label and perhaps split.
        split: ``"train"``, ``"val"``, ``"test"`` or ``"all"``, as far as the dataset has it; None takes ``train``, or
            all of an unsplit set.
        num_points: Points drawn on a mesh, and most kept of a cloud.
        up: Axis that points up in the files; None is the dataset's own.
        seed: Seed of the points drawn on a mesh.
        drop_outliers: Leave out the few points far outside of all others, as :func:`pointclip.load` does.

    Returns:
        The dataset; nothing is downloaded.

    Raises:
        DatasetError: The name is unknown, or the files are not there: then it says where they come from.

    Example:
        >>> open_dataset("modelnet40:nowhere")
        Traceback (most recent call last):
        ...
        pointclip.errors.DatasetError: nowhere is no folder with ModelNet40. ModelNet is not downloaded by pointclip...
    """
    found = _opened(name, split, num_points, up, seed)
    found.drop_outliers = drop_outliers
    return found


def _opened(name: str | Path, split: str | None, num_points: int, up: str | None, seed: int) -> Any:
    kind, _, folder = str(name).partition(":")
    if kind.lower() in NAMES and (folder or not Path(name).exists()):
        return _known(kind.lower(), folder)(split=split, num_points=num_points, up=up, seed=seed)
    from pointclip.datasets.folder import ClassFolder
    from pointclip.datasets.table import PathTable

    path = Path(name)
    if path.suffix.lower() == ".csv" and path.is_file():
        return PathTable(path, split, num_points, up or "y", seed)
    if path.is_dir():
        return ClassFolder(path, split, num_points, up or "y", seed)
    raise DatasetError(
        f"{name} is no folder, no .csv file and no dataset's name: {nearest(kind, NAMES)}, each followed by :FOLDER"
    )


def _known(kind: str, folder: str) -> Callable[..., Any]:
    if kind == "sweethome3d":
        return partial(_sweethome3d, folder)
    if not folder:
        raise DatasetError(f"{kind} needs the folder it lies in: write {kind}:FOLDER")
    if kind in MODELNET:
        return partial(_modelnet, folder, int(kind.removeprefix("modelnet")))
    return partial(_scanobjectnn, folder, kind.partition("-")[2] or "obj_only")


def _sweethome3d(folder: str, split: str | None, num_points: int, up: str | None, seed: int) -> "Dataset":
    from pointclip.datasets.sweethome3d import FURNITURE_FOLDER, SweetHome3D

    return SweetHome3D(folder or FURNITURE_FOLDER, split or "train", num_points, seed, up=up or "y")


def _modelnet(folder: str, classes: int, split: str | None, num_points: int, up: str | None, seed: int) -> "Dataset":
    from pointclip.datasets.modelnet import open_modelnet

    return open_modelnet(folder, classes, split or "train", num_points, up, seed)


def _scanobjectnn(
    folder: str, variant: str, split: str | None, num_points: int, up: str | None, seed: int
) -> "Dataset":
    from pointclip.datasets.scanobjectnn import ScanObjectNN

    return ScanObjectNN(folder, variant, split or "train", num_points, up or "y")

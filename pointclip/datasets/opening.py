"""A dataset by what it is called: a name of the table, a folder of classes, or a CSV file."""

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pointclip._base.checks import nearest
from pointclip.datasets.csv_table import PathTable
from pointclip.datasets.folder import ClassFolder
from pointclip.datasets.indexed import as_dataset
from pointclip.datasets.protocol import Dataset
from pointclip.datasets.table import dataset_names, open_named
from pointclip.errors import DatasetError, InputError


def open_dataset(
    name: str | Path,
    split: str | None = None,
    *,
    num_points: int = 20_000,
    up: str | None = None,
    seed: int = 0,
    drop_outliers: bool = True,
) -> Dataset:
    """Open a dataset by name.

    Args:
        name: ``"modelnet40:FOLDER"`` or ``"modelnet10:FOLDER"`` (meshes, HDF5 or clouds with normals: the layout is
            recognised), ``"scanobjectnn-obj_only:FOLDER"`` (or ``-obj_bg``, ``-pb_t50_rs``; without a variant
            ``obj_only``), ``"sweethome3d"`` or ``"sweethome3d:FOLDER"``, ``"shapes:PACK.npz.xz"`` (many small meshes
            in one file), ``"psb:test.cla"`` (the layout of the Princeton Shape Benchmark), a folder with a folder of
            shapes per class, or a ``.csv`` file with the columns path, label and perhaps split.
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
    path, names = Path(name), dataset_names()
    if kind.lower() in names and (folder or not path.exists()):
        return open_named(kind.lower(), folder, split, num_points, up, seed)
    if path.suffix.lower() == ".csv" and path.is_file():
        return PathTable(path, split, num_points, up or "y", seed)
    if path.is_dir():
        return ClassFolder(path, split, num_points, up or "y", seed)
    raise DatasetError(
        f"{name} is no folder, no .csv file and no dataset's name: {nearest(kind, names)}, each followed by :FOLDER"
    )


def opener(data: Any) -> Callable[[str | None], Dataset]:
    """Give a function from the name of a split to the dataset, None being its default.

    Args:
        data: A name as :func:`open_dataset` takes it, a dataset, one indexed as torch's are, or such a function.

    Raises:
        InputError: It is none of these.

    Example:
        >>> opener("modelnet40:nowhere")("test")
        Traceback (most recent call last):
        ...
        pointclip.errors.DatasetError: nowhere is no folder with ModelNet40. ModelNet is not downloaded by pointclip...
    """
    if isinstance(data, str | Path):
        return partial(open_dataset, data)
    if hasattr(data, "item") or hasattr(data, "__getitem__"):
        return partial(_only, as_dataset(data))
    if callable(data):
        return data
    raise InputError(f"a dataset, or the name of one, is needed, got {type(data).__name__}")


def _only(dataset: Dataset, split: str | None) -> Dataset:
    if split not in (None, dataset.split):
        raise DatasetError(
            f"the dataset holds the split {dataset.split!r} and no {split!r}: pass a function from a split to a dataset"
        )
    alone: Any = copy.copy(dataset)
    alone.splits = (dataset.split,)  # whatever else its files hold is not at hand
    return alone

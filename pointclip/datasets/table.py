"""The table of datasets that are opened by name. A new one is a file with ``NAMES`` and ``opened``, and a row here."""

from pathlib import Path
from typing import Protocol

from pointclip._base.checks import nearest
from pointclip.datasets import modelnet, psb, scanobjectnn, shapes, sweethome3d
from pointclip.datasets.protocol import Dataset
from pointclip.errors import DatasetError


class Source(Protocol):
    """What a file of a dataset has.

    Attributes:
        NAMES: The names it answers to, in lower case.
        HOME: The folder it usually lies in, taken where none is named; None where there is no such.
    """

    @property
    def NAMES(self) -> tuple[str, ...]:  # noqa: N802  a constant of a module
        """The names."""
        ...

    @property
    def HOME(self) -> Path | None:  # noqa: N802
        """The folder."""
        ...

    def opened(self, name: str, folder: Path, split: str | None, num_points: int, up: str | None, seed: int) -> Dataset:
        """Open one split; None of ``split`` and ``up`` is the dataset's own."""
        ...


SOURCES: list[Source] = [modelnet, psb, scanobjectnn, shapes, sweethome3d]


def dataset_names() -> tuple[str, ...]:
    """Name every dataset of the table.

    Example:
        >>> dataset_names()[:3]
        ('modelnet10', 'modelnet40', 'psb')
    """
    return tuple(name for source in SOURCES for name in source.NAMES)


def open_named(name: str, folder: str, split: str | None, num_points: int, up: str | None, seed: int) -> Dataset:
    """Open a dataset of the table.

    Args:
        name: Its name.
        folder: Where it lies; empty is where it usually does.
        split: As :func:`pointclip.datasets.open_dataset` takes it, like the others.
        num_points: Points drawn on a mesh, and most kept of a cloud.
        up: Axis that points up in the files; None is the dataset's own.
        seed: Seed of the points drawn on a mesh.

    Raises:
        DatasetError: There is no such dataset, or it needs a folder, or its files are not there.

    Example:
        >>> open_named("modelnet40", "", None, 1024, None, 0)
        Traceback (most recent call last):
        ...
        pointclip.errors.DatasetError: modelnet40 needs the folder it lies in: write modelnet40:FOLDER
    """
    source = next((source for source in SOURCES if name in source.NAMES), None)
    if source is None:
        raise DatasetError(f"dataset {name!r} is unknown: {nearest(name, dataset_names())}")
    home = Path(folder) if folder else source.HOME
    if home is None:
        raise DatasetError(f"{name} needs the folder it lies in: write {name}:FOLDER")
    return source.opened(name, home, split, num_points, up, seed)

"""What every dataset of pointclip gives, and what is done where one gives less."""

import hashlib
from typing import Protocol

from pointclip.points import PointCloud

UNREADABLE = "unreadable: "  # begins the fingerprint of what cannot be read twice, or at all: it names no cloud


class Dataset(Protocol):
    """Shapes with classes, read one by one.

    A dataset may also have ``label(i)`` and ``id(i)``, which do not read the shape, and ``fingerprint(i)``, a string
    that changes whenever the cloud does; without them the shape is read to find out. Those of this package have all
    three, a tuple ``splits``, and can be pickled for worker processes.

    Attributes:
        labels: Class names, of all splits.
        split: What it gives: ``"train"``, ``"val"``, ``"test"``, or ``"all"`` where nothing is split.
    """

    labels: list[str]
    split: str

    def __len__(self) -> int: ...

    def item(self, index: int) -> tuple[PointCloud, str, str]:
        """Read one shape: cloud, label, id."""
        ...


class ByIndex:
    """What makes a dataset of this package one for ``torch.utils.data.DataLoader`` too: it indexes and iterates.

    Example:
        >>> import torch
        >>> class Dust(ByIndex):
        ...     def __len__(self):
        ...         return 2
        ...     def item(self, index):
        ...         return PointCloud(torch.rand(9, 3)), "dust", str(index)
        >>> [name for _, _, name in Dust()]
        ['0', '1']
    """

    def __getitem__(self: Dataset, index: int) -> tuple[PointCloud, str, str]:
        """Read one shape as :meth:`item` does."""
        if not 0 <= index < len(self):
            raise IndexError(f"shape {index} of {len(self)}")
        return self.item(index)


def label_of(dataset: Dataset, index: int) -> str:
    """Name the class of a shape, without reading it where the dataset can."""
    known = getattr(dataset, "label", None)
    return dataset.item(index)[1] if known is None else known(index)


def id_of(dataset: Dataset, index: int) -> str:
    """Name a shape, without reading it where the dataset can."""
    known = getattr(dataset, "id", None)
    return dataset.item(index)[2] if known is None else known(index)


def fingerprint_of(dataset: Dataset, index: int) -> str:
    """Name everything that decides a cloud, without reading it where the dataset can."""
    known = getattr(dataset, "fingerprint", None)
    if known is not None:
        return known(index)
    cloud = dataset.item(index)[0]
    digest = hashlib.sha256()
    for tensor in cloud.batched():
        digest.update(b"-" if tensor is None else tensor.numpy().tobytes())
    if cloud.mesh is not None:
        for array in cloud.mesh.arrays():
            digest.update(b"-" if array is None else array.tobytes())
    return digest.hexdigest()

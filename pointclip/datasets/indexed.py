"""A dataset of one's own, as torch knows them: ``data[i]`` gives a shape and the number of its class."""

from typing import Any

from pointclip.datasets.protocol import Dataset
from pointclip.errors import InputError
from pointclip.points import PointCloud, as_cloud


class Indexed:
    """Give the shapes of a map-style ``torch.utils.data.Dataset``.

    Args:
        data: It has ``len(data)``; ``data[i]``, a pair of a shape (whatever :func:`pointclip.points.as_cloud` takes,
            such as an (N, 3) tensor) and the number of its class; and ``labels``, the K class names in the order of the
            numbers. Where it has ``targets``, the numbers of all shapes, no shape is read to learn its class. It may
            have a ``split`` and, for messages and result files, ``id(i)``.

    Attributes:
        labels: The class names.
        split: The split, ``"all"`` where the data names none.

    Raises:
        InputError: ``labels`` or the length is missing.

    Example:
        >>> import torch
        >>> class Cups(torch.utils.data.Dataset):
        ...     labels = ["cup", "bowl"]
        ...     def __len__(self):
        ...         return 2
        ...     def __getitem__(self, index):
        ...         return torch.eye(3) * (1 + index), index
        >>> shapes = Indexed(Cups())
        >>> shapes.item(1), shapes.split
        ((PointCloud(3 points, name='000001'), 'bowl', '000001'), 'all')
    """

    def __init__(self, data: Any) -> None:
        if not (hasattr(data, "labels") and hasattr(data, "__len__") and hasattr(data, "__getitem__")):
            raise InputError(
                f"a dataset of your own needs labels (class names), len(data) and data[i] with a cloud and the number "
                f"of its class: {type(data).__name__} lacks one of them"
            )
        self.data, self.labels = data, [str(name) for name in data.labels]
        self.split = str(getattr(data, "split", "all"))
        self._numbers: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self.data)

    def item(self, index: int) -> tuple[PointCloud, str, str]:
        """Read one shape: its point cloud, its label and its id."""
        found = self.data[index]
        if not isinstance(found, tuple | list) or len(found) < 2:
            raise InputError(f"shape {index} must be a pair of a cloud and its class, got {type(found).__name__}")
        self._numbers[index] = self._checked(index, found[1])
        cloud = as_cloud(found[0])
        return PointCloud(cloud.points, cloud.normals, cloud.colors, self.id(index)), self.label(index), self.id(index)

    def label(self, index: int) -> str:
        """Name the class of one shape; it is read once for that, unless the data has ``targets``."""
        if index not in self._numbers:
            targets = getattr(self.data, "targets", None)
            number = self.data[index][1] if targets is None else targets[index]
            self._numbers[index] = self._checked(index, number)
        return self.labels[self._numbers[index]]

    def id(self, index: int) -> str:
        """Name one shape: as the data does, else by its place."""
        return str(self.data.id(index)) if hasattr(self.data, "id") else f"{index:06d}"

    def _checked(self, index: int, number: Any) -> int:
        try:
            known = int(number)
        except (TypeError, ValueError):
            known = -1
        if isinstance(number, float) or not 0 <= known < len(self.labels):
            raise InputError(
                f"shape {index} must come with the number of its class, 0 to {len(self.labels) - 1}, got {number!r}"
            )
        return known


def as_dataset(data: Any) -> Dataset:
    """Take a dataset of this package's protocol as it is, and wrap one that is indexed as torch's are.

    Raises:
        InputError: It is neither.
    """
    return data if hasattr(data, "item") and hasattr(data, "labels") else Indexed(data)

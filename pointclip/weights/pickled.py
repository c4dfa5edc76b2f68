"""Tensors out of a pickled training checkpoint whose other objects (optimisers, schedulers) are not wanted."""

import pickle
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from pointclip.errors import WeightsError
from pointclip.weights import files as _files

_KNOWN = {
    ("collections", "OrderedDict"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
}


class _Inert:
    """Stands in for an object of any class: whatever is done to build it does nothing."""

    def __new__(cls, *_: Any, **__: Any) -> "_Inert":
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __setstate__(self, state: Any) -> None: ...

    def __setitem__(self, key: Any, value: Any) -> None: ...

    def append(self, value: Any) -> None:
        """Take an element of a list."""

    def extend(self, values: Any) -> None:
        """Take elements of a list."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Give what tensors and dictionaries are made of; of all else, nothing that could run."""
        return super().find_class(module, name) if (module, name) in _KNOWN else _Inert


def read_pickled(path: str | Path) -> Any:
    """Read what ``torch.save`` wrote, with tensors, numbers and containers as they are and inert other objects.

    No code of the file runs, and no class that it names is looked up.

    Args:
        path: The file.

    Raises:
        WeightsError: It is missing, empty, cut, or none that ``torch.save`` wrote.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as root:
        ...     torch.save({"state_dict": {"w": torch.ones(2)}, "code": print}, f"{root}/w.tar")
        ...     read_pickled(f"{root}/w.tar")["state_dict"]
        {'w': tensor([1., 1.])}
    """
    path = Path(path)
    _files.check_readable(path)
    how: dict[str, Any] = {"Unpickler": _Unpickler, "load": lambda file, **told: _Unpickler(file, **told).load()}
    module: Any = SimpleNamespace(__name__="inert", **how)
    try:
        return torch.load(path, map_location="cpu", pickle_module=module, weights_only=False)
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, pickle.PickleError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{path} could not be read: {_files.summary(error, 'torch.save')}") from error

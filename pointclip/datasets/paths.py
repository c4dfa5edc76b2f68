"""Files, folders and patterns to a list of shape files."""

import glob
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pointclip._base.files import check_name
from pointclip.errors import InputError
from pointclip.meshes import KNOWN_SUFFIXES, STDIN, is_shape, is_unread_shape
from pointclip.points import PointCloud


@dataclass(frozen=True)
class Item:
    """A file on its way through: found, then read, or the reason why not.

    Attributes:
        path: The file, or what the user wrote where it leads to no file.
        cloud: Its points once they are read.
        error: Why there are none; any exception, for one bad file must not stop the others.
    """

    path: str
    cloud: PointCloud | None = None
    error: Exception | None = None


def find_shapes(paths: Iterable[str | Path]) -> list[Item]:
    """Turn files, folders and patterns into a list of shape files.

    Args:
        paths: A file is taken as it is. A folder is searched with all folders below it, also behind links, for the
            known file types and without hidden ones; a .txt, .csv or .asc counts when it holds rows of numbers. A
            pattern with ``*``, ``?`` or ``[...]`` (``**`` for any depth) is matched, each match a known file type or a
            folder.

    Returns:
        Items without a cloud, in the order given, each folder and pattern sorted by name, no file twice. A path that
        leads to no shape is an item with an ``InputError``.

    Example:
        >>> print(find_shapes(["chair.obj"])[0].error)
        chair.obj does not exist: check the path
    """
    known: dict[str, Item] = {}
    for path in map(str, paths):
        for item in _expand(path):
            known.setdefault(os.path.realpath(item.path), item)
    return list(known.values())


def unread(paths: Iterable[str | Path]) -> dict[str, int]:
    """Count the shapes in folders that :func:`find_shapes` leaves out, for their type is not read.

    Returns:
        Numbers by file type, the most frequent first.

    Example:
        >>> unread(["chair.obj"])
        {}
    """
    folders = {os.path.realpath(path): str(path) for path in paths if os.path.isdir(path)}  # noqa: PTH112  no name is too long for it
    files = {os.path.realpath(path) for folder in folders.values() for path in _files(folder) if is_unread_shape(path)}
    return dict(Counter(Path(path).suffix.lower() for path in sorted(files)).most_common())


def _expand(path: str) -> list[Item]:
    if path == STDIN:
        return [Item(path)]
    try:
        check_name(path)
    except InputError as error:
        return [Item(path, error=error)]
    if Path(path).is_dir():
        return _in_folder(path)
    if not Path(path).exists() and glob.has_magic(path):
        return _in_pattern(path)
    if not os.path.lexists(path):
        return [Item(path, error=InputError(f"{path} does not exist: check the path"))]
    if not Path(path).exists():
        target = os.path.realpath(path)
        return [Item(path, error=InputError(f"{path} is a link to {target}, which does not exist: mend the link"))]
    return [Item(path)]


def _in_pattern(pattern: str) -> list[Item]:
    matches = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207  Path.glob takes no absolute pattern
    found: list[Item] = []
    for match in matches:
        if Path(match).is_dir():
            found += _below(match)
        elif _is_shape(match):
            found.append(Item(match))
    if found:
        return found
    why = "matches no file: check the pattern"
    if matches:
        why = f"matches {len(matches)} path{'s' * (len(matches) > 1)}, none a shape: known file types are {_types()}"
    return [Item(pattern, error=InputError(f"{pattern} {why}"))]


def _in_folder(folder: str) -> list[Item]:
    none = InputError(f"{folder} holds no shape, nor do the folders below it: known file types are {_types()}")
    return _below(folder) or [Item(folder, error=none)]


def _below(folder: str) -> list[Item]:
    found: list[Item] = []

    def refused(error: OSError) -> None:
        text = f"{error.filename} cannot be listed ({error.strerror}): check its permissions"
        found.append(Item(str(error.filename), error=InputError(text)))

    for path in _files(folder, refused):
        if is_shape(path):
            found.append(Item(path))
    return found


def _files(folder: str, refused: Callable[[OSError], None] | None = None) -> Iterator[str]:
    """Give all files below a folder that are not hidden."""
    seen = {os.path.realpath(folder)}
    for where, below, names in os.walk(folder, onerror=refused, followlinks=True):
        below[:] = [name for name in sorted(below) if _is_new(Path(where) / name, seen)]
        yield from (str(Path(where) / name) for name in sorted(names) if not name.startswith("."))


def _is_new(folder: Path, seen: set[str]) -> bool:
    """Tell whether a folder is to be searched: no hidden one, no archive's shadow, none that a link leads back to."""
    if folder.name.startswith(".") or folder.name == "__MACOSX":
        return False
    real = os.path.realpath(folder)
    new = real not in seen
    seen.add(real)
    return new


def _is_shape(path: str) -> bool:
    return not Path(path).name.startswith(".") and is_shape(path)


def _types() -> str:
    return " ".join(KNOWN_SUFFIXES)

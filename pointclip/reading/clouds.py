"""Paths to a bounded stream of point clouds, read in worker threads while the caller works on the ones before."""

import glob
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

from pointclip._base.threads import cores
from pointclip.errors import InputError
from pointclip.meshes import KNOWN_SUFFIXES
from pointclip.points import PointCloud, load

LARGE_BYTES = 50_000_000
_ONE_LARGE_FILE = threading.Lock()
Given = TypeVar("Given")
Made = TypeVar("Made")


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
        paths: A file is taken as it is. A folder is searched with all folders below it, for the known file types and
            without hidden ones. A pattern with ``*``, ``?`` or ``[...]`` (``**`` for any depth) is matched, each match
            a known file type or a folder.

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
            known.setdefault(os.path.normpath(Path.cwd() / item.path), item)
    return list(known.values())


def read_clouds(
    items: Iterable[Item],
    read: Callable[[str], PointCloud] = load,
    workers: int | None = None,
    ahead: int | None = None,
) -> Iterator[Item]:
    """Read files in worker threads, in order, a few ahead of the caller.

    Args:
        items: What :func:`find_shapes` gave; items with an error pass as they are.
        read: From a path to a cloud; called in the workers.
        workers: Number of threads; None is one less than the cores this process may use, at least 1 and at most 4,
            for the caller's own work needs the rest.
        ahead: Most clouds that are read or being read before the caller asks for them; None is two per worker.

    Yields:
        The items in their order, each with its cloud or its error.

    Note:
        At most ``ahead`` + 1 clouds are alive at once, however many files there are. Files over 50 MB are read one at
        a time. Closing the iterator drops what was not yet begun.

    Example:
        >>> items = read_clouds(find_shapes(["a.obj"]))
        >>> [item.error is None for item in items]
        [False]
    """
    workers, ahead = crew(workers, ahead)
    return in_order(partial(_read, read=read), items, workers, ahead)


def crew(workers: int | None, ahead: int | None) -> tuple[int, int]:
    """Settle how many read at once and how far ahead.

    Raises:
        InputError: One of them is below 1.
    """
    workers = max(1, min(4, cores() - 1)) if workers is None else workers
    ahead = 2 * workers if ahead is None else ahead
    if workers < 1 or ahead < 1:
        raise InputError(f"workers and ahead must be at least 1, got {workers} and {ahead}")
    return workers, ahead


def in_order(
    work: Callable[[Given], Made], given: Iterable[Given], workers: int, ahead: int
) -> Generator[Made, None, None]:
    """Work on things in threads and yield what is made of them in order, at most ``ahead`` before they are asked for.

    Example:
        >>> list(in_order(abs, [-1, 2, -3], workers=2, ahead=2))
        [1, 2, 3]
    """
    source = iter(given)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="pointclip-read")
    waiting: deque[Future[Made]] = deque()
    try:
        waiting.extend(pool.submit(work, thing) for thing in islice(source, ahead))
        while waiting:
            done = waiting.popleft().result()
            waiting.extend(pool.submit(work, thing) for thing in islice(source, 1))
            yield done
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def attempt(name: str, read: Callable[[], Made]) -> tuple[Made | None, Exception | None]:
    """Read something, or give the reason why not: whatever a file brings about, the others are still to be read.

    Example:
        >>> attempt("a.obj", lambda: 1 / 0)
        (None, ZeroDivisionError('division by zero'))
    """
    try:
        return read(), None
    except MemoryError:
        return None, InputError(f"{name} needs more memory than there is free: thin it or cut it into parts first")
    except Exception as error:
        return None, error


def _read(item: Item, read: Callable[[str], PointCloud]) -> Item:
    if item.error is not None:
        return item
    with _ONE_LARGE_FILE if _is_large(item.path) else nullcontext():
        return Item(item.path, *attempt(item.path, partial(read, item.path)))


def _is_large(path: str) -> bool:
    try:
        return Path(path).stat().st_size > LARGE_BYTES
    except OSError:
        return False  # the reader words what is wrong with it


def _expand(path: str) -> list[Item]:
    if Path(path).is_dir():
        return _in_folder(path)
    if not Path(path).exists() and glob.has_magic(path):
        return _in_pattern(path)
    if not os.path.lexists(path):
        return [Item(path, error=InputError(f"{path} does not exist: check the path"))]
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

    for where, below, names in os.walk(folder, onerror=refused):
        below[:] = sorted(name for name in below if not name.startswith("."))
        found += [Item(str(Path(where) / name)) for name in sorted(names) if _is_shape(name)]
    return found


def _is_shape(path: str) -> bool:
    return Path(path).suffix.lower() in KNOWN_SUFFIXES and not Path(path).name.startswith(".")


def _types() -> str:
    return " ".join(KNOWN_SUFFIXES)

"""Paths to a bounded stream of point clouds, read in worker threads while the caller works on the ones before."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

from pointclip._base.threads import cores
from pointclip.datasets import Item
from pointclip.errors import InputError
from pointclip.points import PointCloud, load

LARGE_BYTES = 50_000_000
_ONE_LARGE_FILE = threading.Lock()
Given = TypeVar("Given")
Made = TypeVar("Made")


def read_clouds(
    items: Iterable[Item],
    read: Callable[[str], PointCloud] = load,
    workers: int | None = None,
    ahead: int | None = None,
) -> Iterator[Item]:
    """Read files in worker threads, in order, a few ahead of the caller.

    Args:
        items: What :func:`pointclip.datasets.paths.find_shapes` gave; items with an error pass as they are.
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
        >>> from pointclip.datasets.paths import find_shapes
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

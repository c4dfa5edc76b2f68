"""Shapes of a dataset, read by worker processes in order and a few ahead; a bad one is a reading with its error."""

import multiprocessing
import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice

from pointclip.datasets.protocol import Dataset, id_of, label_of
from pointclip.errors import InputError, PointClipError
from pointclip.points import PointCloud

_AT_ONCE = 8  # shapes of one message between processes


@dataclass(frozen=True, eq=False)
class Reading:
    """A shape as it was read.

    Attributes:
        index: Its place in the dataset.
        id: Its name.
        label: Its class, "" where unknown.
        cloud: Its points, or None.
        error: Why there are none; any exception, for one bad file must not stop the others.
        seconds: How long the reading took.
    """

    index: int
    id: str
    label: str
    cloud: PointCloud | None
    error: Exception | None
    seconds: float


def read_items(
    dataset: Dataset, indices: Sequence[int], workers: int | None = None, ahead: int | None = None
) -> Iterator[Reading]:
    """Read shapes in the order of the indices.

    Args:
        dataset: Where they come from; it is pickled for worker processes.
        indices: Places in the dataset.
        workers: 1 reads in a thread beside the caller; more are processes, which pay where many files are read, for
            each takes seconds to start. None is 1.
        ahead: Most shapes that are read or being read before the caller asks for them; None is 16 per worker.

    Yields:
        One reading for each index. The number of workers changes nothing in them but the seconds.

    Raises:
        InputError: A worker process was ended from outside, or ``workers`` is below 1.
    """
    workers = 1 if workers is None else workers
    ahead = 2 * _AT_ONCE * workers if ahead is None else ahead
    if workers < 1 or ahead < 1:
        raise InputError(f"workers and ahead must be at least 1, got {workers} and {ahead}")
    size = 1 if workers == 1 else min(_AT_ONCE, ahead)
    groups = (list(indices[start : start + size]) for start in range(0, len(indices), size))
    pool = _pool(dataset, workers)
    waiting: deque[Future[list[Reading]]] = deque()
    try:
        waiting.extend(pool.submit(_read, *_to(dataset, workers), group) for group in islice(groups, -(-ahead // size)))
        while waiting:
            done = waiting.popleft().result()
            waiting.extend(pool.submit(_read, *_to(dataset, workers), group) for group in islice(groups, 1))
            yield from done
    except BrokenProcessPool as error:
        raise InputError(
            "a process that read shapes was ended from outside, perhaps for want of memory: use fewer workers"
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


_held: Dataset | None = None


def _hold(dataset: Dataset) -> None:
    """Keep the dataset in a worker process, which reads on one thread; Ctrl-C is for the process that waits."""
    import signal

    import torch

    global _held
    _held = dataset
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _pool(dataset: Dataset, workers: int) -> Executor:
    if workers == 1:
        return ThreadPoolExecutor(1, "pointclip-read")
    context = multiprocessing.get_context("spawn")  # a fork would copy the caller's threads half
    return ProcessPoolExecutor(workers, context, initializer=_hold, initargs=(dataset,))


def _to(dataset: Dataset, workers: int) -> tuple[Dataset | None]:
    return (dataset if workers == 1 else None,)


def _read(dataset: Dataset | None, indices: list[int]) -> list[Reading]:
    source = _held if dataset is None else dataset
    if source is None:
        raise RuntimeError(f"process {os.getpid()} was given no dataset")
    return [_one(source, index) for index in indices]


def _one(dataset: Dataset, index: int) -> Reading:
    start = time.perf_counter()
    cloud: PointCloud | None = None
    error: Exception | None = None
    try:
        cloud, label, name = dataset.item(index)
    except MemoryError:
        label, name = label_of(dataset, index), id_of(dataset, index)
        error = InputError(f"{name} needs more memory than there is free: thin it or cut it into parts first")
    except Exception as fault:  # whatever a file brings about, the others are still to be read
        label, name, error = label_of(dataset, index), id_of(dataset, index), _portable(fault)
    return Reading(index, name, label, cloud, error, time.perf_counter() - start)


def _portable(error: Exception) -> Exception:
    """Give an exception that passes from process to process, alike from a thread."""
    if isinstance(error, PointClipError):
        return type(error)(str(error))
    return RuntimeError(f"{type(error).__name__}: {' '.join(str(error).split())}")

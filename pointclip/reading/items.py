"""Shapes of a dataset read in order, ahead of the caller; by processes too, for reading meshes is plain Python."""

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from queue import SimpleQueue
from threading import Event, Lock, Thread
from typing import Any

import torch

from pointclip._base.threads import cores, one_thread
from pointclip.datasets import Dataset, id_of, label_of
from pointclip.errors import InputError, PointClipError
from pointclip.points import PointCloud
from pointclip.reading.clouds import attempt, crew, in_order

WORTH_PROCESSES = 64  # below that many shapes, processes take longer to start than they save
ASKED_AHEAD = 3
_ENDED = (OSError, EOFError, ValueError, pickle.UnpicklingError)


@dataclass(frozen=True, eq=False)
class Reading:
    """One shape that was read, or the reason why not.

    Attributes:
        index: Its place in the dataset.
        id: Its name in the dataset.
        label: Its class, "" where unknown.
        cloud: Its points; None where there is an error.
        error: Any exception, for one bad shape must not stop the others.
        seconds: What the reading took.
    """

    index: int
    id: str
    label: str
    cloud: PointCloud | None
    error: Exception | None
    seconds: float


Read = Callable[[int], Reading]


def read_items(
    dataset: Dataset, indices: Iterable[int], workers: int | None = None, ahead: int | None = None
) -> Generator[Reading, None, None]:
    """Read shapes of a dataset in the order of ``indices``, a few ahead of the caller.

    Args:
        dataset: Where the shapes come from; for several workers it must be picklable.
        indices: Places in the dataset.
        workers: The first is a thread of this process, each further one a process of one torch thread, which takes part
            as soon as it has started. None is for a caller who computes meanwhile: processes, one less than the cores
            from 1 to 4, and this process itself until the first of them has started, or where there are few shapes or
            none can start. Plain Python in a thread would hold up every other thread.
        ahead: Most clouds that are read or being read before the caller asks for them; None is two for one worker and
            eight for each of several.

    Returns:
        An iterator of readings, each with its cloud or its error. Processes start with this call; they end with the
        iterator or with this process, however it ends.

    Raises:
        InputError: ``workers`` or ``ahead`` is below 1, or the dataset cannot be sent to another process.
        PointClipError: While iterating: a worker process was ended from outside.

    Note:
        The readings are the same for any number of workers, apart from the seconds.

    Example:
        >>> from pointclip.datasets.folder import ClassFolder
        >>> import tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as root:
        ...     (pathlib.Path(root) / "cup").mkdir()
        ...     _ = (pathlib.Path(root) / "cup" / "a.xyz").write_text("0 0 0\\n1 1 1\\n")
        ...     [(reading.id, reading.cloud) for reading in read_items(ClassFolder(root), [0])]
        [('cup/a.xyz', PointCloud(2 points, name='a'))]
    """
    indices, beside = list(indices), workers is None
    if beside and (len(indices) < WORTH_PROCESSES or type(dataset).__module__ == "__main__" or cores() == 1):
        workers, beside = 1, False
    readers, ahead_of_one = crew(workers, ahead)
    processes = readers if beside else readers - 1
    if not processes:
        return in_order(partial(read_one, dataset), indices, 1, ahead_of_one)
    own = partial(read_one, dataset)
    try:
        dataset_bytes = pickle.dumps(dataset)
    except Exception as error:  # whatever a dataset's own parts raise
        if beside:
            return in_order(own, indices, 1, ahead_of_one)
        raise InputError(f"the dataset cannot be sent to another process ({error}): read it with workers=1") from error
    together = _read_together(own, dataset_bytes, processes, indices, ahead or 8 * (1 + processes), beside)
    next(together)  # starts the processes: an iterator that never began would not end them
    return together


def read_one(dataset: Dataset, index: int) -> Reading:
    """Read one shape here and now."""
    name, label, start = id_of(dataset, index), label_of(dataset, index), time.perf_counter()
    with one_thread():  # as in the other processes: the threads of torch take more than they give here
        item, error = attempt(name, lambda: dataset.item(index))
    seconds = time.perf_counter() - start
    return Reading(index, name, label, item and item[0], error and _portable(error), seconds)


def _read_together(
    own: Read, dataset_bytes: bytes, processes: int, indices: list[int], ahead: int, beside: bool
) -> Generator[Reading, None, None]:
    """Start the processes and yield once; then yield the readings."""
    idle: SimpleQueue[Read] = SimpleQueue()
    idle.put(own)
    others: list[_Worker] = []

    def read(index: int) -> Reading:
        reader = idle.get()
        try:
            return reader(index)
        finally:
            if not beside or reader is not own or not any(other.ready.is_set() for other in others):
                idle.put(reader)

    try:
        with suppress(OSError) if beside else nullcontext():  # none can start here
            for _ in range(processes):
                others.append(_Worker(dataset_bytes, idle, needed=not beside))
        yield  # type: ignore[misc]
        yield from in_order(read, indices, 1 + ASKED_AHEAD * len(others), ahead)
    finally:
        for worker in others:
            worker.end()


class _Worker:
    """A process that holds the dataset and reads the shapes it is asked for, in that order.

    It is asked for the next ones before it is done, for a thread of this process that wants to ask may have to wait
    until another one, busy with a shape of its own, lets go of the interpreter.

    No ``multiprocessing``: its children run the caller's script again, so that every caller would need a guard. This
    one knows pointclip only, hears no Ctrl-C, and ends when its input does, whatever became of the parent.
    """

    def __init__(self, dataset_bytes: bytes, idle: "SimpleQueue[Read]", needed: bool) -> None:
        one_thread = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")}
        known = os.pathsep.join(path or os.getcwd() for path in sys.path)  # noqa: PTH109
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pointclip.reading.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **one_thread, "PYTHONPATH": known, "PYTHONSAFEPATH": "1"},
            start_new_session=True,
        )
        self.ready = Event()
        self._asking = Lock()
        self._asked: SimpleQueue[Future[Any] | None] = SimpleQueue()
        self._over = False
        Thread(target=self._start, args=(dataset_bytes, idle, needed), daemon=True).start()

    def _start(self, dataset_bytes: bytes, idle: "SimpleQueue[Read]", needed: bool) -> None:
        Thread(target=self._listen, daemon=True).start()
        try:
            refusal = self._ask(dataset_bytes)
        except _ENDED as error:
            refusal = error
        if refusal is not None and not needed:
            return  # else the first to ask is told
        self.ready.set()
        for _ in range(ASKED_AHEAD):
            idle.put(self.read)

    def _listen(self) -> None:
        while (answer := self._asked.get()) is not None:
            try:
                answer.set_result(pickle.load(self.process.stdout))  # type: ignore[arg-type]
            except Exception as error:  # for want of memory too
                if not isinstance(error, EOFError):
                    self.process.kill()  # the answers to come would be out of step
                answer.set_exception(EOFError(repr(error)))

    def read(self, index: int) -> Reading:
        """Let the process read one shape.

        Raises:
            PointClipError: It ended early, or could not make the dataset.
        """
        try:
            answer = self._ask(index)
        except _ENDED as error:
            raise PointClipError(
                f"a reading process ended early (exit status {self.process.wait()}), perhaps for want of memory, when "
                f"it was to read shape {index}: free some memory and start again, what was done is kept"
            ) from error
        if isinstance(answer, Exception):
            raise answer
        reading, arrays = answer
        return reading if arrays is None else replace(reading, cloud=_cloud(*arrays))

    def _ask(self, what: Any) -> Any:
        asked = self.process.stdin
        assert asked is not None  # it is a pipe
        answer: Future[Any] = Future()
        with self._asking:
            if self._over:
                raise EOFError
            pickle.dump(what, asked)
            asked.flush()
            self._asked.put(answer)
        return answer.result()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        with self._asking:
            self._over = True
            self._asked.put(None)
        for pipe in (self.process.stdout, self.process.stdin):
            with suppress(OSError):  # what was still to be sent
                pipe.close()  # type: ignore[union-attr]


def _portable(error: Exception) -> Exception:
    """Give an exception that passes from process to process, and the same one where there is none to pass."""
    try:
        return pickle.loads(pickle.dumps(error))
    except Exception:  # a class of its own with arguments of its own
        return InputError(f"{type(error).__name__}: {error}")


def packed(reading: Reading) -> tuple[Reading, tuple[Any, ...] | None]:
    """Take a reading apart for a pipe: numpy arrays, for a tensor that is sent keeps a file open where it arrives."""
    cloud = reading.cloud
    if cloud is None:
        return reading, None
    if cloud.mesh is not None:  # numpy arrays already
        return reading, None
    tensors = (cloud.points, cloud.normals, cloud.colors)
    arrays = (None if tensor is None else tensor.numpy() for tensor in tensors)
    return replace(reading, cloud=None), (*arrays, cloud.name, cloud.notes)


def _cloud(points: Any, normals: Any, colors: Any, name: str, notes: tuple[str, ...]) -> PointCloud:
    normals, colors = (None if array is None else torch.from_numpy(array) for array in (normals, colors))
    return PointCloud(torch.from_numpy(points), normals, colors, name, notes)

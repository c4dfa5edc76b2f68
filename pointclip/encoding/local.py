"""Shapes drawn and encoded in the threads of this process, each by itself, so that no other changes a digit of it."""

import time
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pointclip._base.threads import cores
from pointclip.datasets import Dataset
from pointclip.encoding.looks import Look
from pointclip.errors import InputError
from pointclip.reading import Reading, read_items

if TYPE_CHECKING:
    from pointclip.model import PointCLIP

STAGES = ("read", "draw", "encode")


@dataclass(frozen=True)
class Task:
    """The looks at one shape that are to be encoded: its place in the dataset and its fingerprint. Picklable."""

    index: int
    fingerprint: str
    looks: tuple[Look, ...]


@dataclass(frozen=True, eq=False)
class Done:
    """What came of a task: a row for each look, its features and the seconds of each stage; or why there is none."""

    task: Task
    rows: tuple[Tensor, ...] = ()
    error: Exception | None = None


@torch.no_grad()
def encode_shape(model: "PointCLIP", task: Task, reading: Reading) -> Done:
    """Draw and encode one shape.

    Args:
        model: Its towers, rig and style.
        task: The looks that are wanted.
        reading: The shape as it was read.

    Returns:
        For each look V C features and three numbers of seconds, float32 on the CPU.
    """
    if reading.cloud is None:
        return Done(task, error=reading.error)
    rows = []
    for look in task.looks:
        start = time.perf_counter()
        try:
            pictures, normalized = look.draw(model, reading.cloud, task.fingerprint)
        except InputError as refused:  # a style that needs what this shape lacks
            return Done(task, error=refused)
        drawn = time.perf_counter()
        features = model.clip.encode_images(pictures, normalized=normalized).float().cpu()
        seconds = torch.tensor([reading.seconds, drawn - start, time.perf_counter() - drawn])
        rows.append(torch.cat([features.flatten(), seconds]))
    return Done(task, tuple(rows))


def run(
    model: "PointCLIP", dataset: Dataset, tasks: Sequence[Task], workers: int | None = None
) -> Generator[Done, None, None]:
    """Encode shapes in threads, each with a core of its own, a few shapes read ahead.

    Args:
        model: What encodes.
        dataset: Where the shapes come from.
        tasks: What to encode.
        workers: Number of threads; None is one for each core, and one on a GPU.

    Yields:
        What came of each task, in their order.
    """
    readings = read_items(dataset, [task.index for task in tasks])
    with closing(readings), closing(stream(model, zip(tasks, readings, strict=True), workers)) as results:
        yield from (done for _, done in results)


def stream(
    model: "PointCLIP", given: Iterable[tuple[Task, Reading]], workers: int | None = None
) -> Generator[tuple[Reading, Done], None, None]:
    """Encode shapes in threads as they are read; each is given back with what came of it."""
    on_cpu = model.device.type == "cpu"
    count = workers or (cores() if on_cpu else 1)
    threads = torch.get_num_threads()
    prepare = partial(torch.set_num_threads, 1 if on_cpu else threads)
    prepare()  # here too: MKL has one number for the whole process, and a reader that set it back would change digits
    pool = ThreadPoolExecutor(count, "pointclip-encode", initializer=prepare)
    waiting: deque[tuple[Reading, Future[Done]]] = deque()
    try:
        for task, reading in given:
            waiting.append((reading, pool.submit(encode_shape, model, task, reading)))
            while len(waiting) > count:
                reading, future = waiting.popleft()
                yield reading, future.result()
        for reading, future in waiting:
            yield reading, future.result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)

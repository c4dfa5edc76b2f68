"""How many threads there are, how many small linear algebra may use, and work on several things at once."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import torch

Given = TypeVar("Given")
Made = TypeVar("Made")


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread for the block.

    Thousands of small products, or of passes over small pictures, gain nothing from a second thread, and lose much
    where the cores are busy: each of them then waits for the scheduler.

    Example:
        >>> with one_thread():
        ...     torch.get_num_threads()
        1
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def cores() -> int:
    """Count the cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def spread(work: Callable[[Given], Made], things: Sequence[Given]) -> list[Made]:
    """Work on several things at once, the threads that torch may use shared out among them.

    As fast as one thing after the other on all threads, and much faster where something else runs on the machine:
    threads that share one product wait for the slowest of them, time and again.

    Args:
        work: Called in other threads, where gradients and inference mode are as by default.
        things: What it is called with.

    Returns:
        What came of each.

    Example:
        >>> spread(lambda x: 2 * x, [1, 2, 3])
        [2, 4, 6]
    """
    threads = torch.get_num_threads()
    crew = min(threads, len(things))
    if crew < 2:
        return [work(thing) for thing in things]
    share = partial(torch.set_num_threads, threads // crew)
    try:
        with ThreadPoolExecutor(crew, "pointclip-share", initializer=share) as pool:
            return list(pool.map(work, things))
    finally:
        torch.set_num_threads(threads)  # or threads to come would take the share for the whole

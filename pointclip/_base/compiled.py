"""Loops compiled by Numba: machine code for this CPU, made at the first use on a machine and kept on disk.

Import this module only inside what is itself imported when a kernel is about to run: it imports Numba.
Numba looks for its folder itself: ``NUMBA_CACHE_DIR``, ``__pycache__`` beside the file, the user's cache folder.
It makes a kernel anew when the kernel's own file has changed, and sees no other: a kernel calls none of another file.
"""

import logging
import math
import weakref
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import torch
from numba.core import event

from pointclip._base.threads import spread

_log = logging.getLogger(__name__)
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
_LARGE = 1 << 22
_MOST_SPARE = 1 << 26
_SPARE: dict[int, list[np.ndarray]] = defaultdict(list)
_WORTH_A_THREAD = 1 << 17


def kernel(function: Callable[..., Any]) -> Any:
    """Make a function one that is compiled at its first call, releases the GIL and is kept on disk.

    Args:
        function: Loops over arrays and scalars; no fast mathematics, so that all machines round alike.

    Returns:
        Numba's dispatcher, without a cache where no folder can be written (the log says so).

    Example:
        >>> @kernel
        ... def double(numbers):
        ...     for at in range(len(numbers)):
        ...         numbers[at] *= 2
        >>> numbers = np.arange(3)
        >>> double(numbers)
        >>> numbers.tolist()
        [0, 2, 4]
    """
    try:
        return numba.njit(cache=True, **_OPTIONS)(function)
    except RuntimeError as error:
        _log.info("%s: it is compiled in every process", error)
        return numba.njit(**_OPTIONS)(function)


def folder() -> str | None:
    """Name the folder where a kernel written in this folder is kept, or None where Numba finds none it can write.

    Example:
        >>> folder() is None or "pycache" in folder() or "numba" in folder()
        True
    """
    return kernel(folder).stats.cache_path


def inlined(function: Callable[..., Any]) -> Any:
    """Make a function a part of the kernels of its file: its lines stand in their loops, for a call costs more."""
    return numba.njit(inline="always", **_OPTIONS)(function)


def over_pictures(run: Any, num_pictures: int, cost: int, *arguments: Any) -> None:
    """Run a kernel on all pictures, a range of them in each of the threads that torch may use.

    Args:
        run: A kernel of (first, last, *arguments), which works on the pictures of that range alone.
        num_pictures: How many there are.
        cost: About how many steps all take together; few are not worth a second thread.
        arguments: Arrays and scalars.
    """
    crew = max(1, min(torch.get_num_threads(), num_pictures, cost // _WORTH_A_THREAD))
    bounds = [num_pictures * part // crew for part in range(crew + 1)]
    spread(lambda part: run(bounds[part], bounds[part + 1], *arguments), range(crew))


def empty(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """Make a tensor of whatever the memory holds; a large one lies in memory that a former one has left, or of NumPy.

    First touching 57 MB takes longer than what a kernel writes there: 4 ms, or 18 ms in memory of torch, which asks
    Linux for no huge pages. Up to ``_MOST_SPARE`` bytes are kept for the next call.

    Example:
        >>> empty((2, 3), torch.float32).shape
        torch.Size([2, 3])
    """
    num_bytes = math.prod(shape) * dtype.itemsize
    if num_bytes < _LARGE:
        return torch.empty(shape, dtype=dtype)
    try:
        block = _SPARE[num_bytes].pop()
    except IndexError:
        block = np.empty(num_bytes, np.uint8)
    array = block.view(torch.empty(0, dtype=dtype).numpy().dtype).reshape(shape)
    weakref.finalize(array, _give_back, block).atexit = False
    return torch.from_numpy(array)


def _give_back(block: np.ndarray) -> None:
    """Keep the memory of a tensor that nobody holds any more; any thread may come here at any time."""
    if sum(size * len(blocks) for size, blocks in list(_SPARE.items())) + block.nbytes > _MOST_SPARE:
        _SPARE.clear()
    if block.nbytes <= _MOST_SPARE:
        _SPARE[block.nbytes].append(block)


class _Announcement(event.Listener):
    """Say once that kernels are being compiled, which takes seconds, and where they are kept."""

    said = False

    def on_start(self, event: event.Event) -> None:
        dispatcher = event.data["dispatcher"]
        if self.said or not dispatcher.py_func.__module__.startswith("pointclip."):
            return
        _Announcement.said = True
        folder = dispatcher.stats.cache_path
        kept = f"kept in {folder}" if folder else "not kept: no cache folder of Numba can be written"
        _log.warning("compiling kernels for this CPU, once, some seconds (%s)", kept)

    def on_end(self, event: event.Event) -> None:
        pass


event.register("numba:compile", _Announcement())

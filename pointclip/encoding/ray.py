"""Shapes encoded on a Ray cluster: actors hold the frozen model and send features back."""

import logging
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from pointclip._base.files import refusals
from pointclip._base.optional import require
from pointclip.datasets import Dataset
from pointclip.encoding.local import Done, Task, encode_shape
from pointclip.errors import InputError, PointClipError
from pointclip.reading import read_items

if TYPE_CHECKING:
    from pointclip.model import PointCLIP

TRIES = 4  # of shapes whose worker is lost every time
TOGETHER = 16  # shapes that a worker is given at once
_STORE_BYTES = 500_000_000  # of a cluster of our own: the dataset's list of shapes travels, and features on their way


def run(
    model: "PointCLIP", dataset: Dataset, tasks: Sequence[Task], workers: int | None = None
) -> Generator[Done, None, None]:
    """Encode shapes in the actors of a Ray cluster; those of a lost worker are encoded by another.

    Args:
        model: One of ``PointCLIP.from_pretrained``, for each actor loads it anew.
        dataset: Where the shapes come from. Picklable.
        tasks: What to encode.
        workers: Number of actors; None is one for each core of the cluster, or each GPU for a model on a GPU.

    Yields:
        What came of each task, in any order.

    Raises:
        MissingDependency: Ray is not installed.
        InputError: The model is no pretrained one, or the cluster cannot be joined, or a worker cannot do its work.

    Note:
        ``RAY_ADDRESS`` names a cluster to join, whose machines must see the same files under the same names; without it
        a cluster is started on this machine and shut down at the end.
    """
    if model.again is None:
        raise InputError("engine 'ray' loads the model in each worker: make it with PointCLIP.from_pretrained")
    device, precision = model.device.type, model.clip.precision.name
    again = partial(model.again, device=device, precision=precision)
    yield from _run((again, model.feature_spec.key, dataset, str(Path.cwd())), tasks, workers, int(device == "cuda"))


class Worker:
    """Encodes shapes in another process as this one would.

    Args:
        again: Loads the model.
        key: Names all that decides what the model sees, see :class:`pointclip.feature_spec.FeatureSpec`.
        dataset: Where the shapes come from.
        folder: The working folder, where relative paths start.
    """

    def __init__(self, again: Callable[[], "PointCLIP"], key: str, dataset: Dataset, folder: str) -> None:
        self.again, self.key, self.dataset, self.folder = again, key, dataset, folder
        self.model: PointCLIP | None = None

    def load(self) -> "PointCLIP":
        """Load the model, and use one thread of a processor, as every engine does.

        Raises:
            InputError: It sees otherwise than the one of the process that asks, or this machine lacks the folder.
        """
        with refusals(Path(self.folder), "every worker must see the same folders"):
            os.chdir(self.folder)
        model = self.again()
        if model.feature_spec.key != self.key:
            raise InputError("a worker loaded another model than this process: install the same versions everywhere")
        if model.device.type == "cpu":
            torch.set_num_threads(1)
        return model

    def work(self, tasks: Sequence[Task]) -> tuple[list[Done], str]:
        """Give what came of some tasks, or why none can be done here; the first call loads the model."""
        try:
            self.model = self.model or self.load()
        except PointClipError as error:
            return [], str(error)
        readings = read_items(self.dataset, [task.index for task in tasks], workers=1)
        return [encode_shape(self.model, *pair) for pair in zip(tasks, readings, strict=True)], ""


def _run(crew: tuple[Any, ...], tasks: Sequence[Task], workers: int | None, gpus: int) -> Generator[Done, None, None]:
    ray = require("ray", extra="cluster")
    together = min(TOGETHER, max(1, len(tasks) // 16))
    pieces = [tasks[start : start + together] for start in range(0, len(tasks), together)][::-1]
    patience = {"max_restarts": -1, "max_task_retries": TRIES - 1}
    with _cluster(ray, workers):
        have = max(1, int(ray.cluster_resources().get("GPU" if gpus else "CPU", 0)))
        actor = ray.remote(num_cpus=1, num_gpus=gpus, **patience)(Worker)
        crew_there = [ray.put(part) for part in crew]
        idle = [actor.remote(*crew_there) for _ in range(min(workers or have, have, len(pieces)))]
        busy: dict[Any, tuple[Any, Sequence[Task]]] = {}
        while pieces or busy:
            while idle and pieces:
                worker, piece = idle.pop(), pieces.pop()
                busy[worker.work.remote(piece)] = worker, piece
            (ready,), _ = ray.wait(list(busy))
            worker, piece = busy.pop(ready)
            yield from _received(ray, ready, piece[0].index, piece[-1].index)
            idle.append(worker)


def _received(ray: Any, ready: Any, first: int, last: int) -> list[Done]:
    """Fetch what a worker has done.

    Raises:
        InputError: Every worker that tried it was lost, or it cannot do its work.
    """
    try:
        done, refused = ray.get(ready)
    except ray.exceptions.RayActorError as error:
        raise InputError(
            f"{TRIES} workers were lost, each over the shapes {first} to {last} of the dataset: find the "
            "one with --engine local and leave it out"
        ) from error
    if refused:
        raise InputError(refused)
    return done


@contextmanager
def _cluster(ray: Any, workers: int | None) -> Iterator[None]:
    """Join the cluster that is there, or start one for the block, without a word on the terminal."""
    if ray.is_initialized():
        yield
        return
    joined = os.environ.get("RAY_ADDRESS")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    own = {"address": "local", "num_cpus": workers, "object_store_memory": _STORE_BYTES, "include_dashboard": False}
    try:
        with _no_stderr():  # on which Ray's core reports its log level
            ray.init(**quiet | ({"address": joined} if joined else own))
    except (ConnectionError, ValueError, RuntimeError) as error:
        where = f"{joined} could not be joined" if joined else "could not be started here"
        hint = ": is it up, and does it ask for a token (RAY_AUTH_MODE=token)?" if joined else ""
        raise InputError(f"a Ray cluster {where} ({error}){hint}") from error
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _no_stderr() -> Iterator[None]:
    """Send what libraries in C++ write to stderr nowhere; what goes wrong comes as an exception."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)

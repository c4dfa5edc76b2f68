"""Parts of an encoding job on a Ray cluster: Ray Data hands out their list, actors hold the frozen model."""

import logging
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from pointclip._base.files import refusals
from pointclip._base.optional import require
from pointclip.datasets.protocol import Dataset
from pointclip.encoding.parts import read_part
from pointclip.errors import InputError, PointClipError
from pointclip.reading.items import Reading, read_items

if TYPE_CHECKING:
    from pointclip.model import PointCLIP

TRIES = 4  # of a part whose worker is lost every time
_STORE_BYTES = 500_000_000  # of a cluster of our own: the dataset's list of shapes travels, no shape and no feature
Make = Callable[["PointCLIP", Iterable[Reading], Path], int]


def run_parts(
    model: "PointCLIP",
    dataset: Dataset,
    missing: Sequence[tuple[Path, list[int]]],
    workers: int | None,
    make: Make,
) -> Generator[int, None, None]:
    """Make parts in the actors of a Ray cluster; the parts of a lost worker are made by another.

    Args:
        model: One of ``PointCLIP.from_pretrained``, for each actor loads it anew.
        dataset: Where the shapes come from. Picklable.
        missing: For each part its file and the places of its shapes in the dataset.
        workers: Number of actors; None is one for each core of the cluster, or each GPU for a model on a GPU.
        make: From the model and the shapes of a part to its file; gives their number. Picklable.

    Returns:
        The number of shapes of each part, as it is done.

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
    for path, _ in missing:
        _tries(path).unlink(missing_ok=True)
    crew = Crew(again, model.feature_spec.key, dataset, make, str(Path.cwd()))
    pieces = [{"path": str(path.absolute()), "indices": indices} for path, indices in missing]
    return _run(crew, pieces, workers, gpus=int(device == "cuda"))


@dataclass(frozen=True)
class Crew:
    """What a worker in another process needs to make parts as this one would. Picklable.

    Attributes:
        again: Loads the model.
        key: Names all that decides what the model sees, see :class:`pointclip.feature_spec.FeatureSpec`.
        dataset: Where the shapes come from.
        make: From the model and the shapes of a part to its file.
        folder: The working folder, where relative paths start.
    """

    again: Callable[[], "PointCLIP"]
    key: str
    dataset: Dataset
    make: Make
    folder: str

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

    def work(self, model: "PointCLIP", path: Path, indices: list[int]) -> int:
        """Make one part, unless a worker that was lost had come to its end.

        Raises:
            InputError: Every worker that tried it was lost, or the part cannot be written.
        """
        if read_part(path, indices) is None:
            tries = _tries(path)
            with refusals(tries), tries.open("ab") as file:
                file.write(b".")
            if tries.stat().st_size > TRIES:
                raise InputError(
                    f"{TRIES} workers were lost, each over the shapes {indices[0]} to {indices[-1]} of the dataset: "
                    "find the one with --engine local and leave it out"
                )
            self.make(model, list(read_items(self.dataset, indices, workers=1)), path)
            tries.unlink(missing_ok=True)
        return len(indices)


def _tries(path: Path) -> Path:
    """Name the file that has a byte for each time a part was begun."""
    return path.with_suffix(".tries")


class _Actor:
    """A worker of the crew; it loads the model with its first part, once."""

    def __init__(self, crew: Crew) -> None:
        self.crew = crew
        self.model: PointCLIP | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        try:
            self.model = self.model or self.crew.load()
            pieces = zip(batch["path"], batch["indices"], strict=True)
            return {"done": [self._work(*piece) for piece in pieces], "refused": [""] * len(batch["path"])}
        except PointClipError as error:
            return {"done": [0], "refused": [str(error)]}

    def _work(self, path: str, indices: Any) -> int:
        assert self.model is not None
        return self.crew.work(self.model, Path(path), [int(index) for index in indices])


def _run(crew: Crew, pieces: list[dict[str, Any]], workers: int | None, gpus: int) -> Generator[int, None, None]:
    ray = require("ray", extra="cluster")
    require("ray.data", extra="cluster")
    with _cluster(ray, workers):
        have = int(ray.cluster_resources().get("GPU" if gpus else "CPU", 0))
        actors = ray.data.ActorPoolStrategy(size=min(workers or max(1, have), len(pieces)))
        listed = ray.data.from_items(pieces, override_num_blocks=len(pieces))
        done = listed.map_batches(
            _Actor, fn_constructor_args=(crew,), batch_size=1, compute=actors, num_cpus=1, num_gpus=gpus
        )  # Ray Data starts lost actors anew and repeats their tasks
        for row in done.iter_rows():
            if row["refused"]:
                raise InputError(row["refused"])
            yield row["done"]


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
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
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

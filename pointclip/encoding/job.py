"""A dataset to view features: the long job of ``eval`` and ``embed``, done in parts that survive an interruption."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pointclip._base.files import check_folder, refusals
from pointclip._base.threads import cores
from pointclip.datasets.protocol import Dataset
from pointclip.encoding import ray as engine_ray
from pointclip.encoding.parts import STAGES, Part, part_path, read_part, write_part
from pointclip.encoding.plan import PLAN, claim, plan_of, read_plan
from pointclip.errors import InputError
from pointclip.points.poses import check_pose, ups_of
from pointclip.reading.items import Reading, read_items

if TYPE_CHECKING:
    from pointclip.model import PointCLIP

ENGINES = ("local", "ray")
PART_SIZE = 32
Watch = Callable[[int, int], None]


@dataclass(frozen=True)
class Encodings:
    """View features of a dataset, kept in a folder of parts.

    Attributes:
        folder: Where the parts are.
        parts: For each part its file and the places of its shapes in the dataset.
    """

    folder: Path
    parts: tuple[tuple[Path, list[int]], ...]

    def __iter__(self) -> Iterator[Part]:
        """Read one part after the other, so that memory does not grow with the dataset."""
        for path, indices in self.parts:
            part = read_part(path, indices)
            if part is None:
                raise InputError(f"{path} was changed since it was written: remove it and run the same command again")
            yield part

    @property
    def shapes_sha256(self) -> str:
        """Name all that decides the clouds of the shapes, in their order."""
        return read_plan(self.folder)["shapes_sha256"]

    @property
    def ups(self) -> tuple[str, ...]:
        """Name the axes that were taken as up, P of them; the V views of each stand one after the other."""
        return ups_of(read_plan(self.folder)["spec"]["pose"])

    def remove(self) -> None:
        """Remove the parts, and the folder unless something else lies in it."""
        for path in (*self.folder.glob("part-*"), *self.folder.glob(f"{PLAN}*")):  # drafts of a killed run too
            path.unlink()
        with suppress(OSError):  # it is not empty
            self.folder.rmdir()

    def whole(self) -> Part:
        """Read all parts as one: (N, P V, C) features and all that is known of the N shapes."""
        everything = list(self)
        joined = Part()
        for part in everything:
            for name in ("index", "ids", "labels", "errors"):
                getattr(joined, name).extend(getattr(part, name))
            for stage in STAGES:
                joined.seconds[stage].extend(part.seconds[stage])
        known = [part.features for part in everything if part.features.numel()]
        if known:
            rows = [
                p.features if p.features.numel() else known[0].new_zeros(len(p), *known[0].shape[1:])
                for p in everything
            ]
            joined.features = torch.cat(rows)
        return joined


def encode_dataset(
    model: "PointCLIP",
    dataset: Dataset,
    folder: str | Path,
    *,
    indices: Sequence[int] | None = None,
    engine: str = "local",
    pose: str = "given",
    part_size: int | None = None,
    workers: int | None = None,
    watch: Watch | None = None,
) -> Encodings:
    """Encode every shape of a dataset into a folder of parts; finished parts are kept and not made again.

    Args:
        model: Its towers, rig and style; a few-shot head it may carry plays no part.
        dataset: Where the shapes come from.
        folder: Where the parts go; made if it is not there.
        indices: Places in the dataset; None takes all.
        engine: ``"local"``: threads of this process, each with a core of its own and a part at a time. ``"ray"``: the
            actors of a Ray cluster (extra ``cluster``).
        pose: ``"search"`` encodes each shape with each of the six axes as up.
        part_size: Shapes of a part: what an interruption may cost. None is a sixteenth of all, from 1 to 32, so that
            small jobs too keep every core busy.
        workers: Threads or actors; None is one for each core, and one on a GPU.
        watch: Called with the shapes done and the shapes in all, after each part and before the first.

    Returns:
        The parts. A shape that cannot be read or drawn is a row with its error.

    Raises:
        InputError: The folder holds another job, or cannot be written, or there is no such engine.

    Note:
        A part depends on its own shapes only, and is computed on one thread of the processor: engines, the number of
        workers and interruptions do not change a byte of the features.
    """
    if engine not in ENGINES:
        raise InputError(f"engine must be 'local' or 'ray', got {engine!r}")
    check_pose(pose)
    chosen = list(range(len(dataset)) if indices is None else indices)
    part_size = min(PART_SIZE, max(1, len(chosen) // 16)) if part_size is None else part_size
    if part_size < 1 or (workers is not None and workers < 1):
        raise InputError(f"part_size and workers must be at least 1, got {part_size} and {workers}")
    folder = check_folder(folder)
    claim(folder, plan_of(model, dataset, chosen, part_size, pose))
    pieces = [chosen[start : start + part_size] for start in range(0, len(chosen), part_size)]
    found = Encodings(folder, tuple((part_path(folder, number), piece) for number, piece in enumerate(pieces)))
    missing = [(path, piece) for path, piece in found.parts if read_part(path, piece) is None]
    done = len(chosen) - sum(len(piece) for _, piece in missing)
    if watch is not None:
        watch(done, len(chosen))
    if missing:
        run = _run(engine, pose)
        with closing(run(model, dataset, missing, workers)) as counts:  # workers stop when the caller does
            for count in counts:
                done += count
                if watch is not None:
                    watch(done, len(chosen))
    return found


def encode_part(model: "PointCLIP", readings: Iterable[Reading], ups: Sequence[str] = ("y",)) -> Part:
    """Draw and encode some shapes, pictures of several shapes passing the tower together.

    Args:
        model: Its towers, rig and style.
        readings: The shapes as they were read.
        ups: The axes to take as up, one after the other.

    Returns:
        The part; features on the CPU.
    """
    part, waiting = Part(), _Waiting(model, ups)
    rows: dict[int, Tensor] = {}
    for reading in readings:
        part.index.append(reading.index)
        part.ids.append(reading.id)
        part.labels.append(reading.label)
        part.seconds["read"].append(reading.seconds)
        start = time.perf_counter()
        error = reading.error
        try:
            if error is None and reading.cloud is not None:
                waiting.draw(len(part) - 1, reading.cloud)
        except InputError as refused:  # a style that needs what this shape lacks
            error = refused
        part.errors.append("" if error is None else _sentence(reading.id, error))
        part.seconds["draw"].append(time.perf_counter() - start)
        part.seconds["encode"].append(0.0)
        if waiting.full:
            rows |= waiting.encode(part.seconds["encode"])
    rows |= waiting.encode(part.seconds["encode"])
    if rows:
        like = next(iter(rows.values()))
        part.features = torch.stack([rows.get(place, torch.zeros_like(like)) for place in range(len(part))])
    else:
        part.features = torch.zeros(len(part), 0, 0)
    return part


class _Waiting:
    """Pictures that wait until they fill a batch of the tower."""

    def __init__(self, model: "PointCLIP", ups: Sequence[str]) -> None:
        self.model, self.ups = model, ups
        self.pictures: list[tuple[int, Tensor, bool]] = []

    @property
    def full(self) -> bool:
        return sum(len(pictures) for _, pictures, _ in self.pictures) >= self.model.clip.batch_size

    @torch.no_grad()
    def draw(self, place: int, cloud: Any) -> None:
        pictures = torch.cat([self.model.render(cloud.turned(up))[0] for up in self.ups])
        self.pictures.append((place, pictures, self.model.style_for(cloud).clip_normalized))

    def encode(self, seconds: list[float]) -> dict[int, Tensor]:
        """Encode what waits, and share the time among its shapes."""
        start = time.perf_counter()
        found: dict[int, Tensor] = {}
        for normalized in (True, False):
            chosen = [(place, pictures) for place, pictures, kind in self.pictures if kind is normalized]
            if chosen:
                together = torch.cat([pictures for _, pictures in chosen])
                features = self.model.clip.encode_images(together, normalized=normalized).float().cpu()
                sizes = [len(pictures) for _, pictures in chosen]
                found |= dict(zip((place for place, _ in chosen), features.split(sizes), strict=True))
        for place in found:
            seconds[place] = (time.perf_counter() - start) / len(found)
        self.pictures = []
        return found


def _run(engine: str, pose: str) -> Callable[..., Generator[int, None, None]]:
    make = partial(_make, ups=ups_of(pose))
    return partial(engine_ray.run_parts if engine == "ray" else _run_local, make=make)


def _run_local(
    model: "PointCLIP",
    dataset: Dataset,
    missing: list[tuple[Path, list[int]]],
    workers: int | None,
    make: engine_ray.Make,
) -> Generator[int, None, None]:
    """Work on parts in threads, a few parts read ahead; give the size of each part as it is done."""
    on_cpu = model.device.type == "cpu"
    count = workers or (cores() if on_cpu else 1)
    threads = torch.get_num_threads()
    prepare = partial(torch.set_num_threads, 1 if on_cpu else threads)
    pool = ThreadPoolExecutor(count, "pointclip-encode", initializer=prepare)
    waiting: deque[Future[int]] = deque()
    stop = Event()
    try:
        with closing(read_items(dataset, [index for _, piece in missing for index in piece])) as readings:
            for path, piece in missing:
                waiting.append(pool.submit(make, model, _until(stop, [next(readings) for _ in piece]), path))
                while len(waiting) > count:
                    yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)  # waits: a thread must not write to a folder that its owner then removes
        torch.set_num_threads(threads)


def _until(stop: Event, readings: Iterable[Reading]) -> Iterator[Reading]:
    for reading in readings:
        if stop.is_set():
            raise CancelledError
        yield reading


def _make(model: "PointCLIP", readings: Iterable[Reading], path: Path, ups: Sequence[str] = ("y",)) -> int:
    part = encode_part(model, readings, ups)
    with refusals(path):
        write_part(path, part)
    return len(part)


def _sentence(name: str, error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if name in text else f"{name}: {text}"

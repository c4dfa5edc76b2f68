"""A dataset to view features, each look at each shape encoded once and kept: behind ``eval``, ``embed`` and ``fit``."""

import hashlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pointclip.datasets import Dataset, fingerprint_of, id_of, label_of
from pointclip.encoding import local
from pointclip.encoding import ray as engine_ray
from pointclip.encoding.local import STAGES, Done, Task
from pointclip.encoding.looks import Augmentation, Look
from pointclip.encoding.rows import RowStore
from pointclip.encoding.store import kept_as, kept_row, open_store
from pointclip.errors import InputError
from pointclip.points import check_pose, ups_of

if TYPE_CHECKING:
    from pointclip.model import PointCLIP

Engine = Callable[..., Generator[Done, None, None]]
ENGINES: dict[str, Engine] = {"local": local.run, "ray": engine_ray.run}
PART_SIZE = 32
Watch = Callable[[int, int], None]


@dataclass(eq=False)
class Part:
    """Some shapes, in their order.

    Attributes:
        index: n places in the dataset.
        ids: n names.
        labels: n true classes, "" where unknown.
        errors: n sentences, "" where the shape was encoded.
        features: (n, L V, C) float32, the V views of all L looks, zeros where there is an error.
        seconds: For each stage n seconds, of when the shape was encoded.
    """

    index: list[int]
    ids: list[str]
    labels: list[str]
    errors: list[str]
    features: Tensor
    seconds: dict[str, list[float]]

    def __len__(self) -> int:
        return len(self.index)


@dataclass(frozen=True, eq=False)
class Encodings:
    """View features of shapes of a dataset, read from the store part by part.

    Attributes:
        dataset: Where the shapes come from.
        shapes: For each shape its place in the dataset and what its rows are named after.
        shapes_sha256: Names all that decides the clouds of the shapes, in their order.
        looks: L looks at each shape.
        store: Where the rows are.
        views: V, the views of a look.
        errors: For the place of a shape that could not be encoded, why.
    """

    dataset: Dataset
    shapes: list[tuple[int, str]]
    shapes_sha256: str
    looks: tuple[Look, ...]
    store: RowStore
    views: int
    errors: dict[int, Exception] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Part]:
        """Read a few shapes after the other, so that memory does not grow with their number."""
        for start in range(0, len(self.shapes), PART_SIZE):
            yield self._part(self.shapes[start : start + PART_SIZE])

    def whole(self) -> Part:
        """Read all shapes at once."""
        return self._part(self.shapes)

    @property
    def ups(self) -> tuple[str, ...]:
        """Name the axis that each look takes as up; the V views of each stand one after the other."""
        return tuple(look.up for look in self.looks)

    def missing(self) -> tuple[list[Task], list[Task]]:
        """List what is not in the store: a task for each shape, and apart from these the twins of such shapes."""
        first: dict[str, Task] = {}
        twins = []
        for index, known in self.shapes:
            looks = tuple(look for look in self.looks if self.store.row(look.name(known)) is None)
            task = Task(index, known, looks)
            if looks and first.setdefault(known, task) is not task:
                twins.append(task)
        return list(first.values()), twins

    def _part(self, shapes: list[tuple[int, str]]) -> Part:
        index = [index for index, _ in shapes]
        ids = [id_of(self.dataset, place) for place in index]
        labels = [label_of(self.dataset, place) for place in index]
        errors = [_sentence(name, self.errors.get(place)) for name, place in zip(ids, index, strict=True)]
        rows = torch.zeros(len(shapes), len(self.looks), self.store.width)
        for place, (index_of_shape, known) in enumerate(shapes):
            if index_of_shape not in self.errors:
                rows[place] = torch.stack([kept_row(self.store, look.name(known)) for look in self.looks])
        features, seconds = rows.split([self.store.width - len(STAGES), len(STAGES)], dim=-1)
        read, drawn, encoded = seconds[:, 0, 0], seconds[..., 1].sum(1), seconds[..., 2].sum(1)
        spent = dict(zip(STAGES, (read.tolist(), drawn.tolist(), encoded.tolist()), strict=True))
        features = features.unflatten(2, (self.views, features.shape[2] // self.views)).flatten(1, 2)
        return Part(index, ids, labels, errors, features, spent)


def encode_dataset(
    model: "PointCLIP",
    dataset: Dataset,
    *,
    indices: Sequence[int] | None = None,
    engine: str = "local",
    pose: str = "given",
    looks: Sequence[Look] | None = None,
    workers: int | None = None,
    cache: str | Path | None = None,
    watch: Watch | None = None,
    strict: bool = False,
) -> Encodings:
    """Encode what is not yet in the store, and give all of it.

    Args:
        model: Its towers, rig and style; a few-shot head it may carry plays no part.
        dataset: Where the shapes come from.
        indices: Places in the dataset; None takes all.
        engine: ``"local"``: threads of this process, each with a core of its own and a shape at a time. ``"ray"``: the
            actors of a Ray cluster (extra ``cluster``).
        pose: ``"search"`` encodes each shape with each of the six axes as up.
        looks: Other looks at each shape than those of the pose.
        workers: Threads or actors; None is one for each core, and one on a GPU.
        cache: Folder of the store; None is the user's own (``POINTCLIP_CACHE`` overrides the place).
        watch: Called with the shapes done and the shapes in all, after each shape and before the first.
        strict: End with the first shape that cannot be read or drawn.

    Returns:
        The features. A shape that cannot be read or drawn has its error in their place.

    Raises:
        InputError: There is no such engine or pose, or nothing at all can be written; if ``strict``, a bad shape.

    Note:
        A row depends on its own shape only and is computed on one thread of the processor: engines, the number of
        workers, interruptions and what was in the store before do not change a byte. Any number of processes may use
        one store. Global random state is neither read nor changed.
    """
    if engine not in ENGINES:
        raise InputError(f"engine must be 'local' or 'ray', got {engine!r}")
    check_pose(pose)
    if workers is not None and workers < 1:
        raise InputError(f"workers must be at least 1, got {workers}")
    wanted = tuple(Look(up) for up in ups_of(pose)) if looks is None else tuple(looks)
    chosen = range(len(dataset)) if indices is None else indices
    store, digest, shapes = open_store(model, cache), hashlib.sha256(), []
    for index in chosen:
        known = fingerprint_of(dataset, index)
        digest.update(f"{index} {known}\n".encode())
        shapes.append((index, kept_as(known)))
    found = Encodings(dataset, shapes, digest.hexdigest(), wanted, store, model.views.num_views)

    def told(done: int) -> None:
        if watch is not None:
            watch(done, len(shapes))

    _fill(found, partial(ENGINES[engine], model, dataset, workers=workers), told, strict)
    return found


def _fill(found: Encodings, run: Engine, told: Callable[[int], None], strict: bool) -> None:
    """Encode what is missing, a row into the store as it comes."""
    store = found.store
    first, twins = found.missing()
    done = len(found.shapes) - len(first) - len(twins)
    told(done)
    while first:
        with closing(run(first)) as results:  # workers stop when the caller does
            for result in results:
                if result.error is not None and strict:
                    raise result.error
                if result.error is not None:
                    found.errors[result.task.index] = result.error
                for look, row in zip(result.task.looks, result.rows, strict=False):
                    store.add(look.name(result.task.fingerprint), row)
                done += 1
                told(done)
        first, twins = [task for task in twins if store.row(task.looks[0].name(task.fingerprint)) is None], []
    if done < len(found.shapes):
        told(len(found.shapes))  # with the twins


def encode(
    model: "PointCLIP",
    dataset: Dataset,
    indices: Sequence[int] | None = None,
    *,
    augmentation: Augmentation | None = None,
    seed: int = 0,
    cache: str | Path | None = None,
    watch: Watch | None = None,
) -> Tensor:
    """Encode shapes of a dataset and augmented copies of them as :func:`encode_dataset` does, to a tensor.

    Args:
        model: Its towers, rig and style.
        dataset: Where the shapes come from.
        indices: N places in the dataset; None takes all.
        augmentation: How to make further copies; None makes none.
        seed: Of the augmentation.
        cache: Folder of the store; None is the user's own.
        watch: Called with the shapes done and the shapes in all.

    Returns:
        (N, 1 + copies, V, C) float32 on the CPU, unit length; copy 0 is the clean cloud.

    Raises:
        InputError: A shape cannot be read; the message names its file.
    """
    copies = [
        Look(augmentation=augmentation, seed=seed, copy=k) for k in range(augmentation.copies if augmentation else 0)
    ]
    looks = [Look(), *copies]
    found = encode_dataset(model, dataset, indices=indices, looks=looks, cache=cache, watch=watch, strict=True)
    return found.whole().features.unflatten(1, (len(looks), found.views))


def _sentence(name: str, error: Exception | None) -> str:
    if error is None:
        return ""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if name in text else f"{name}: {text}"

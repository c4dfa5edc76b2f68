"""Shapes read in order and encoded as they come, unless they are in the store: behind ``classify`` of many files."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pointclip.datasets import Dataset, fingerprint_of
from pointclip.encoding import local
from pointclip.encoding.local import STAGES, Task
from pointclip.encoding.looks import Look
from pointclip.encoding.store import kept_as, kept_row, open_store
from pointclip.points import PointCloud, ups_of
from pointclip.prediction import Prediction
from pointclip.reading import read_items

if TYPE_CHECKING:
    from pointclip.model import PointCLIP


@dataclass(frozen=True, eq=False)
class Seen:
    """A shape that was read with the features (L, V, C) of its L poses, or the error that came instead."""

    cloud: PointCloud | None
    features: Tensor | None
    error: Exception | None


def encode_clouds(model: "PointCLIP", dataset: Dataset, pose: str = "given") -> Generator[Seen, None, None]:
    """Read all shapes of a dataset a few ahead of the caller, and encode those that the user's store has not.

    Args:
        model: Its towers, rig and style.
        dataset: Where the shapes come from.
        pose: ``"search"`` encodes each shape with each of the six axes as up.

    Yields:
        The shapes in their order.
    """
    looks, store = [Look(up) for up in ups_of(pose)], open_store(model)

    def tasks() -> Iterator[Task]:
        for index in range(len(dataset)):
            known = kept_as(fingerprint_of(dataset, index))
            yield Task(index, known, tuple(look for look in looks if store.row(look.name(known)) is None))

    width = model.views.num_views, -1
    readings = read_items(dataset, range(len(dataset)))
    with closing(readings), closing(local.stream(model, zip(tasks(), readings, strict=False))) as results:
        for reading, done in results:
            names = [look.name(done.task.fingerprint) for look in looks]
            for look, row in zip(done.task.looks, done.rows, strict=False):
                store.add(look.name(done.task.fingerprint), row)
            if done.error is not None:
                yield Seen(None, None, done.error)
                continue
            rows = torch.stack([kept_row(store, name) for name in names])
            yield Seen(reading.cloud, rows[:, : -len(STAGES)].unflatten(1, width), None)


@torch.no_grad()
def predict(model: "PointCLIP", seen: Seen, labels: Sequence[str] | None, top_k: int | None, pose: str) -> Prediction:
    """Predict as :meth:`pointclip.PointCLIP.classify` does, from features.

    Args:
        model: The model that saw the shape.
        seen: A shape without error.
        labels: K class names; None with an adapter.
        top_k: How many of the best labels to give; None gives all.
        pose: As the shape was seen.
    """
    assert seen.features is not None and seen.cloud is not None
    few_shot = model.few_shot
    classes = tuple(few_shot.labels if few_shot is not None and labels is None else labels or ())
    text = model.encode_labels(classes) if model.head is None else model.head.text
    found = model.predict(seen.features.to(model.device), classes, text, top_k, pose)
    return replace(found, name=seen.cloud.name)

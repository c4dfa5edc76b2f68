"""Shapes of a dataset read in order; a bad one is a reading with its error. (First version: in this thread.)"""

import time
from dataclasses import dataclass

from pointclip.points import PointCloud


@dataclass(frozen=True)
class Reading:
    index: int
    id: str
    label: str
    cloud: PointCloud | None
    error: Exception | None
    seconds: float


def read_items(dataset, indices, workers=None, ahead=None):
    for i in indices:
        t = time.perf_counter()
        entry = dataset.entries[i]
        try:
            cloud, label, name = dataset.item(i)
            err = None
        except Exception as e:
            cloud, label, name, err = None, entry.label, entry.path.relative_to(dataset.root).as_posix(), e
        yield Reading(i, name, label, cloud, err, time.perf_counter() - t)

"""The Parquet file of one part of a long encoding job: some shapes, each with its view features or its error."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from pointclip._base.cache import write_bytes

if TYPE_CHECKING:
    import pyarrow

STAGES = ("read", "draw", "encode")


@dataclass(eq=False)
class Part:
    """Shapes in the order of their index.

    Attributes:
        index: (n,) places in the dataset.
        ids: n names.
        labels: n true classes, "" where unknown.
        errors: n sentences, "" where the shape was encoded.
        features: (n, V, C) float32, the views of all poses, zeros where there is an error.
        seconds: For each stage n seconds.
    """

    index: list[int] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    features: Tensor = field(default_factory=lambda: torch.zeros(0, 0, 0))
    seconds: dict[str, list[float]] = field(default_factory=lambda: {stage: [] for stage in STAGES})

    def __len__(self) -> int:
        return len(self.index)


def part_path(folder: Path, number: int) -> Path:
    """Name a part's file.

    Example:
        >>> part_path(Path("run"), 7).name
        'part-00007.parquet'
    """
    return folder / f"part-{number:05d}.parquet"


def write_part(path: Path, part: Part) -> None:
    """Write a part, whole or not at all.

    Raises:
        OSError: It cannot be written.
    """
    import pyarrow
    from pyarrow import parquet

    sink = pyarrow.BufferOutputStream()
    parquet.write_table(_table(part), sink, compression="none")
    write_bytes(path, sink.getvalue().to_pybytes())


def read_part(path: Path, indices: list[int]) -> Part | None:
    """Read a part; None where there is none, or it is damaged, or holds other shapes than these."""
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
        found = _part(table)
    except (FileNotFoundError, pyarrow.ArrowException, KeyError, ValueError, OSError):
        return None
    return found if found.index == indices else None


def _table(part: Part) -> "pyarrow.Table":
    import pyarrow

    count, *shape = part.features.shape
    flat = pyarrow.array(part.features.reshape(-1).numpy())
    rows: dict[str, Any] = {name: getattr(part, name) for name in ("index", "ids", "labels", "errors")}
    rows |= {f"{stage}_s": pyarrow.array(part.seconds[stage], pyarrow.float64()) for stage in STAGES}
    width = int(np.prod(shape))
    rows["features"] = pyarrow.FixedSizeListArray.from_arrays(flat, width) if width else pyarrow.nulls(count)
    return pyarrow.table(rows).replace_schema_metadata({"shape": " ".join(map(str, shape))})


def _part(table: "pyarrow.Table") -> Part:
    shape = [int(size) for size in table.schema.metadata[b"shape"].split()]
    rows = {name: table[name].to_pylist() for name in ("index", "ids", "labels", "errors")}
    features = torch.zeros(len(table), *shape)
    if features.numel():
        flat = table["features"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        features = torch.from_numpy(flat.copy()).reshape(features.shape)
    return Part(**rows, features=features, seconds={stage: table[f"{stage}_s"].to_pylist() for stage in STAGES})

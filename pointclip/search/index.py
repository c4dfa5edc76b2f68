"""Many shapes in one file, a unit vector each, and the shapes nearest to a query.

The file is a safetensors file: ``features`` (N,C) float32, ``names`` uint8, the shapes' names in UTF-8 one after the
other, ``ends`` (N,) int64, where each name ends in it, and as metadata what made the vectors.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pointclip._base.checks import check_shape
from pointclip._base.files import whole
from pointclip.errors import InputError
from pointclip.feature_spec import FeatureSpec
from pointclip.points import PointCloud, load

FORMAT = 2
CHUNK = 16_384  # rows of one matrix product: 25 MB at 384 channels
_KEY = "pointclip index"


@dataclass(frozen=True)
class Origin:
    """What made the vectors of an index. JSON only.

    Attributes:
        spec: The encoder, the rig, the style and how clouds were treated.
        points: Points drawn on a mesh, and most kept of a cloud.
        up: Axis that points up in the files.
        seed: Seed of the points drawn.
        version: The version of pointclip.
        folder: Where relative names start, seen from the index's own folder.
    """

    spec: FeatureSpec
    points: int
    up: str
    seed: int
    version: str
    folder: str = "."

    def load(self, path: str | Path) -> PointCloud:
        """Read a shape as those of the index were read.

        Raises:
            InputError: As :func:`pointclip.load`.
        """
        return load(path, self.points, self.up, self.seed, drop_outliers=self.spec.drop_outliers)


@dataclass(frozen=True)
class Hit:
    """A shape that was found: its place in the index, its name and its cosine to the query."""

    index: int
    name: str
    similarity: float


def nearest(chunks: Iterable[Tensor], query: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Find the k rows with the largest product with a query, as a full sort would.

    Args:
        chunks: Parts (n,C) of one matrix (N,C), in order.
        query: (C,).
        k: How many.

    Returns:
        Products and row numbers, each (min(k, N),), largest product first; of equal ones the lower row comes first.

    Example:
        >>> nearest([torch.tensor([[1.0], [3.0]]), torch.tensor([[3.0], [2.0]])], torch.ones(1), 3)[1].tolist()
        [1, 2, 3]
    """
    best, rows = query.new_empty(0), torch.empty(0, dtype=torch.int64)
    start = 0
    for chunk in chunks:
        scores = chunk @ query
        better = scores > best[-1] if len(best) == k else torch.ones_like(scores, dtype=torch.bool)
        new = better.nonzero()[:, 0]
        best, rows = torch.cat([best, scores[new]]), torch.cat([rows, new + start])
        order = best.sort(descending=True, stable=True).indices[:k]  # stable: the rows before stay before
        best, rows = best[order], rows[order]
        start += len(chunk)
    return best, rows


def write_index(path: str | Path, features: Tensor, names: Sequence[str], origin: Origin) -> None:
    """Write an index, whole or not at all.

    Args:
        path: The file; one that exists is replaced.
        features: (N,C) float32, unit length.
        names: N names of shapes, such as their paths.
        origin: What made the features.

    Raises:
        InputError: The numbers differ, there is no shape, or the file cannot be written.

    Note:
        Deterministic: the same arguments give the same bytes.
    """
    from safetensors.torch import save

    check_shape("features", features, f"{len(names)} C")
    if not names:
        raise InputError("an index needs at least one shape, got none")
    texts = [name.encode("utf-8", "surrogateescape") for name in names]
    tensors = {
        "features": features.float().cpu().contiguous(),
        "names": torch.frombuffer(bytearray(b"".join(texts)), dtype=torch.uint8),
        "ends": torch.tensor([len(text) for text in texts]).cumsum(0),
    }
    known = json.loads(json.dumps({"format": FORMAT, **asdict(origin)}))  # as it will be read
    about = json.dumps({**known, "sha256": _digest(known, tensors["names"], tensors["ends"], [tensors["features"]])})
    with whole(path) as draft:
        draft.write_bytes(save(tensors, {_KEY: about}))  # save_file would put a new file over a device or a pipe


class ShapeIndex:
    """An index on disk, mapped into memory; its digest is checked when it is opened.

    Args:
        path: A file that :func:`write_index` or ``pointclip embed`` wrote.

    Attributes:
        path: The file.
        origin: What made its vectors.
        channels: C.

    Raises:
        InputError: There is no such file, it is cut, or no index of this format.

    Example:
        >>> ShapeIndex("shapes.safetensors")
        Traceback (most recent call last):
        ...
        pointclip.errors.InputError: shapes.safetensors does not exist: check the path, or make it with pointclip embed
    """

    def __init__(self, path: str | Path) -> None:
        from safetensors import SafetensorError, safe_open

        self.path = Path(path)
        if self.path.is_dir():
            raise InputError(f"{path} is a folder: name a file that pointclip embed wrote")
        try:
            self._file: Any = safe_open(path, "pt")
            about = json.loads((self._file.metadata() or {})[_KEY])
            found, sha256 = about["format"], about.pop("sha256", None)
            if found not in (1, FORMAT):
                raise InputError(
                    f"{path} is of format {found}, and this version reads {FORMAT}: embed the shapes again"
                )
            self._features, self._names = (self._file.get_slice(name) for name in ("features", "names"))
            self._ends = self._file.get_tensor("ends")
            if found > 1 and sha256 != _digest(about, self._file.get_tensor("names"), self._ends, self._chunks()):
                raise InputError(f"{path} is damaged, its sha256 is another: copy it again, or embed the shapes again")
            del about["format"]
            self.origin = _origin(about)
            self._check()
        except FileNotFoundError as error:
            raise InputError(f"{path} does not exist: check the path, or make it with pointclip embed") from error
        except (OSError, SafetensorError) as error:
            raise InputError(f"{path} is cut or no safetensors file ({error}): embed the shapes again") from error
        except (KeyError, TypeError, AttributeError, ValueError, RuntimeError, OverflowError) as error:
            if isinstance(error, InputError) and str(path) in str(error):
                raise
            raise InputError(f"{path} is no index of shapes: name a file that pointclip embed wrote") from error
        self.channels = self._features.get_shape()[1]

    def _check(self) -> None:
        """Refuse rows, names and cameras that no writer leaves behind."""
        shape, ends, letters = self._features.get_shape(), self._ends.tolist(), self._names.get_shape()
        if len(shape) != 2 or shape[0] != len(ends) or ends != sorted(ends) or letters != [max(ends, default=0)]:
            raise ValueError("features, names and their ends do not fit")
        if not isinstance(self.origin.folder, str) or len(self.origin.spec.views.names) < 1:
            raise ValueError("no folder or no views")
        _ = self.origin.spec.drawn

    def __len__(self) -> int:
        return len(self._ends)

    def name(self, index: int) -> str:
        """Name a shape."""
        start = int(self._ends[index - 1]) if index else 0
        return bytes(self._names[start : int(self._ends[index])].tolist()).decode("utf-8", "surrogateescape")

    def place(self, index: int) -> Path:
        """Say where the file of a shape is, if its name is a path: relative names start at the origin's folder."""
        return self.path.parent / self.origin.folder / self.name(index)

    def search(self, query: Tensor, k: int = 10) -> list[Hit]:
        """Find the shapes most similar to a query.

        Args:
            query: (C,) float, unit length: a text feature, or a row of :func:`blended`.
            k: How many.

        Returns:
            At most k hits, the largest cosine first; of equal ones the lower index comes first.

        Raises:
            InputError: The query has another number of channels, or k is below 1.
        """
        if k < 1:
            raise InputError(f"k must be at least 1, got {k}")
        check_shape("query", query, f"{self.channels}")
        scores, rows = nearest(self._chunks(), query.detach().float().cpu(), k)
        return [Hit(i, self.name(i), s) for i, s in zip(rows.tolist(), scores.tolist(), strict=True)]

    def _chunks(self) -> Iterator[Tensor]:
        for start in range(0, self._features.get_shape()[0], CHUNK):
            yield self._features[start : start + CHUNK]

    def refuse_another(self, other: FeatureSpec) -> None:
        """Refuse queries that were encoded otherwise: their vectors mean something else.

        Raises:
            InputError: Naming what differs and what to do.
        """
        self.origin.spec.refuse_another(other, str(self.path))


def _digest(about: dict[str, Any], names: Tensor, ends: Tensor, features: Iterable[Tensor]) -> str:
    """Name all that an index holds: what made the vectors, the names, and the vectors in their order."""
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for tensor in chain((names, ends), features):
        digest.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _origin(about: dict[str, Any]) -> Origin:
    """Read what made an index; those of version 0.1 tell how clouds were treated beside the rest."""
    treated = {name: about.pop(name) for name in ("drop_outliers", "skip_background") if name in about}
    spec = FeatureSpec(**about.pop("eye") | treated) if "eye" in about else FeatureSpec(**about.pop("spec"))
    return Origin(spec, **about)

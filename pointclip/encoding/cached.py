"""Frozen features, encoded once and kept: each view of each cloud and of its augmented copies.

One safetensors file per model, rig and style holds one row (V,C) per cloud and copy. A row's name is a hash of the
cloud's fingerprint (file bytes, points, up axis, seed) and of the copy's augmentation and seed, so that a changed file
or setting finds no row and is encoded anew, while other shots, seeds and methods share what is there.
"""

import hashlib
import json
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from pointclip._base.cache import cache_folder
from pointclip._base.seeds import draw
from pointclip.datasets.protocol import Dataset, fingerprint_of
from pointclip.encoding.rows import RowFile
from pointclip.errors import InputError
from pointclip.meshes import Mesh
from pointclip.points import MeshCloud, PointCloud, augment

if TYPE_CHECKING:
    from pointclip.model import PointCLIP

Watch = Callable[[int, int], None]
_AHEAD = 4


@dataclass(frozen=True)
class Augmentation:
    """How the augmented copies of a training cloud differ from it.

    The model centres and scales every cloud to its frame, so a move and an even scaling of the points would be undone:
    they are done to the picture instead, which shrinks and moves within its frame, all views alike.

    Args:
        copies: Augmented copies beside the clean one; 0 for none.
        yaw_rad: Largest turn about +y to either side, in radians.
        stretch: Range of the factor of each axis.
        jitter: Standard deviation of the noise on each coordinate, in world units.
        zoom: Smallest size of the picture within its frame, in (0, 1]; it moves as far as the room that is left.

    Raises:
        InputError: A number is out of range.

    Example:
        >>> Augmentation(copies=2).copies
        2
    """

    copies: int = 4
    yaw_rad: float = math.pi / 12
    stretch: tuple[float, float] = (0.85, 1.2)
    jitter: float = 0.003
    zoom: float = 0.85

    def __post_init__(self) -> None:
        if self.copies < 0 or not 0 < self.zoom <= 1:
            raise InputError(f"augmentation needs copies >= 0 and zoom in (0, 1], got {self.copies} and {self.zoom}")
        if min(self.yaw_rad, self.jitter) < 0 or not 0 < self.stretch[0] <= self.stretch[1]:
            raise InputError(
                "augmentation needs yaw_rad and jitter of at least 0 and 0 < stretch[0] <= stretch[1], "
                f"got {self.yaw_rad}, {self.jitter} and {self.stretch}"
            )


def encode(
    model: "PointCLIP",
    dataset: Dataset,
    indices: Sequence[int] | None = None,
    *,
    augmentation: Augmentation | None = None,
    seed: int = 0,
    cache: str | Path | None = None,
    batch_size: int = 8,
    watch: Watch | None = None,
) -> Tensor:
    """Encode shapes of a dataset once, and read them from the cache ever after.

    Args:
        model: Its towers, rig and style; a few-shot head it may carry plays no part.
        dataset: Where the shapes come from.
        indices: N places in the dataset; None takes all.
        augmentation: How to make further copies; None makes none.
        seed: Of the augmentation.
        cache: Folder of the cache; None is the user's own (``POINTCLIP_CACHE`` overrides the place).
        batch_size: Shapes between two writes: what a kill may cost.
        watch: Called with the shapes done and the shapes to encode, after each batch and before the first.

    Returns:
        (N, 1 + copies, V, C) float32 on the CPU, unit length; copy 0 is the clean cloud.

    Raises:
        InputError: A shape cannot be read; the message names its file.

    Note:
        Deterministic. A row depends on its own cloud only, so a run that was killed and resumed gives the same bytes.
        Global random state is neither read nor changed.
    """
    chosen = list(range(len(dataset)) if indices is None else indices)
    copies = [None, *range(augmentation.copies if augmentation else 0)]
    prints = {index: fingerprint_of(dataset, index) for index in chosen}
    names = {index: [_row_name(prints[index], augmentation, seed, copy) for copy in copies] for index in chosen}
    file = RowFile(_store_path(model, cache), probe(model))
    rows = file.read({name for index in chosen for name in names[index]})
    missing = [i for i in dict.fromkeys(chosen) if any(name not in rows for name in names[i])]
    for done, clouds in _batches(dataset, missing, batch_size):
        if watch is not None:
            watch(done, len(missing))
        new: dict[str, Tensor] = {}
        for index, cloud in clouds:
            wanted = [(n, c) for n, c in zip(names[index], copies, strict=True) if n not in rows and n not in new]
            new |= _encode_cloud(model, cloud, wanted, augmentation, seed, prints[index])
        file.add(new)
        rows |= new
    if missing:
        file.merge()
        if watch is not None:
            watch(len(missing), len(missing))
    if not chosen:
        return torch.zeros(0, len(copies), *file.probe.shape[1:])
    return torch.stack([torch.stack([rows[name] for name in names[index]]) for index in chosen])


def _row_name(fingerprint: str, augmentation: Augmentation | None, seed: int, copy: int | None) -> str:
    changes: Any = None
    if augmentation is not None and copy is not None:
        changes = [{**asdict(augmentation), "copies": None}, seed, copy]
    return hashlib.sha256(json.dumps([fingerprint, changes]).encode()).hexdigest()[:32]


def _store_path(model: "PointCLIP", cache: str | Path | None) -> Path:
    folder = cache_folder("features") if cache is None else Path(cache)
    return folder / f"{model.feature_spec.key}.safetensors"


@torch.no_grad()
def probe(model: "PointCLIP") -> Tensor:
    """Encode small fixed clouds: features kept by a model, a style or a program that sees otherwise are stale.

    Returns:
        (P,V,C): a cloud with normals and colours, without normals, and without either, and a mesh, as far as the style
        takes them.
    """
    points = torch.nn.functional.normalize(torch.randn(600, 3, generator=draw(0, "probe", 0)), dim=-1)
    points = (points * torch.tensor([1.0, 0.6, 0.3]))[None]
    normals = torch.nn.functional.normalize(points / torch.tensor([1.0, 0.36, 0.09]), dim=-1)
    colors = (points + 1) / 2
    seen = []
    for known in ((normals, colors), (None, colors), (None, None)):
        with suppress(InputError):  # a style may refuse a cloud without normals or colours
            seen.append(model.encode_views(points, *known))
    with suppress(InputError):
        seen.append(model.encode_views(MeshCloud(Mesh(np.eye(3), np.array([[0, 1, 2]]), np.eye(3)[None]), 100)))
    return torch.cat(seen).cpu()


def _batches(
    dataset: Dataset, indices: Sequence[int], batch_size: int
) -> Iterator[tuple[int, list[tuple[int, PointCloud]]]]:
    """Yield batches of clouds with the number of shapes before them; a thread reads a few ahead."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="pointclip-read")
    source = iter(indices)
    waiting: deque[tuple[int, Future[Any]]] = deque()

    def ask(count: int) -> None:
        waiting.extend((index, pool.submit(dataset.item, index)) for index in islice(source, count))

    try:
        ask(_AHEAD)
        for start in range(0, len(indices), batch_size):
            batch: list[tuple[int, PointCloud]] = []
            while waiting and len(batch) < batch_size:
                index, reading = waiting.popleft()
                batch.append((index, reading.result()[0]))
                ask(1)
            yield start, batch
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


@torch.no_grad()
def _encode_cloud(
    model: "PointCLIP",
    cloud: PointCloud,
    wanted: list[tuple[str, int | None]],
    augmentation: Augmentation | None,
    seed: int,
    fingerprint: str,
) -> dict[str, Tensor]:
    """Encode the wanted copies of one cloud, each by itself, so that no other changes a digit of it."""
    rows = {}
    for name, copy in wanted:
        if augmentation is None or copy is None:
            rows[name] = model.encode_views(cloud)[0].cpu()
            continue
        generator = draw(seed, f"augment/{fingerprint}", copy)
        changed = _changed(cloud, augmentation, generator)
        pictures = shrink_and_move(model.render(changed)[0], augmentation.zoom, generator)
        normalized = model.style_for(changed).clip_normalized
        rows[name] = model.clip.encode_images(pictures, normalized=normalized).cpu()
    return rows


def _changed(cloud: PointCloud, augmentation: Augmentation, generator: torch.Generator) -> PointCloud:
    """Turn and stretch a shape, and roughen a cloud: noise on the vertices of a mesh would tear it along its seams."""
    changes: dict[str, Any] = {"yaw": augmentation.yaw_rad, "scale": augmentation.stretch, "shift": 0.0}
    if isinstance(cloud, MeshCloud):
        vertices = augment(torch.from_numpy(cloud.mesh.vertices), generator, **changes)
        return cloud.with_mesh(replace(cloud.mesh, vertices=vertices.numpy()))
    changes["jitter"] = augmentation.jitter
    if cloud.normals is None:
        return replace(cloud, points=augment(cloud.points, generator, **changes))
    points, normals = augment(cloud.points, generator, normals=cloud.normals, **changes)
    return replace(cloud, points=points, normals=normals)


def shrink_and_move(pictures: Tensor, zoom: float, generator: torch.Generator) -> Tensor:
    """Shrink pictures by one random factor and move them by one random step, so that they stay within the frame.

    Args:
        pictures: (V,3,S,S) float.
        zoom: Smallest factor, in (0, 1].
        generator: Source of the three random numbers, on the CPU.

    Returns:
        (V,3,S,S); the room around is filled with the colour of the picture's edge.

    Example:
        >>> page = torch.ones(1, 3, 8, 8)
        >>> torch.allclose(shrink_and_move(page, 0.5, torch.Generator().manual_seed(0)), page)
        True
    """
    drawn = torch.rand(3, generator=generator)
    factor = zoom + (1.0 - zoom) * float(drawn[0])
    right, down = ((2.0 * drawn[1:] - 1.0) * (1.0 - factor)).tolist()
    inverse = torch.tensor([[1.0, 0.0, -right], [0.0, 1.0, -down]]) / factor
    grid = affine_grid(inverse.expand(len(pictures), 2, 3), list(pictures.shape), align_corners=False)
    return grid_sample(pictures.float(), grid.to(pictures.device), padding_mode="border", align_corners=False)

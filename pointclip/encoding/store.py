"""Where the features of a model are kept, and under which names."""

import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from pointclip._base.cache import cache_folder
from pointclip._base.seeds import draw
from pointclip.datasets import UNREADABLE
from pointclip.encoding.local import STAGES
from pointclip.encoding.rows import RowStore
from pointclip.errors import InputError
from pointclip.meshes import Mesh
from pointclip.points import MeshCloud

if TYPE_CHECKING:
    from pointclip.model import PointCLIP


def open_store(model: "PointCLIP", cache: str | Path | None = None) -> RowStore:
    """Open the store of a model: a row is the V C features of a look at a shape, then the seconds of each stage.

    Args:
        model: Its towers, rig and style.
        cache: The folder of all models; None is the user's own.
    """
    seen = probe(model)
    return RowStore(store_folder(model, cache), seen, seen[0].numel() + len(STAGES))


def kept_as(fingerprint: str) -> str:
    """Give the fingerprint that rows are named after: what cannot be read twice gets one that never comes again.

    Example:
        >>> kept_as("1f"), kept_as(UNREADABLE) == kept_as(UNREADABLE)
        ('1f', False)
    """
    return fingerprint + secrets.token_hex(8) * fingerprint.startswith(UNREADABLE)


def kept_row(store: RowStore, name: bytes) -> Tensor:
    """Read a row that must be there.

    Raises:
        InputError: It was removed or damaged meanwhile.
    """
    row = store.row(name)
    if row is None:
        raise InputError(f"{store.folder} was changed while it was read: run the same command again")
    return row


def store_folder(model: "PointCLIP", cache: str | Path | None = None) -> Path:
    """Name the folder of the features of a model."""
    return (cache_folder("features") if cache is None else Path(cache)) / model.feature_spec.key


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
    return torch.cat(seen).float().cpu()

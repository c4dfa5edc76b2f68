"""Shapes to an index, and what is searched for to a vector: the two ends of ``embed`` and ``search``."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pointclip import __version__, images
from pointclip._base.files import check_out
from pointclip.encoding import encode_dataset
from pointclip.errors import InputError
from pointclip.fusion import blended
from pointclip.points import PointCloud
from pointclip.prompts import Prompts
from pointclip.search.index import Origin, ShapeIndex, write_index

if TYPE_CHECKING:
    from pointclip.datasets import Files
    from pointclip.encoding import Watch
    from pointclip.model import PointCLIP


@dataclass(frozen=True)
class Embedded:
    """What :func:`make_index` made.

    Attributes:
        shapes: Shapes in the index; with none, no file was written.
        channels: C.
        errors: For each shape that was left out its name and why.
    """

    shapes: int
    channels: int
    errors: tuple[tuple[str, str], ...]


def make_index(
    model: "PointCLIP",
    dataset: "Files",
    out: str | Path,
    *,
    engine: str = "local",
    workers: int | None = None,
    watch: "Watch | None" = None,
) -> Embedded:
    """Encode shapes and write their index; a run that was stopped goes on.

    Args:
        model: Its towers, rig, style and view weights; a few-shot head it may carry plays no part.
        dataset: The shapes.
        out: The file to write.
        engine: As in :func:`pointclip.encoding.job.encode_dataset`, with workers and watch.
        workers: Threads or actors.
        watch: Called with the shapes done and the shapes in all.

    Returns:
        How many shapes the index holds, and which were left out.

    Raises:
        InputError: The file cannot be written.

    Note:
        The same shapes and model give the same bytes, however often the run was stopped.
    """
    check_out(out)
    found = encode_dataset(model, dataset, engine=engine, workers=workers, watch=watch)
    rows: list[Tensor] = []
    names: list[str] = []
    errors: list[tuple[str, str]] = []
    for part in found:
        good = [place for place, error in enumerate(part.errors) if not error]
        errors += [(name, error) for name, error in zip(part.ids, part.errors, strict=True) if error]
        if good:
            names += [part.ids[place] for place in good]
            rows.append(blended(part.features[good], model.view_weights.cpu()))
    if rows:
        spec = replace(model.feature_spec, drop_outliers=dataset.drop_outliers)
        reading = (dataset.num_points, dataset.up, dataset.seed)
        write_index(out, torch.cat(rows), names, Origin(spec, *reading, __version__, _here_from(Path(out))))
    return Embedded(len(names), rows[0].shape[1] if rows else 0, tuple(errors))


@torch.no_grad()
def encode_query(model: "PointCLIP", query: str | PointCloud, templates: Prompts | None = None) -> Tensor:
    """Encode what is searched for.

    Args:
        model: The model of the index.
        query: A shape, seen as the shapes of the index were; or words. One word is the name of a class, put into the
            model's templates (underscores become spaces); several words are a sentence, encoded as they are.
        templates: Puts the words into these templates, however many there are.

    Returns:
        (C,) float32, unit length, on the CPU.

    Raises:
        InputError: There are no words, or the style needs what the shape lacks.
    """
    if isinstance(query, PointCloud):
        return blended(model.encode_views(query), model.view_weights)[0].cpu()
    words = query.split()
    if not words:
        raise InputError("the query is empty: say what to look for, such as 'a round wooden table'")
    if templates is not None or len(words) == 1:
        return model.clip.encode_labels([query], model.templates if templates is None else templates)[0].cpu()
    return model.clip.encode_sentences([" ".join(words)])[0].cpu()


@torch.no_grad()
def picture(model: "PointCLIP", shapes: ShapeIndex, index: int) -> Tensor:
    """Read a shape of an index again and draw it in the index's style, seen by the first camera of its rig.

    Args:
        model: The model of the index.
        shapes: The index.
        index: Which shape.

    Returns:
        (3,S,S) float32 in [0, 1], fit to look at.

    Raises:
        InputError: The file is not there or cannot be read any more.
    """
    cloud = shapes.origin.load(shapes.place(index))
    return images.viewable(model.render(cloud)[0, :1])[0].cpu()


def _here_from(out: Path) -> str:
    """Name the working folder as seen from a file's folder, so that both may be moved together."""
    try:
        return Path(os.path.relpath(Path.cwd(), out.absolute().parent)).as_posix()
    except ValueError:  # another drive
        return Path.cwd().as_posix()

"""``pointclip search``: words or a shape in, the most similar shapes of an index out."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from pointclip import __version__
from pointclip.cli import console as _console
from pointclip.cli import options as _options
from pointclip.cli.boundary import EXIT_BAD_INPUT, bounded, sentence
from pointclip.cli.report import shown
from pointclip.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from pointclip.model import PointCLIP
    from pointclip.search import Hit, ShapeIndex

Query = Annotated[
    str | None,
    typer.Argument(
        metavar="QUERY",
        help="What to look for: 'a round wooden table' (encoded as it is), the one word of a class (put into the "
        "model's templates), or a shape file to find the likes of.",
    ),
]
In = Annotated[str, typer.Option("--in", "-i", metavar="FILE", help="What pointclip embed wrote.")]
Shape = Annotated[str | None, typer.Option("--shape", metavar="FILE", help="A shape file to find the likes of.")]
TopK = Annotated[int, typer.Option("--top-k", "-k", min=1, help="Shapes found.")]
Sheet = Annotated[
    str | None, typer.Option("--sheet", metavar="FILE", help="Draw the shapes found on a contact sheet, a PNG file.")
]
Model = Annotated[
    str | None,
    typer.Option("--model", "-m", help="Where the index's model is now.", show_default="the name in the index"),
]


@bounded
def search(
    index: In,
    query: Query = None,
    shape: Shape = None,
    top_k: TopK = 10,
    sheet: Sheet = None,
    model: Model = None,
    templates: _options.Templates = None,
    device: _options.Device = "auto",
    precision: _options.Precision = _options.Format.AUTO,
    json: _options.Json = False,
) -> None:
    """Find the shapes of an index that are most like words or like another shape.

    Model, views, style and reading of a shape are the index's own. --templates puts the words into templates.
    """
    from pointclip._base.files import check_out
    from pointclip.search import ShapeIndex

    words, path = _asked(query, shape)
    if path is not None and templates is not None:
        raise InputError("--templates are for words, and the query is a shape: leave them out")
    if sheet is not None:
        check_out(sheet)
    shapes = ShapeIndex(index)
    network = _load(shapes, model, templates, device, precision.value)
    hits = shapes.search(_encoded(network, shapes, words, path, templates), top_k)
    if json:
        found = [{"rank": rank, "path": hit.name, "similarity": hit.similarity} for rank, hit in enumerate(hits, 1)]
        asked = {"query": words or path, "kind": "text" if path is None else "shape"}
        pictures = {} if sheet is None else {"sheet": sheet}
        about = {"pointclip": __version__, "index": index, "model": network.clip.name, "searched": len(shapes)}
        _console.write_json({**about, **asked, **pictures, "hits": found})
    else:
        _tell(hits)
    if sheet is not None and _draw(network, shapes, hits, sheet, words or str(path)):
        raise typer.Exit(EXIT_BAD_INPUT)


def _asked(query: str | None, shape: str | None) -> tuple[str, str | None]:
    """Tell words from the path of a shape: an existing file is one, and so is a name that ends like one."""
    from pointclip.meshes import KNOWN_SUFFIXES

    if (query is None) == (shape is None):
        raise InputError("say what to look for: words or a shape file, one of the two")
    if shape is not None:
        return "", shape
    words = str(query)
    try:
        is_shape = Path(words).is_file() or Path(words).suffix.lower() in KNOWN_SUFFIXES
    except (OSError, ValueError):  # longer than a path may be, or with a zero byte
        is_shape = False
    if os.sep in words and os.path.isdir(words):  # noqa: PTH112 - which takes any text
        raise InputError(f"{words} is a folder: name one shape file to find the likes of, or say in words what to find")
    return ("", words) if is_shape else (words, None)


def _load(shapes: "ShapeIndex", model: str | None, templates: str | None, device: str, precision: str) -> "PointCLIP":
    """Load the model of an index, or another name for it."""
    from pointclip.model import DEFAULT_TEMPLATES
    from pointclip.prompts import check_prompts

    if templates not in (None, DEFAULT_TEMPLATES):
        check_prompts(templates)
    spec = shapes.origin.spec
    name = spec.model if model is None else model
    with _console.waiting(f"loading {name}"):
        made: dict[str, Any] = {"views": spec.views, "style": spec.drawn, "templates": templates or DEFAULT_TEMPLATES}
        made |= {option: getattr(spec, option) for option in ("drop_outliers", "skip_background")}
        network = _options.named_network(name, **made, device=device, precision=precision)
    shapes.refuse_another(network.feature_spec)
    return network


def _encoded(
    network: "PointCLIP", shapes: "ShapeIndex", words: str, path: str | None, templates: str | None
) -> "Tensor":
    from pointclip.search import encode_query

    if path is not None:
        return encode_query(network, shapes.origin.load(path))
    return encode_query(network, words, None if templates is None else network.templates)


def _tell(hits: "list[Hit]") -> None:
    show = _console.printer()
    for rank, hit in enumerate(hits, 1):
        style = "green" if rank == 1 else ""
        show(Text(f"{rank:>{len(str(len(hits)))}}  {hit.similarity:.3f}  {shown(hit.name)}", style, overflow="fold"))


def _draw(network: "PointCLIP", shapes: "ShapeIndex", hits: "list[Hit]", sheet: str, asked: str) -> bool:
    """Read the shapes found again and draw one view of each; tell whether one was not to be had."""
    import torch

    from pointclip import viz
    from pointclip.search import picture

    size = network.clip.image_size
    pictures, captions, failed = [], [], False
    for rank, hit in enumerate(hits, 1):
        caption = f"{rank}. cosine {hit.similarity:.3f}"
        try:
            pictures.append(picture(network, shapes, hit.index))
        except Exception as error:  # the others are still to be drawn
            text = sentence(error)
            _console.say_error(text if hit.name in text else f"{hit.name}: {text}")
            pictures.append(torch.ones(3, size, size))
            caption, failed = f"{caption}, not read", True
        captions.append(caption)
    panel = viz.Panel("", torch.stack(pictures), _short([hit.name for hit in hits]), tuple(captions))
    footer = f"{len(hits)} of {len(shapes):,} shapes of {shapes.path.name}, {network.clip.name}"
    viz.write_sheet(sheet, [panel], asked, footer)
    return failed


def _short(paths: list[str]) -> tuple[str, ...]:
    """Give the names of files; where two are the same, their paths below the folders that all have in common."""
    parts = [Path(path).parts for path in paths]
    least = min(len(each) for each in parts) - 1
    if len({each[-1] for each in parts}) == len(parts):
        return tuple(each[-1] for each in parts)
    shared = next((depth for depth in range(least) if len({each[depth] for each in parts}) > 1), least)
    return tuple(Path(*each[shared:]).as_posix() for each in parts)

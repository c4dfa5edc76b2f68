"""``pointclip embed``: a tree of shapes in, one file to search out."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from pointclip import __version__
from pointclip._base.words import counted
from pointclip.cli import console as _console
from pointclip.cli import options as _options
from pointclip.cli.boundary import EXIT_BAD_INPUT, bounded
from pointclip.cli.notes import in_document, run_notes, tell_notes
from pointclip.cli.report import shown
from pointclip.errors import InputError

Out = Annotated[
    str, typer.Option("--out", "-o", metavar="FILE", help="The file to write, for pointclip search --in FILE.")
]


@bounded
@_options.shared("labels", "labels_file", "adapter", "templates", "pose")
def embed(
    paths: _options.Paths,
    out: Out,
    asked: _options.Shared,
    engine: _options.Where = _options.Engine.LOCAL,
    workers: _options.Workers = None,
    json: _options.Json = False,
) -> None:
    """Encode shapes once, for pointclip search.

    A file that cannot be read is told and left out, and the exit code is 2. Stopped at any moment, the same command
    goes on where it was.
    """
    if _run(paths, out, _options.settings(asked), engine.value, workers, json):
        raise typer.Exit(EXIT_BAD_INPUT)


def _run(
    paths: Sequence[str], out: str, chosen: _options.Settings, engine: str, workers: int | None, json: bool
) -> bool:
    """Embed all files; tell whether one was left out."""
    from pointclip._base.files import check_out
    from pointclip.datasets import Files, find_shapes
    from pointclip.search import make_index

    check_out(out)
    items = find_shapes(paths)
    left_out = [(item.path, str(item.error)) for item in items if item.error is not None]
    reading = (chosen.points, chosen.up, chosen.seed, chosen.drop_outliers)
    shapes = Files([item.path for item in items if item.error is None], *reading)
    for _, error in left_out:
        _console.say_error(error)
    if not len(shapes):
        raise InputError(f"there is no shape to embed, so {out} was not written")
    network = _options.load_network(chosen)
    notes = run_notes(paths)
    if not json:
        tell_notes(notes)
        _console.say_note(_options.about(network))
    with _console.kept_progress() as bar:
        made = make_index(network, shapes, out, engine=engine, workers=workers, watch=bar.reach)
    for _, error in made.errors:
        _console.say_error(error)
    if not made.shapes:
        raise InputError(f"no shape could be embedded, so {out} was not written")
    left_out += made.errors
    if json:
        settings = {name: value for name, value in asdict(chosen).items() if name not in ("labels", "templates")}
        failed = [{"path": path, "error": error} for path, error in left_out]
        counts = {"shapes": made.shapes, "channels": made.channels, "left_out": failed, **in_document(notes)}
        _console.write_json({"pointclip": __version__, "index": out, **settings, **counts})
    else:
        text = f": {counted(made.shapes, 'shape')}, {made.channels} channels"
        _console.printer()(Text.assemble((shown(out), "bold"), text + f", {len(left_out)} left out" * bool(left_out)))
    return bool(left_out)

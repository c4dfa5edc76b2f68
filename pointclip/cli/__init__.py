"""The command line: argument parsing and one call each.

Nothing heavy is imported before a command needs it, so that ``pointclip --help`` answers at once.
"""

import contextlib
import os
import sys
from typing import Annotated

import typer

from pointclip import __version__
from pointclip.cli import classify, convert, doctor, embed, fit, models, search, show
from pointclip.cli import eval as evaluate
from pointclip.cli.boundary import EXIT_INTERRUPTED
from pointclip.cli.tables import FromTables

app = typer.Typer(
    name="pointclip",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_COMMANDS = (
    *(classify.classify, show.show, fit.fit, convert.convert_v1, evaluate.eval_),
    *(embed.embed, search.search, models.models, doctor.doctor),
)
for command in _COMMANDS:
    app.command(command.__name__.rstrip("_").replace("_", "-"), cls=FromTables)(command)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pointclip {__version__}")
        raise typer.Exit


@app.callback()
def pointclip(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Recognise 3D shapes with a frozen 2D vision-language model.

    Exit code: 0 done, 2 bad input, 1 anything else.
    """


def main() -> None:
    """Run the command line and leave with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        app()
    except SystemExit as end:
        if end.code == EXIT_INTERRUPTED:  # at once: a worker may be deep in a large file
            with contextlib.suppress(OSError):
                sys.stdout.flush()
            os._exit(EXIT_INTERRUPTED)
        raise

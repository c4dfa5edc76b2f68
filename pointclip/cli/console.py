"""The two streams of a terminal: results on stdout, everything else on stderr."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from pointclip.cli.report import shown

_UNBROKEN = 10_000  # columns of a pipe: lines are not wrapped


def results() -> Console:
    """Make a console on stdout; in a pipe it wraps no line."""
    return _console(stderr=False)


def messages() -> Console:
    """Make a console on stderr."""
    return _console(stderr=True)


def say_error(text: str) -> None:
    """Write one line to stderr that begins with ``error:``."""
    messages().print(Text.assemble(("error: ", "bold red"), shown(text)), soft_wrap=True)


def say_note(text: str) -> None:
    """Write one dim line to stderr."""
    messages().print(Text(shown(text), "dim"), soft_wrap=True)


def write_json(document: Any) -> None:
    """Write one JSON document to stdout."""
    sys.stdout.write(json.dumps(document, indent=2) + "\n")
    sys.stdout.flush()


def unhook_stdout() -> None:
    """Point stdout to nowhere, so that its flush at exit does not complain about a broken pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Bar:
    """A progress bar that steps aside while results are printed; see :func:`progress`."""

    def __init__(self, bar: Progress | None, total: int | None) -> None:
        self._bar = bar
        self._task = None if bar is None else bar.add_task("shapes", total=total)

    def advance(self) -> None:
        """Count one more."""
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task)

    def reach(self, done: int, total: int) -> None:
        """Count up to a number done of so many."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=total)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take the bar off the terminal for the block."""
        if self._bar is None:
            yield
            return
        self._bar.stop()
        yield
        self._bar.start()


@contextmanager
def progress(total: int | None = None) -> Iterator[Bar]:
    """Show a progress bar on stderr where that is a terminal, and nothing in a pipe."""
    console = messages()
    if not console.is_terminal or total in (0, 1):
        yield Bar(None, total)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as bar:
        yield Bar(bar, total)


@contextmanager
def kept_progress() -> Iterator[Bar]:
    """Show the progress of a job that keeps what is done; an interruption says how to go on."""
    try:
        with progress() as bar:
            yield bar
    except KeyboardInterrupt:
        say_note("what was done is kept: the same command goes on")
        raise


@contextmanager
def waiting(text: str) -> Iterator[None]:
    """Show that something slow goes on, on stderr where that is a terminal."""
    console = messages()
    if not console.is_terminal:
        yield
        return
    with console.status(Text(shown(text))):
        yield


def printer() -> Callable[[RenderableType], None]:
    """Give a function that prints to stdout and flushes, so that a pipe sees each shape as it comes."""
    console = results()

    def print_now(item: RenderableType) -> None:
        console.print(item)
        sys.stdout.flush()

    return print_now


def _console(stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=_UNBROKEN)

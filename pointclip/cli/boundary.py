"""Where exceptions become one sentence and an exit code."""

import errno
import os
import sys
import traceback
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import typer

from pointclip._base.files import FULL
from pointclip._base.torch_pair import REMEDY, misfit
from pointclip.cli.console import say_error, unhook_stdout
from pointclip.errors import PointClipError

EXIT_FAULT, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 1, 2, 130
TRACEBACK = "POINTCLIP_TRACEBACK"
P = ParamSpec("P")


def bounded(command: Callable[P, None]) -> Callable[P, None]:
    """Make a command say in one sentence what went wrong, and leave with exit code 2, 1 or 130."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
            sys.stdout.flush()
        except typer.Exit:
            raise
        except BrokenPipeError:  # whoever read the output has enough
            unhook_stdout()
            raise typer.Exit(EXIT_FAULT) from None
        except KeyboardInterrupt:
            say_error("interrupted: no file was left half-written")
            raise typer.Exit(EXIT_INTERRUPTED) from None
        except Exception as error:
            say_error(sentence(error))
            raise typer.Exit(exit_code(error)) from None

    return run


def sentence(error: Exception) -> str:
    """Word an exception for the user; with ``POINTCLIP_TRACEBACK=1`` its traceback goes to the terminal first."""
    if os.environ.get(TRACEBACK, "0") not in ("", "0"):
        traceback.print_exception(error)
    if isinstance(error, PointClipError):
        return str(error)
    if (told := _of_the_system(error)) is not None:
        return told
    if pair := misfit(error):
        return f"{pair}: {REMEDY}"
    what = " ".join(str(error).split())[:300]
    return (
        f"a fault inside pointclip or a library, {type(error).__name__}{f': {what}' * bool(what)} "
        f"(run again with {TRACEBACK}=1 for the traceback)"
    )


def exit_code(error: Exception) -> int:
    """Tell bad input, to which a full disk and an impossible name belong, from a fault."""
    known = isinstance(error, PointClipError) or _of_the_system(error) is not None
    return EXIT_BAD_INPUT if known else EXIT_FAULT


def _of_the_system(error: Exception) -> str | None:
    """Word what the system says of a disk or a name that a user can mend."""
    if isinstance(error, ValueError) and "embedded null byte" in str(error):
        return "a name holds a zero byte, which no name can: check the paths"
    if not isinstance(error, OSError):
        return None
    why = error.strerror or " ".join(str(error).split())
    if error.errno in FULL or "No space left" in why:
        return f"{error.filename or 'a folder of temporary or kept files'} cannot be written ({why}): free some space"
    if error.errno == errno.ENAMETOOLONG:
        return f"{str(error.filename)[:40]}... cannot be a name ({why}): shorten it"
    return None

"""Files that a user asked for: checked before the long work, written whole or not at all."""

import errno
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pointclip.errors import InputError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # what the system says when nothing more goes into a place


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """Give a path to write to, whose file gets its name only when the block ends well.

    The file is made at once, beside the one asked for, so that a place which cannot be written is refused before any
    work; it is removed when the block fails. A device or a pipe, such as ``/dev/stdout``, is given as it is.

    Args:
        path: The file asked for; one that exists is replaced at the end.

    Raises:
        InputError: The file cannot be written.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with whole(Path(folder) / "a.txt") as draft:
        ...         _ = draft.write_text("all of it")
        ...     print(*(file.name for file in Path(folder).iterdir()))
        a.txt
    """
    path = Path(path)
    target = check_file(path)
    draft = path if _is_special(path) else target.with_name(f".pointclip-{secrets.token_hex(4)}.part")
    with refusals(path, "name a file in a folder you can write to"):
        draft.open("ab").close()
    try:
        with full_disk(path):
            yield draft
        if draft is not path:
            with refusals(path, "name a file in a folder you can write to"):
                draft.replace(target)
    finally:
        if draft is not path:
            draft.unlink(missing_ok=True)


def check_folder(folder: str | Path) -> Path:
    """Check that files can be written into a folder which may not exist yet; leave nothing behind.

    Args:
        folder: Where to write.

    Returns:
        The folder.

    Raises:
        InputError: It is a file, or it cannot be made or written.

    Example:
        >>> check_folder("views").name
        'views'
    """
    folder = Path(folder)
    check_name(folder)
    above = folder
    while not above.exists() and above != above.parent:
        above = above.parent
    if not above.is_dir():
        where = "it" if above == folder else above
        raise InputError(f"{folder} cannot be a folder, for {where} is a file: name another folder")
    with (
        refusals(folder, "name a folder you can write to"),
        tempfile.TemporaryDirectory(prefix=".pointclip-", dir=above),
    ):
        return folder


def make_folder(folder: Path) -> None:
    """Make a folder and those above it.

    Raises:
        InputError: It cannot be made.
    """
    with refusals(folder, "name a folder you can write to"):
        folder.mkdir(parents=True, exist_ok=True)


def check_file(path: Path) -> Path:
    """Check that a file which may not exist yet is no folder and not read-only; give where it really lies.

    Raises:
        InputError: It cannot be a file to write.

    Example:
        >>> check_file(Path("views.txt")).name
        'views.txt'
    """
    check_name(path)
    target = path.resolve()
    if path.is_dir():
        raise InputError(f"{path} is a folder: name a file to write")
    if _is_special(path):
        return path
    if not target.parent.is_dir():
        raise InputError(f"{path} cannot be written, for {target.parent} is no folder: make it first")
    if target.exists() and not os.access(target, os.W_OK):
        raise InputError(f"{path} is read-only: name another file")
    return target


def check_name(path: str | Path) -> None:
    """Refuse a name that no file can have: too long, or with a zero byte.

    Raises:
        InputError: Saying so.

    Example:
        >>> check_name("a" * 5000)
        Traceback (most recent call last):
        ...
        pointclip.errors.InputError: aaaa... cannot be a name (File name too long): shorten it
    """
    text = str(path)
    try:
        os.stat(text)  # noqa: PTH116  exists() of some versions of Python hides what is wrong
    except ValueError as error:
        raise InputError(f"{text[:40]!r} cannot be a name ({error}): check it") from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise InputError(f"{text[:40]}... cannot be a name ({error.strerror}): shorten it") from error


def _is_special(path: Path) -> bool:
    """Tell a device, a pipe or a link to what is open (``/dev/stdout``) from a file that may be replaced."""
    top, *below = path.absolute().parts[1:] or [""]
    of_the_system = top == "proc" or (top == "dev" and below[:1] != ["shm"])
    return of_the_system or (path.exists() and not path.is_file())


@contextmanager
def refusals(path: Path, remedy: str = "free some space, or name another place") -> Iterator[None]:
    """Turn the system's refusal to write, inside the block, into one sentence.

    Raises:
        InputError: In place of an ``OSError``.
    """
    try:
        yield
    except BrokenPipeError:
        raise  # the reader of a pipe has enough: no fault of the path
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror or error}): {remedy}") from error


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """Turn a disk that gets full, inside the block, into one sentence; other errors of the system pass.

    Raises:
        InputError: In place of an ``OSError`` for want of space.

    Example:
        >>> with full_disk(Path("a.txt")):
        ...     raise OSError(errno.ENOSPC, "No space left on device")
        Traceback (most recent call last):
        ...
        pointclip.errors.InputError: a.txt cannot be written (No space left on device): free some space, or name ...
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise InputError(
            f"{path} cannot be written ({error.strerror}): free some space, or name another place"
        ) from error


def check_out(path: str | Path) -> None:
    """Refuse, before the long work, a file that cannot be written.

    Raises:
        InputError: It is a folder or read-only, or there is no folder to write it into.
    """
    check_file(Path(path))
    check_folder(Path(path).absolute().parent)

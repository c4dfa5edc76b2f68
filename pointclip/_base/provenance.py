"""The birth certificate of a result: which program, at which commit, with which libraries."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pointclip import __version__

_LIBRARIES = {"torch": "torch", "open_clip": "open_clip_torch", "numpy": "numpy"}


def versions() -> dict[str, str]:
    """Name the versions of pointclip, Python and the libraries that decide numbers.

    Example:
        >>> versions()["pointclip"] == __version__
        True
    """
    found = {"pointclip": __version__, "python": platform.python_version()}
    for name, package in _LIBRARIES.items():
        try:
            found[name] = version(package)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found


def commit(folder: Path = Path(__file__).parents[1], changed_in: str = ".") -> str | None:
    """Name the commit of the program's own repository, with ``-dirty`` where files differ from it.

    Args:
        folder: A package of that repository; the default is pointclip's own.
        changed_in: Where changes count, as git writes it; ``:/`` is the whole repository.

    Returns:
        40 hexadecimal digits, or None where the program is not in a repository (it was installed, or git is missing).
    """
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    head, changes = _git(folder, "rev-parse", "HEAD"), _git(folder, "status", "--porcelain", "-uno", changed_in)
    return head and head + "-dirty" * bool(changes)


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None

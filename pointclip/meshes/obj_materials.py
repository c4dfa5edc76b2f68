"""OBJ files of thousands of materials: those that look alike become one, for each costs a pass over all vertices."""

import re
from pathlib import Path

from pointclip.meshes.companions import companions

_USED = re.compile(r"\nusemtl ([^\n]*)")
_LIBRARY = re.compile(r"\nmtllib ([^\n]*)")
_LOOKS = ("kd", "map_kd", "d", "tr", "map_d")
_FEW = 500
_MOST = 2_000
_STEPS = 15
_Looks = tuple[str, ...]


def fewer_materials(path: Path, text: str, notes: list[str]) -> str:
    r"""Return the text of an OBJ file, one statement a line, in which materials that look alike have one name.

    Args:
        path: The file.
        text: Its text, beginning with a new line; fewer than 500 uses of materials stay as they are.
        notes: Where to say that colours were rounded.

    Example:
        >>> fewer_materials(Path("a.obj"), "\nusemtl red\nf 1 2 3\nusemtl blue\nf 3 2 1" * 500, []).count("blue")
        0
    """
    if text.count("\nusemtl ") < _FEW:
        return text
    used = dict.fromkeys(name.strip() for name in _USED.findall(text))
    looks = _looks(_library(path, text))
    found: dict[str, _Looks | None] = {name: looks.get(name) for name in used}
    if len(set(found.values())) > _MOST:
        found = {name: None if look is None else _rounded(look) for name, look in found.items()}
        notes.append(f"colours of {len(found):,} materials rounded, so that those nearly alike are one")
    first: dict[_Looks | None, str] = {}
    for name, look in found.items():
        first.setdefault(look, name)
    return _USED.sub(lambda use: f"\nusemtl {first[found[use[1].strip()]]}", text)


def _library(path: Path, text: str) -> str:
    named = _LIBRARY.search(text)
    if named is None:
        return ""
    try:
        return companions(path).get(named[1].strip()).decode("utf-8", "replace")
    except OSError:
        return ""  # the reader says so


def _looks(library: str) -> dict[str, _Looks]:
    """Give the lines that decide how each material looks."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in library.splitlines():
        words = line.split(None, 1)
        if words and words[0].lower() == "newmtl":
            lines = found.setdefault(words[1].strip() if len(words) > 1 else "", [])
        elif words and words[0].lower() in _LOOKS:
            lines.append(" ".join(line.split()))
    return {name: tuple(lines) for name, lines in found.items()}


def _rounded(look: _Looks) -> _Looks:
    kept = []
    for line in look:
        words = line.split()
        try:
            numbers = [round(float(word) * _STEPS) for word in words[1:]]
        except (ValueError, OverflowError):
            kept.append(line)
            continue
        kept.append(f"{words[0]} {numbers}")
    return tuple(kept)

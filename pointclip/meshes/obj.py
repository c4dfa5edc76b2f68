"""OBJ files brought to the spelling that trimesh reads: one statement a line, absolute indices, flat triangles."""

import re
from pathlib import Path

import numpy as np

from pointclip.errors import InputError
from pointclip.meshes.obj_materials import fewer_materials
from pointclip.meshes.polygons import triangles_of
from pointclip.meshes.repair import REPAIR
from pointclip.meshes.text import decoded

# Whatever trimesh would stumble over: tabs, lines that go on, blanks or capitals before a word, comments behind
# numbers, relative indices and zeros. Each begins with plain characters, which are looked for many times faster.
_ODD = [
    re.compile(pattern)
    for pattern in (r"\t", r"\\\n", r"\n[A-Z ]", r"\nfo ", r"\nf [^\n]*-", r"\nf(?=[^\n]*[ /]0)[^\n]*[ /]0+[ /\n]")
]
_BEHIND = re.compile(r"\n[vf][nt ][^\n#]*#")
_FREE_FORM = re.compile(r"\n[ \t]*(?:surf|curv2?|cstype|bmat)\b")
_SLASHES = re.compile(r"/[^ ]*")
_NUMBERS = frozenset({"v", "vn", "vt", "f", "l", "p"})


def tidied_obj(path: Path, notes: list[str]) -> bytes:
    r"""Return the text of an OBJ file as trimesh reads it, and add to the notes what was assumed for it.

    Raises:
        InputError: It is no text, holds only free-form surfaces, or a face has an index 0 or none.
    """
    text = "\n" + decoded(path, path.read_bytes()) + "\n"
    if any(odd.search(text) for odd in _ODD) or (text.count("#") > text.count("\n#") and _BEHIND.search(text)):
        text = _plain(path, text)
    free = _FREE_FORM.search(text)
    if free and "\nf " not in text:
        raise InputError(
            f"{path} holds free-form surfaces, which are not read: export it as a mesh (polygons) from the same program"
        )
    if free:
        notes.append("free-form surfaces left out: only the polygons were read")
    if "," in text and (dotted := _with_points(text)) != text:
        text = dotted
        notes.append("commas read as decimal points")
    return flat_polygons(fewer_materials(path, text, notes)).encode()


def _plain(path: Path, text: str) -> str:
    """Rewrite each line: keyword in small letters, words apart by one blank, no comment, indices that count from 1."""
    seen = {"v": 0, "vt": 0, "vn": 0}
    lines = text.replace("\\\n", " ").split("\n")
    for number, line in enumerate(lines):
        words = line.split(None, 1)
        if not words:
            continue
        key = "f" if words[0].lower() == "fo" else words[0].lower()
        rest = words[1] if len(words) > 1 else ""
        if key in _NUMBERS:
            rest = " ".join(rest.split("#", 1)[0].split())
        if key in seen:
            seen[key] += 1
        elif key == "f":
            rest = _absolute(path, rest, (seen["v"], seen["vt"], seen["vn"]))
        lines[number] = f"{key} {rest}" if rest else key
    return "\n".join(lines)


def _absolute(path: Path, corners: str, counts: tuple[int, int, int]) -> str:
    if "-" not in corners and "0" not in corners:
        return corners
    words = []
    for word in corners.split():
        parts = word.split("/")
        for place, (part, count) in enumerate(zip(parts, counts, strict=False)):
            if not re.fullmatch(r"[-+]?\d+|", part) or (place == 0 and part.strip("+-0") == ""):
                raise InputError(f"{path} has a face with the corner {word!r}, and corners count from 1: {REPAIR}")
            if part.startswith("-"):
                parts[place] = str(count + 1 + int(part))
        words.append("/".join(parts) if parts[1:] != ["0"] else parts[0])
    return " ".join(words)


def _with_points(text: str) -> str:
    """Return the text with decimal points where its coordinates have decimal commas."""
    rows = re.findall(r"^v[nt]? [^\n]*", text, re.MULTILINE)
    if any("." in row for row in rows) or not any("," in row for row in rows):
        return text
    return re.sub(r"^v[nt]? [^\n]*", lambda found: found[0].replace(",", "."), text, flags=re.MULTILINE)


def flat_polygons(text: str) -> str:
    r"""Return the text of an OBJ file without hollow polygons: triangles with the corners (v/vt/vn) they had.

    Triangles and convex polygons stay as they are; trimesh cuts these into fans. A file whose numbers cannot be read
    comes back unchanged: trimesh says what is wrong with it.

    Example:
        >>> arrow = "v 0 0 0\nv 2 1 0\nv 0 2 0\nv 1 1 0\nf 1 2 3 4\n"
        >>> flat_polygons(arrow).split("\n")[4:6]
        ['f 4 1 2', 'f 4 2 3']
    """
    lines = text.split("\n")
    where = [at for at, line in enumerate(lines) if line[:2] == "f " and line.count(" ") >= 4]
    if not where:
        return text
    try:
        sizes = np.array([len(lines[at].split()) - 1 for at in where])
        corners = _numbers(_SLASHES.sub("", " ".join([lines[at][1:] for at in where])), np.int64) - 1
        vertices = _vertices(lines)
        if len(corners) != sizes.sum():
            return text
        _triangles, places, owner = triangles_of(vertices, sizes, corners)
    except (ValueError, IndexError, OverflowError):
        return text
    starts = np.cumsum(sizes) - sizes
    fans = np.flatnonzero(places[:, 0] != starts[owner])  # a fan begins at its first corner, in each of its triangles
    for polygon in np.unique(owner[fans]).tolist():
        first, last = np.searchsorted(owner, [polygon, polygon + 1])
        cuts = (places[first:last] - starts[polygon]).tolist()
        row = lines[where[polygon]].split()[1:]
        lines[where[polygon]] = "\n".join(f"f {row[a]} {row[b]} {row[c]}" for a, b, c in cuts if a != b)
    return "\n".join(lines) if len(fans) else text


def _vertices(lines: list[str]) -> np.ndarray:
    rows = [line[2:] for line in lines if line[:2] == "v "]
    flat = _numbers(" ".join(rows), np.float64)
    width = len(rows[0].split()) if rows else 3
    if len(flat) == width * len(rows):
        return flat.reshape(len(rows), width)[:, :3]
    return np.array([row.split()[:3] for row in rows], dtype=np.float64)


def _numbers(text: str, kind: type) -> np.ndarray:
    """Read numbers as far as there are some; the caller knows how many there should be."""
    return np.fromstring(text, dtype=kind, sep=" ")

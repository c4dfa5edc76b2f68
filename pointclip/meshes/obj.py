"""OBJ files brought to the spelling that trimesh reads: one statement a line, absolute indices, flat triangles."""

import re
from pathlib import Path

import numpy as np

from pointclip.errors import InputError
from pointclip.meshes.polygons import triangles_of
from pointclip.meshes.repair import REPAIR
from pointclip.meshes.text import decoded

# Whatever trimesh would stumble over: blanks before a word, tabs, lines that go on, capitals, comments behind numbers,
# relative indices and zeros.
_ODD = re.compile(
    r"^[ \t]+\S|\t|\\\n|^(?:[A-Z]+|fo)[ \t]|^(?:v|vn|vt|f)[ \t][^\n#]*#|^f(?= )[^\n]*(?:-|[ /]0+(?:[ /]|$))",
    re.MULTILINE,
)
_FREE_FORM = re.compile(r"^\s*(?:surf|curv2?|cstype|bmat)\b", re.MULTILINE)
_NUMBERS = frozenset({"v", "vn", "vt", "f", "l", "p"})


def tidied_obj(path: Path, notes: list[str]) -> bytes:
    r"""Return the text of an OBJ file as trimesh reads it, and add to the notes what was assumed for it.

    Raises:
        InputError: It is no text, holds only free-form surfaces, or a face has an index 0 or none.
    """
    text = decoded(path, path.read_bytes())
    if _ODD.search(text):
        text = _plain(path, text)
    if not re.search(r"^f ", text, re.MULTILINE) and _FREE_FORM.search(text):
        raise InputError(
            f"{path} holds free-form surfaces, which are not read: export it as a mesh (polygons) from the same program"
        )
    if _FREE_FORM.search(text):
        notes.append("free-form surfaces left out: only the polygons were read")
    if "," in text and (dotted := _with_points(text)) != text:
        text = dotted
        notes.append("commas read as decimal points")
    return flat_polygons(text).encode()


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
        vertices = _vertices(lines)
        words = [lines[at].split()[1:] for at in where]
        sizes = np.array([len(row) for row in words])
        corners = np.array([int(word.partition("/")[0]) - 1 for row in words for word in row])
        triangles, places, owner = triangles_of(vertices, sizes, corners)
    except (ValueError, IndexError, OverflowError):
        return text
    starts = np.cumsum(sizes) - sizes
    fans = np.flatnonzero(places[:, 0] != starts[owner])  # a fan begins at its first corner, in each of its triangles
    for polygon in np.unique(owner[fans]).tolist():
        cuts = (places[owner == polygon] - starts[polygon]).tolist()
        row = words[polygon]
        lines[where[polygon]] = "\n".join(f"f {row[a]} {row[b]} {row[c]}" for a, b, c in cuts if a != b)
    return "\n".join(lines) if len(fans) else text


def _vertices(lines: list[str]) -> np.ndarray:
    rows = [line[2:] for line in lines if line[:2] == "v "]
    flat = np.array(" ".join(rows).split(), dtype=np.float64)
    if len(flat) % max(len(rows), 1) == 0:
        return flat.reshape(len(rows), -1)[:, :3]
    return np.array([row.split()[:3] for row in rows], dtype=np.float64)

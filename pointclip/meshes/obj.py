"""What trimesh does not do with OBJ files: relative indices, and material files named in the Windows manner."""

from functools import cache
from pathlib import Path, PureWindowsPath
from typing import Any

_RELATIVE = (b"\nf -", b"\nf  -", b"\nf\t-")


def as_utf8(data: bytes) -> bytes:
    """Return text in UTF-8: files of older programs carry Latin-1 names and comments.

    Example:
        >>> as_utf8(b"# caf\\xe9").decode()
        '# café'
    """
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1").encode("utf-8")
    return data


def absolute_indices(data: bytes) -> bytes:
    """Rewrite faces that count backwards from the newest vertex, as in ``f -3 -2 -1``.

    trimesh counts back from the end of the file, which is another vertex wherever more vertices follow.

    Example:
        >>> absolute_indices(b"v 0 0 0\\nv 1 0 0\\nv 0 1 0\\nf -3 -2 -1\\nv 9 9 9\\n").split(b"\\n")[3]
        b'f 1 2 3'
    """
    if not any(mark in data for mark in _RELATIVE):
        return data
    seen = {b"v": 0, b"vt": 0, b"vn": 0}
    lines = data.split(b"\n")
    for number, line in enumerate(lines):
        words = line.split()
        if not words:
            continue
        if words[0] in seen:
            seen[words[0]] += 1
        elif words[0] == b"f":
            counts = (seen[b"v"], seen[b"vt"], seen[b"vn"])
            lines[number] = b"f " + b" ".join(_absolute(word, counts) for word in words[1:])
    return b"\n".join(lines)


def _absolute(word: bytes, counts: tuple[int, int, int]) -> bytes:
    parts = word.split(b"/")
    for place, (part, count) in enumerate(zip(parts, counts, strict=False)):
        if part.startswith(b"-"):
            parts[place] = str(count + 1 + int(part)).encode()
    return b"/".join(parts)


@cache
def _resolver_type() -> Any:
    from trimesh.resolvers import FilePathResolver

    class NearbyFiles(FilePathResolver):
        """Find companion files beside a mesh although case, slashes or a foreign folder in their names differ."""

        def get(self, name: str) -> bytes:
            return as_utf8(self._bytes(name)) if name.lower().endswith(".mtl") else self._bytes(name)

        def _bytes(self, name: str) -> bytes:
            try:
                return super().get(name)
            except (OSError, ValueError, KeyError):
                wanted = PureWindowsPath(name.strip().strip('"')).name.lower()
                folder = Path(self.parent)
                close = [folder.joinpath(*PureWindowsPath(name.strip()).parts)]
                close += [entry for entry in sorted(folder.iterdir()) if entry.name.lower() == wanted]
                found = next((entry for entry in close if entry.is_file() and entry.is_relative_to(folder)), None)
                if found is None or ".." in found.parts:
                    raise
                return found.read_bytes()

    return NearbyFiles


def companions(path: Path) -> Any:
    """Return the trimesh resolver that reads the material and image files lying beside a mesh."""
    return _resolver_type()(str(path))

"""The material and image files of a mesh, found beside it although their names are written in foreign manners."""

import re
from functools import cache
from pathlib import Path, PureWindowsPath
from typing import Any
from urllib.parse import unquote

from pointclip.meshes.pictures import too_large

_IMAGES = (".png", ".jpg", ".jpeg", ".tga", ".bmp", ".tif", ".tiff", ".gif", ".webp", ".dds")
_OPTIONS = re.compile(r"^(\s*map_\w+)((?:\s+-\w+(?:\s+(?:[-+]?[\d.]+(?=\s)|on|off|[rgbml](?=\s)))*)+)\s+", re.I | re.M)


def as_utf8(data: bytes) -> bytes:
    """Return text in UTF-8: files of older programs carry Latin-1 names and comments.

    Example:
        >>> as_utf8(b"# caf\\xe9").decode()
        '# café'
    """
    try:
        return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8").encode()
    except UnicodeDecodeError:
        return data.decode("latin-1").encode("utf-8")


def plain_mtl(data: bytes) -> bytes:
    """Return a material file without the options between a map and its file.

    Example:
        >>> plain_mtl(b"map_Kd -s 1 1 1 -bm 0.5 Red Wood.PNG")
        b'map_Kd Red Wood.PNG'
    """
    return _OPTIONS.sub(r"\1 ", as_utf8(data).decode()).encode()


@cache
def _resolver_type() -> Any:
    from trimesh.resolvers import FilePathResolver

    class NearbyFiles(FilePathResolver):
        """Find companion files although case, slashes or a foreign folder in their names differ; note the missing."""

        missing: list[str]

        def get(self, name: str) -> bytes:
            try:
                data = find(Path(self.parent), name).read_bytes()
            except OSError:
                self.missing.append(f"{_short(name)} was not found")
                raise
            if too_large(data):
                self.missing.append(f"{_short(name)} has more pixels than a texture needs")
                raise FileNotFoundError(name)
            return plain_mtl(data) if name.lower().endswith(".mtl") else data

    return NearbyFiles


def companions(path: Path) -> Any:
    """Return the trimesh resolver of the files beside a mesh; its ``missing`` says of which there is nothing to use."""
    resolver = _resolver_type()(str(path))
    resolver.missing = []
    return resolver


def _short(name: str) -> str:
    return Path(name.replace("\\", "/").strip()).name


def find(folder: Path, name: str) -> Path:
    """Return a companion: where its name leads inside the folder (an image: also in a folder beside it), else beside.

    Raises:
        FileNotFoundError: There is none.

    Example:
        >>> find(Path("."), "../../secret.mtl")
        Traceback (most recent call last):
        ...
        FileNotFoundError: ../../secret.mtl
    """
    wanted = PureWindowsPath(name.strip().strip('"'))
    home = folder.resolve()
    named = folder.joinpath(*wanted.parts).resolve()
    roof = home.parent if wanted.suffix.lower() in _IMAGES else home
    if named.is_file() and named.is_relative_to(roof):
        return named
    same = {wanted.name.lower(), unquote(wanted.name).lower()}
    close = next((entry for entry in sorted(folder.iterdir()) if entry.name.lower() in same and entry.is_file()), None)
    if close is None:
        raise FileNotFoundError(name)
    return close

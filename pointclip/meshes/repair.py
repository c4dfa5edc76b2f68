"""Look at the bytes of a mesh file before trimesh does, and mend or name what it would stumble over."""

import json
import struct
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pointclip.errors import InputError
from pointclip.meshes.obj import absolute_indices, as_utf8
from pointclip.meshes.off import checked_off
from pointclip.meshes.ply import triangulated_ply
from pointclip.meshes.polygons import cut_polygons

REPAIR = "export it again from the program it comes from"


def mended(path: Path, kind: str) -> bytes:
    """Return the bytes of a mesh file in the form trimesh reads.

    Raises:
        InputError: They cannot be a file of this kind.
    """
    data = path.read_bytes()
    if kind == "obj":
        return cut_polygons(absolute_indices(_text(path, data)))
    if kind == "off":
        return checked_off(path, _text(path, data))
    if kind == "ply":
        return _ply(path, data)
    if kind == "stl":
        return _stl(path, data)
    if kind in ("glb", "gltf"):
        _check_gltf(path, kind, data)
    return data


def _text(path: Path, data: bytes) -> bytes:
    if b"\0" in data:
        raise InputError(f"{path} is not a text file although its name ends in {path.suffix}: {REPAIR}")
    return as_utf8(data.removeprefix(b"\xef\xbb\xbf"))


def _ply(path: Path, data: bytes) -> bytes:
    try:
        return triangulated_ply(data)
    except (KeyError, ValueError, IndexError) as error:
        raise InputError(f"{path} is damaged, cut short or no .ply file: {REPAIR}") from error


def _stl(path: Path, data: bytes) -> bytes:
    """Cut bytes after the last triangle off a binary file; refuse one that ends before it."""
    if data.lstrip()[:5].lower() == b"solid" and b"\0" not in data[:512]:
        return as_utf8(data)
    count = struct.unpack("<I", data[80:84])[0] if len(data) >= 84 else 0
    if count == 0 or len(data) < 84 + 50 * count:
        raise InputError(f"{path} is not an .stl file, or was cut short: copy it again, or {REPAIR}")
    return data[: 84 + 50 * count]


def _check_gltf(path: Path, kind: str, data: bytes) -> None:
    """Name the companion files that are missing and the compressions that cannot be undone here."""
    tree = _gltf_json(path, kind, data)
    for entry in tree.get("buffers", []):
        name = entry.get("uri", "data:") if isinstance(entry, dict) else "data:"
        if not name.startswith("data:") and not (path.parent / name.replace("%20", " ")).is_file():
            raise InputError(f"{path} needs the file {name}, which is not beside it: copy both into one folder")
    packed = set(tree.get("extensionsRequired", [])) & {"KHR_draco_mesh_compression", "EXT_meshopt_compression"}
    if find_spec("DracoPy") is not None:
        packed.discard("KHR_draco_mesh_compression")
    if packed:
        raise InputError(f"{path} is compressed with {', '.join(sorted(packed))}: export it without compression")


def _gltf_json(path: Path, kind: str, data: bytes) -> dict[str, Any]:
    if data[:4] == b"glTF" and len(data) >= 20:
        data = data[20 : 20 + struct.unpack("<I", data[12:16])[0]]
    try:
        tree = json.loads(data)
    except ValueError as error:
        raise InputError(f"{path} is damaged or no .{kind} file: {REPAIR}") from error
    if not isinstance(tree, dict):
        raise InputError(f"{path} is damaged or no .{kind} file: {REPAIR}")
    return tree

"""glTF files: what they need and what trimesh cannot read of it, looked at before trimesh reads them."""

import json
import struct
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pointclip.errors import InputError
from pointclip.meshes.repair import REPAIR


def checked_gltf(path: Path, notes: list[str]) -> tuple[str, bytes]:
    """Return "glb" or "gltf", whatever the name of the file says, and its bytes.

    Raises:
        InputError: A companion file is missing, or the file is compressed or damaged.
    """
    data = path.read_bytes()
    kind = "glb" if data[:4] == b"glTF" else "gltf"
    tree = _gltf_json(path, kind, data)
    for entry in tree.get("buffers", []):
        name = entry.get("uri", "data:") if isinstance(entry, dict) else "data:"
        if not name.startswith("data:") and not any((path.parent / n).is_file() for n in (name, unquote(name))):
            raise InputError(
                f"{path} needs the file {unquote(name)}, which is not beside it: copy both into one folder"
            )
    packed = set(tree.get("extensionsRequired", [])) & {"KHR_draco_mesh_compression", "EXT_meshopt_compression"}
    if find_spec("DracoPy") is not None:
        packed.discard("KHR_draco_mesh_compression")
    if packed:
        raise InputError(f"{path} is compressed with {', '.join(sorted(packed))}: export it without compression")
    return kind, data


def _gltf_json(path: Path, kind: str, data: bytes) -> dict[str, Any]:
    if kind == "glb" and len(data) >= 20:
        data = data[20 : 20 + struct.unpack("<I", data[12:16])[0]]
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged or no .{kind} file: {REPAIR}") from error
    if not isinstance(tree, dict):
        raise InputError(f"{path} is damaged or no .{kind} file: {REPAIR}")
    return tree

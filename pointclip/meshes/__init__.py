"""Files to geometry: meshes through trimesh, point clouds by small readers of their own."""

from pathlib import Path

from pointclip.errors import InputError
from pointclip.meshes._scene import MESH_KINDS, read_scene
from pointclip.meshes._types import Mesh, RawPoints

__all__ = ["KNOWN_KINDS", "Mesh", "RawPoints", "load_geometry"]

KNOWN_KINDS = MESH_KINDS


def load_geometry(path: str | Path) -> Mesh | RawPoints:
    """Read a mesh or a point cloud from a file."""
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist: check the path")
    if path.is_dir():
        raise InputError(f"{path} is a folder: name a file inside it")
    kind = path.suffix[1:].lower()
    if kind not in KNOWN_KINDS:
        raise InputError(f"{path} has an unknown file type: use one of .{', .'.join(KNOWN_KINDS)}")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty: export or download it again")
    return read_scene(path, kind)

"""Files to geometry: meshes through trimesh, point clouds by small readers of their own."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from pointclip._base.checks import nearest
from pointclip.errors import InputError
from pointclip.meshes.arrays import as_colors, read_npy, read_npz, read_text
from pointclip.meshes.geometry import Mesh, RawPoints
from pointclip.meshes.pcd import read_pcd
from pointclip.meshes.scene import MESH_KINDS, from_scene, read_scene

__all__ = ["KNOWN_SUFFIXES", "Mesh", "RawPoints", "as_colors", "from_scene", "load_geometry"]

_CLOUD_READERS: dict[str, Callable[[Path], RawPoints]] = {
    "npy": read_npy,
    "npz": read_npz,
    "xyz": read_text,
    "pts": read_text,
    "pcd": read_pcd,
}
KNOWN_SUFFIXES = tuple(f".{kind}" for kind in (*MESH_KINDS, *_CLOUD_READERS))


def load_geometry(path: str | Path) -> Mesh | RawPoints:
    """Read a mesh or a point cloud as it stands in its file.

    Meshes: .off (also glued headers), .obj with materials and textures, .ply, .stl, .glb and .gltf with all transforms
    applied. Clouds: .npy, .npz, .xyz, .pts, .pcd, and .ply, .obj or glTF files without faces.

    Args:
        path: The file; its suffix says what it is, in capitals or not.

    Returns:
        A Mesh, or RawPoints without the rows that are NaN or infinite (organised .pcd files mark missing points so).
        Normals of points are kept only when every point has one.

    Raises:
        InputError: The file is missing, empty, a folder, of an unknown type, damaged or cut short.

    Note:
        Safe to call from several threads at once.

    Example:
        >>> load_geometry("chair.step")
        Traceback (most recent call last):
        ...
        pointclip.errors.InputError: chair.step does not exist: check the path
    """
    path = Path(path)
    try:
        _check_file(path)
        kind = path.suffix[1:].lower()
        geometry = _CLOUD_READERS[kind](path) if kind in _CLOUD_READERS else read_scene(path, kind)
    except OSError as error:
        raise InputError(f"{path} cannot be opened ({error.strerror or error}): check its permissions") from error
    return geometry if isinstance(geometry, Mesh) else _finite(path, geometry)


def _check_file(path: Path) -> None:
    if not path.exists():
        raise InputError(f"{path} does not exist: check the path")
    if path.is_dir():
        raise InputError(f"{path} is a folder: name a file inside it")
    suffix = path.suffix.lower()
    if suffix not in KNOWN_SUFFIXES:
        named = f"has the unknown file type {suffix}" if suffix else "has no file type at the end of its name"
        raise InputError(f"{path} {named}: {nearest(suffix, KNOWN_SUFFIXES)}")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty: export or copy it again")


def _finite(path: Path, cloud: RawPoints) -> RawPoints:
    good = np.isfinite(cloud.points).all(axis=1)
    if not len(good):
        raise InputError(f"{path} holds no points: export it again")
    if not good.any():
        raise InputError(f"{path} holds {len(good)} points and none is finite: export it again")
    normals = None if cloud.normals is None else cloud.normals[good]
    if normals is not None:
        length = np.linalg.norm(normals, axis=1)
        normals = normals if np.isfinite(length).all() and (length > 0).all() else None
    colors = None if cloud.colors is None else cloud.colors[good]
    return RawPoints(cloud.points[good], normals, colors, left_out=int((~good).sum()))

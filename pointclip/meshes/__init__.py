"""Files to geometry: meshes through trimesh, point clouds by small readers of their own."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from pointclip._base.checks import nearest
from pointclip._base.files import FULL
from pointclip._base.words import counted
from pointclip.errors import InputError
from pointclip.meshes.arrays import read_npy, read_npz
from pointclip.meshes.columns import as_colors, from_table
from pointclip.meshes.exchange import read_3mf, read_dae
from pointclip.meshes.foreign import UNREAD_SHAPES, WAYS
from pointclip.meshes.geometry import Mesh, RawPoints
from pointclip.meshes.off import read_off
from pointclip.meshes.packed import PACKED, STDIN, check_unpacked, kind_of, names_one_shape, read_packed, read_stdin
from pointclip.meshes.pcd import read_pcd
from pointclip.meshes.ply import read_ply
from pointclip.meshes.repair import sound
from pointclip.meshes.scene import from_scene, read_gltf, read_obj
from pointclip.meshes.stl import read_stl
from pointclip.meshes.text import looks_like_points, read_text

__all__ = [
    "KNOWN_SUFFIXES",
    "STDIN",
    "Mesh",
    "RawPoints",
    "as_colors",
    "check_unpacked",
    "from_scene",
    "from_table",
    "is_shape",
    "is_unread_shape",
    "load_geometry",
    "sound",
]

_READERS: dict[str, Callable[[Path], Mesh | RawPoints]] = {
    "off": read_off,
    "obj": read_obj,
    "ply": read_ply,
    "stl": read_stl,
    "glb": read_gltf,
    "gltf": read_gltf,
    "dae": read_dae,
    "3mf": read_3mf,
    "npy": read_npy,
    "npz": read_npz,
    "pcd": read_pcd,
    **dict.fromkeys(("xyz", "pts", "txt", "csv", "asc", "xyzrgb", "xyzn"), read_text),
}
_PLAIN = tuple(f".{kind}" for kind in _READERS)
KNOWN_SUFFIXES = (*_PLAIN, *PACKED)
_ANY_TEXT = (".txt", ".csv", ".asc")


def is_shape(path: str | Path) -> bool:
    """Tell by its name, and a text file also by its first lines, whether a file in a folder is a shape.

    Example:
        >>> is_shape("chair.OBJ"), is_shape("notes.pdf")
        (True, False)
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in PACKED:
        return names_one_shape(path, tuple(kind for kind in _PLAIN if kind not in _ANY_TEXT))
    return suffix in KNOWN_SUFFIXES and (suffix not in _ANY_TEXT or looks_like_points(path))


def is_unread_shape(path: str | Path) -> bool:
    """Tell whether a file that :func:`is_shape` leaves out is a shape all the same, of a type that is not read here.

    Example:
        >>> is_unread_shape("chair.fbx"), is_unread_shape("chair.obj"), is_unread_shape("notes.pdf")
        (True, False, False)
    """
    suffix = Path(path).suffix.lower()
    return suffix in UNREAD_SHAPES or (suffix == ".zip" and not is_shape(path))


def load_geometry(path: str | Path) -> Mesh | RawPoints:
    """Read a mesh or a point cloud as it stands in its file.

    Meshes: .off (also glued headers), .obj with materials and textures, .ply, .stl, .glb and .gltf with all transforms
    applied. Clouds: .npy, .npz, .pcd, text (.xyz .pts .txt .csv .asc .xyzrgb .xyzn), and .ply, .obj, .off or glTF files
    without faces. With the extra ``formats`` also .dae and .3mf. A .gz file is read through, and so is a .zip file
    that holds one shape.

    Args:
        path: The file; its suffix says what it is, in capitals or not. ``-`` is standard input, whose first bytes do.

    Returns:
        A Mesh, or RawPoints without the rows that are NaN or infinite (organised .pcd files mark missing points so) or
        lack the normal or colour that most have. The notes say what was left out or assumed.

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
    if str(path) == STDIN:
        return read_stdin(_PLAIN, load_geometry)
    try:
        _check_file(path)
        if path.suffix.lower() in PACKED:
            return read_packed(path, _PLAIN, load_geometry)
        with np.errstate(all="ignore"):  # numbers of damaged files overflow; what comes of it is checked
            geometry = _READERS[_kind(path)](path)
            return geometry if isinstance(geometry, Mesh) else _finite(path, geometry)
    except OSError as error:
        if error.errno in FULL:
            raise
        raise InputError(f"{path} cannot be opened ({error.strerror or error}): check its permissions") from error


def _check_file(path: Path) -> None:
    if path.is_symlink() and not path.exists():
        raise InputError(f"{path} is a link to {path.resolve()}, which does not exist: mend the link")
    if not path.exists():
        raise InputError(f"{path} does not exist: check the path")
    if path.is_dir():
        raise InputError(f"{path} is a folder: name a file inside it")
    if not path.is_file():
        raise InputError(f"{path} is a pipe or a device: save what it gives to a file first")
    suffix = path.suffix.lower()
    if suffix in WAYS:
        raise InputError(f"{path} is a {suffix} file, which is not read: {WAYS[suffix]}")
    if suffix and suffix not in KNOWN_SUFFIXES:
        raise InputError(f"{path} has the unknown file type {suffix}: {nearest(suffix, KNOWN_SUFFIXES)}")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty: export or copy it again")


def _kind(path: Path) -> str:
    """Name the type that a file's name says it has, or without one its first bytes.

    Raises:
        InputError: Neither does.
    """
    kind = path.suffix[1:].lower() or kind_of(path.read_bytes())
    if kind not in _READERS:
        known = " ".join(KNOWN_SUFFIXES)
        raise InputError(f"{path} has no file type at the end of its name, and begins like no shape. Known: {known}")
    return kind


def _finite(path: Path, cloud: RawPoints) -> RawPoints:
    good = np.isfinite(cloud.points).all(axis=1)
    if not len(good):
        raise InputError(f"{path} holds no points: export it again")
    if not good.any():
        raise InputError(f"{path} holds {len(good)} points and none is finite: export it again")
    notes = list(cloud.notes)
    if not good.all():
        notes.append(f"{counted(int((~good).sum()), 'row')} with NaN or infinite coordinates left out")
    length = None if cloud.normals is None else np.linalg.norm(cloud.normals, axis=1)
    normals, keep = _mostly(good, cloud.normals, None if length is None else np.isfinite(length) & (length > 0))
    known = None if cloud.colors is None else np.isfinite(cloud.colors).all(axis=1)
    colors, keep = _mostly(keep, cloud.colors, known)
    lost = int(good.sum() - keep.sum())
    if lost:
        notes.append(f"{counted(lost, 'point')} without a normal or a colour left out")
    if cloud.normals is not None and normals is None and length is not None and (length > 0).any():
        notes.append("normals left out: most are zero or not finite")
    if cloud.colors is not None and colors is None:
        notes.append("colours left out: most are not finite")
    normals, colors = (None if extra is None else extra[keep] for extra in (normals, colors))
    return RawPoints(cloud.points[keep], normals, colors, left_out=int((~good).sum()), notes=tuple(notes))


def _mostly(
    keep: np.ndarray, values: np.ndarray | None, known: np.ndarray | None
) -> tuple[np.ndarray | None, np.ndarray]:
    """Return values and the rows that have one where most have; else no values and the rows as they were."""
    if values is None or known is None or (keep & known).sum() * 2 <= keep.sum():
        return None, keep
    return values, keep & known

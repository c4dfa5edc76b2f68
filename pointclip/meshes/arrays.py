"""Point clouds in numpy files: .npy and .npz."""

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pointclip.errors import InputError
from pointclip.meshes.columns import colors_of, from_table
from pointclip.meshes.geometry import RawPoints
from pointclip.meshes.packed import check_unpacked

POINT_KEYS = ("points", "xyz", "pos", "data", "vertices", "pc", "coord", "coords", "coordinates", "point_cloud", "pts")
NORMAL_KEYS = ("normals", "normal")
COLOR_KEYS = ("colors", "color", "rgb", "colours", "colour")


def read_npy(path: Path) -> RawPoints:
    """Read an array (N, C), (1, N, C) or one with named fields; see ``from_table`` for the columns.

    Raises:
        InputError: The array has another form, is cut short, or is a pickle, which could run code.
    """
    if zipfile.is_zipfile(path):
        return read_npz(path)
    try:
        array = np.array(np.load(path, mmap_mode="r", allow_pickle=False))
    except Exception as error:  # a damaged file raises anything from EOFError to tokenize.TokenError
        raise _unreadable(path, error) from error
    return _from_array(path, array)


def read_npz(path: Path) -> RawPoints:
    """Read the array named points, xyz, pos, data, coord or the like (or the only one), with normals and colours.

    Only what is used is unpacked.

    Raises:
        InputError: No array is named so, one has another form, or the archive is damaged.
    """
    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if isinstance(archive, np.ndarray):
                return _from_array(path, archive)
            with archive:
                return _from_archive(path, archive)
    except InputError:
        raise
    except Exception as error:  # as above, and zipfile's and zlib's own
        raise _unreadable(path, error) from error


def _from_archive(path: Path, archive: np.lib.npyio.NpzFile) -> RawPoints:
    names = {name.lower(): name for name in archive.files}
    if len(names) > 1 and all(name.startswith("arr_") for name in names):
        return _in_order(path, [_unpacked(path, archive, name) for name in sorted(archive.files)])
    found = [names[key] for key in POINT_KEYS if key in names] or (archive.files if len(names) == 1 else [])
    if not found:
        held = ", ".join(archive.files) or "none"
        raise InputError(f"{path} holds the arrays {held}: name the one with the points 'points'")
    cloud = _from_array(path, _unpacked(path, archive, found[0]))
    normals, colors = (
        next((_unpacked(path, archive, names[k]) for k in keys if k in names), None)
        for keys in (NORMAL_KEYS, COLOR_KEYS)
    )
    if normals is not None:
        cloud = replace(cloud, normals=_beside(path, "normals", normals, cloud).astype(np.float64))
    if colors is not None:
        rgb, notes = colors_of(_beside(path, "colors", colors, cloud))
        cloud = replace(cloud, colors=rgb, notes=(*cloud.notes, *notes))
    return cloud


def _unpacked(path: Path, archive: np.lib.npyio.NpzFile, name: str) -> np.ndarray:
    packed: Any = archive.zip
    stored = packed.namelist()
    member = packed.getinfo(name if name in stored else f"{name}.npy")
    check_unpacked(path, member.file_size, member.compress_size)
    return archive[name]


def _in_order(path: Path, arrays: list[np.ndarray]) -> RawPoints:
    """Read arrays that were saved without names: the points, then what belongs to each of them."""
    first = arrays[0]
    columns = [array for array in arrays if array.ndim == 2 and len(array) == len(first) and array.dtype.kind in "fiu"]
    if first.ndim != 2 or first.shape[1] != 3:
        return _from_array(path, first)
    cloud = _from_array(path, np.hstack(columns))
    return replace(cloud, notes=(*cloud.notes, "the arrays have no names: the first was read as the points"))


def _from_array(path: Path, array: np.ndarray) -> RawPoints:
    names = array.dtype.names
    if names and array.ndim == 1 and all(array.dtype[name].kind in "fiu" for name in names):
        return from_table(path, np.column_stack([array[name].astype(np.float64) for name in names]), names)
    return from_table(path, array)


def _beside(path: Path, name: str, array: np.ndarray, cloud: RawPoints) -> np.ndarray:
    rows = array[0] if array.ndim == 3 and len(array) == 1 else array
    if name == "colors" and rows.ndim == 2 and rows.shape[1] == 4:
        rows = rows[:, :3]
    if rows.shape != cloud.points.shape or rows.dtype.kind not in "fiu":
        raise InputError(
            f"{path} has {name} of shape {array.shape} for points of shape {cloud.points.shape}: save one row per point"
        )
    return rows


def _unreadable(path: Path, error: Exception) -> InputError:
    if "allow_pickle" in str(error) or "Python objects" in str(error):
        return InputError(
            f"{path} is a pickle or no numpy file, and pickles can run code: save a plain array with np.save"
        )
    return InputError(f"{path} cannot be read as {path.suffix}: save it again with np.save or np.savez")

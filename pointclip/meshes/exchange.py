"""COLLADA (.dae) and 3MF files, through packages that trimesh needs for them."""

import re
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from pointclip._base.optional import require
from pointclip.errors import InputError, MissingDependency
from pointclip.meshes.geometry import Mesh, RawPoints
from pointclip.meshes.packed import check_archive
from pointclip.meshes.scene import read_scene

_UP = re.compile(rb"<up_axis>\s*([XZ])_UP\s*</up_axis>")


def read_dae(path: Path) -> Mesh | RawPoints:
    """Read a COLLADA file with its materials and textures, turned so that the axis it names as up is +y.

    Raises:
        InputError: The file is damaged or holds no geometry, or pycollada is not installed.
    """
    _need(path, "collada", "lxml")
    data = path.read_bytes()
    geometry = read_scene(path, "dae", data, [])
    found = _UP.search(data)
    if found is None:
        return geometry
    turn = (
        np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])
        if found[1] == b"Z"
        else np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]])
    )
    note = f"turned upright, for the file says that {found[1].decode().lower()} is up"
    if isinstance(geometry, Mesh):
        return replace(geometry, vertices=geometry.vertices @ turn.T, notes=(*geometry.notes, note))
    return replace(geometry, points=geometry.points @ turn.T, notes=(*geometry.notes, note))


def read_3mf(path: Path) -> Mesh | RawPoints:
    """Read a 3MF file: the parts that it says are to be built.

    Raises:
        InputError: The file is damaged or holds no geometry, or lxml or networkx is not installed.
    """
    _need(path, "lxml", "networkx")
    try:
        with zipfile.ZipFile(path) as archive:
            check_archive(path, archive)
            colored = any(
                re.search(rb"<(?:\w+:)?(?:colorgroup|basematerials)\b", archive.read(name))
                for name in archive.namelist()
                if name.lower().endswith(".model")
            )
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise InputError(f"{path} is damaged or no .3mf file: export it again") from error
    return read_scene(path, "3mf", path.read_bytes(), ["colours of .3mf files are not read"] * colored)


def _need(path: Path, *packages: str) -> None:
    for package in packages:
        try:
            require(package, extra="formats")
        except MissingDependency as error:
            raise InputError(f"{path} cannot be read yet: {error}") from error

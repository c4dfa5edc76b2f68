"""Mesh files through trimesh: every scene becomes one list of triangles or one list of points."""

import io
import logging
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from pointclip.errors import InputError
from pointclip.meshes.companions import companions
from pointclip.meshes.geometry import Mesh, RawPoints
from pointclip.meshes.gltf import checked_gltf
from pointclip.meshes.obj import tidied_obj
from pointclip.meshes.paint import paint
from pointclip.meshes.repair import REPAIR, sound

UNPAINTED = 0.8  # light grey, for the parts without a colour of a mesh that has colours elsewhere


def read_obj(path: Path) -> Mesh | RawPoints:
    """Read an .obj file with its materials and textures; without faces its vertices are a cloud.

    Raises:
        InputError: The file is damaged, or holds no geometry.
    """
    notes: list[str] = []
    return read_scene(path, "obj", tidied_obj(path, notes), notes)


def read_gltf(path: Path) -> Mesh | RawPoints:
    """Read a .gltf or .glb file, whichever of the two it is, with all transforms applied.

    Raises:
        InputError: The file is damaged, needs what is not read here, or holds no geometry.
    """
    notes: list[str] = []
    kind, data = checked_gltf(path, notes)
    return read_scene(path, kind, data, notes)


def read_scene(path: Path, kind: str, data: bytes, notes: list[str]) -> Mesh | RawPoints:
    """Read the bytes of a file of a type trimesh knows, with the files beside it; the missing ones go to the notes.

    Raises:
        InputError: It is damaged, or holds no geometry.
    """
    resolver = companions(path)
    geometry = from_scene(_open(path, kind, data, resolver), str(path))
    notes += [f"{what}, so its colours are left out" for what in dict.fromkeys(resolver.missing)]
    return replace(geometry, notes=(*geometry.notes, *notes))


def from_scene(scene: Any, source: str) -> Mesh | RawPoints:
    """Flatten a trimesh scene: its meshes, or, where it has none, its point clouds.

    Raises:
        InputError: It has neither, or coordinates that are not finite; the message begins with ``source``.
    """
    import trimesh

    parts: list[Mesh] = []
    clouds: list[RawPoints] = []
    with np.errstate(all="ignore"):
        for geometry, matrix in _placed(scene):
            if not isinstance(geometry, trimesh.Trimesh | trimesh.PointCloud):
                continue
            _check_rows(source, geometry.vertices)
            if isinstance(geometry, trimesh.Trimesh) and len(geometry.faces):
                parts.append(_part(source, geometry, matrix))
            elif len(geometry.vertices):
                clouds.append(_cloud(geometry, matrix))
    if parts:
        return sound(source, _join(parts))
    if clouds:
        return _join_clouds(clouds)
    raise InputError(f"{source} holds no faces and no points: {REPAIR}")


def _open(path: Path, kind: str, data: bytes, resolver: Any) -> Any:
    """Let trimesh read the file; whatever goes wrong in there becomes one sentence."""
    import trimesh

    _quiet()
    try:
        return trimesh.load_scene(io.BytesIO(data), file_type=kind, resolver=resolver, process=False)
    except MemoryError:
        raise
    except ImportError as error:
        raise InputError(f"{path} needs the package {error.name}: pip install {error.name}") from error
    except Exception as error:  # trimesh raises a dozen types, from IndexError to struct.error
        raise InputError(f"{path} is damaged, cut short or no .{kind} file: {REPAIR}") from error


@cache
def _quiet() -> None:
    """Keep trimesh's log lines off the terminal of programs that set up no logging."""
    logging.getLogger("trimesh").addHandler(logging.NullHandler())


def _placed(scene: Any) -> Iterator[tuple[Any, np.ndarray]]:
    for node in scene.graph.nodes_geometry:
        matrix, name = scene.graph[node]
        yield scene.geometry[name], np.asarray(matrix, dtype=np.float64)


def _move(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    if np.array_equal(matrix, np.eye(4)):
        return points
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def _part(source: str, geometry: Any, matrix: np.ndarray) -> Mesh:
    vertices = _move(np.array(geometry.vertices, dtype=np.float64), matrix)
    faces = np.array(geometry.faces, dtype=np.int64)
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise InputError(f"{source} has faces that name vertices it does not hold, so it was cut short: {REPAIR}")
    colors, uv, image = paint(geometry, faces)
    if np.linalg.det(matrix[:3, :3]) < 0:  # a mirrored copy: turn its faces, so that normals still point outwards
        faces = faces[:, ::-1]
        colors = None if colors is None else colors[:, ::-1]
        uv = None if uv is None else uv[:, ::-1]
    if image is None:
        return Mesh(vertices, faces, colors)
    return Mesh(vertices, faces, colors, uv, np.zeros(len(faces), dtype=np.int32), (image,))


def _check_rows(source: str, vertices: np.ndarray) -> None:
    if vertices.ndim != 2 or vertices.shape[1] != 3:
        raise InputError(f"{source} has vertices without three coordinates, or was cut short: {REPAIR}")


def _join(parts: list[Mesh]) -> Mesh:
    starts = np.cumsum([0] + [len(part.vertices) for part in parts])
    vertices = np.concatenate([part.vertices for part in parts])
    faces = np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=False)])
    if all(part.corner_colors is None for part in parts):
        return Mesh(vertices, faces)
    colors = np.concatenate([_or_filled(p.corner_colors, (len(p.faces), 3, 3), UNPAINTED) for p in parts])
    textures = [image for part in parts for image in part.textures]
    if not textures:
        return Mesh(vertices, faces, colors)
    uv = np.concatenate([_or_filled(p.corner_uv, (len(p.faces), 3, 2), 0.0) for p in parts])
    which, count = [], 0
    for part in parts:
        which.append(np.full(len(part.faces), count if part.textures else -1, dtype=np.int32))
        count += len(part.textures)
    return Mesh(vertices, faces, colors, uv, np.concatenate(which), tuple(textures))


def _or_filled(array: np.ndarray | None, shape: tuple[int, ...], value: float) -> np.ndarray:
    return np.full(shape, value, dtype=np.float32) if array is None else array


def _cloud(geometry: Any, matrix: np.ndarray) -> RawPoints:
    points = _move(np.array(geometry.vertices, dtype=np.float64), matrix)
    colors = np.asarray(getattr(geometry, "colors", ()))
    known = len(colors) == len(points) and colors.ndim == 2
    return RawPoints(points, None, colors[:, :3].astype(np.float32) / 255.0 if known else None)


def _join_clouds(clouds: list[RawPoints]) -> RawPoints:
    if len(clouds) == 1:
        return clouds[0]
    colors = [cloud.colors for cloud in clouds if cloud.colors is not None]
    return RawPoints(
        np.concatenate([cloud.points for cloud in clouds]),
        None,
        np.concatenate(colors) if len(colors) == len(clouds) else None,
    )

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
from pointclip.meshes.geometry import UNPAINTED, Mesh, RawPoints
from pointclip.meshes.gltf import checked_gltf
from pointclip.meshes.loose import THICKNESS, beads, rods
from pointclip.meshes.obj import tidied_obj
from pointclip.meshes.paint import Decoded, paint
from pointclip.meshes.repair import REPAIR, sound

_SEEN = 0.05  # less opacity than this cannot be seen


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
    decoded: Decoded = {}
    clouds: list[RawPoints] = []
    beside: list[RawPoints] = []
    lines: list[np.ndarray] = []
    with np.errstate(all="ignore"):
        for geometry, matrix in _placed(scene):
            if hasattr(geometry, "entities"):  # a trimesh path
                corners = [_move(np.asarray(geometry.vertices)[line.points], matrix) for line in geometry.entities]
                lines += [np.stack([line[:-1], line[1:]], axis=1) for line in corners]
                continue
            if not isinstance(geometry, trimesh.Trimesh | trimesh.PointCloud):
                continue
            _check_rows(source, geometry.vertices)
            if isinstance(geometry, trimesh.Trimesh) and len(geometry.faces):
                parts.append(_part(source, geometry, matrix, decoded))
            elif len(geometry.vertices):
                clouds.append(_cloud(geometry, matrix))
                beside += clouds[-1:] * isinstance(geometry, trimesh.PointCloud)
    if parts:
        return sound(source, _join(parts + _loose(parts, beside, lines)))
    if clouds:
        return _join_clouds(clouds)
    raise InputError(f"{source} holds no faces and no points: {REPAIR}")


def _loose(parts: list[Mesh], clouds: list[RawPoints], lines: list[np.ndarray]) -> list[Mesh]:
    """Make faces of the points and lines beside the faces."""
    if not clouds and not lines:
        return []
    places = [part.vertices for part in parts] + [cloud.points for cloud in clouds]
    everything = np.concatenate(places + [line.reshape(-1, 3) for line in lines])
    thickness = THICKNESS * float(np.ptp(everything[np.isfinite(everything).all(axis=1)], axis=0).max(initial=0.0))
    made = [beads(cloud.points, thickness, cloud.colors) for cloud in clouds]
    return made + ([rods(np.concatenate(lines), thickness)] if lines else [])


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


def _part(source: str, geometry: Any, matrix: np.ndarray, decoded: Decoded) -> Mesh:
    vertices = _move(np.array(geometry.vertices, dtype=np.float64), matrix)
    faces = np.array(geometry.faces, dtype=np.int64)
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise InputError(f"{source} has faces that name vertices it does not hold, so it was cut short: {REPAIR}")
    look = paint(geometry, faces, decoded)
    opacity = None if look.opacity == 1 else np.full(len(faces), look.opacity, dtype=np.float32)
    which = None if look.texture is None else np.zeros(len(faces), dtype=np.int32)
    textures = () if look.texture is None else (look.texture,)
    mesh = Mesh(vertices, faces, look.colors, look.uv, which, textures, face_opacity=opacity)
    return mesh.flipped() if np.linalg.det(matrix[:3, :3]) < 0 else mesh  # a mirrored copy: normals point outwards


def _check_rows(source: str, vertices: np.ndarray) -> None:
    if vertices.ndim != 2 or vertices.shape[1] != 3:
        raise InputError(f"{source} has vertices without three coordinates, or was cut short: {REPAIR}")


def _join(parts: list[Mesh]) -> Mesh:
    starts = np.cumsum([0] + [len(part.vertices) for part in parts])
    vertices = np.concatenate([part.vertices for part in parts])
    faces = np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=False)])
    opacity = _joined([p.face_opacity for p in parts], [(len(p.faces),) for p in parts], 1.0)
    if opacity is not None and opacity.max() < _SEEN:
        opacity = None  # some exporters write d 0 or Tr 1 for what all others call opaque
    colors = _joined([p.corner_colors for p in parts], [(len(p.faces), 3, 3) for p in parts], UNPAINTED)
    textures = {id(image): image for part in parts for image in part.textures}  # what parts share is there once
    if not textures:
        return Mesh(vertices, faces, colors, face_opacity=opacity)
    place = {key: number for number, key in enumerate(textures)}
    uv = _joined([p.corner_uv for p in parts], [(len(p.faces), 3, 2) for p in parts], 0.0)
    which = [np.full(len(part.faces), place[id(part.textures[0])] if part.textures else -1) for part in parts]
    return Mesh(
        vertices,
        faces,
        colors,
        uv,
        np.concatenate(which).astype(np.int32),
        tuple(textures.values()),
        face_opacity=opacity,
    )


def _joined(arrays: list[np.ndarray | None], shapes: list[tuple[int, ...]], value: float) -> np.ndarray | None:
    """Join what is known of each part, with a value for the parts of which nothing is; None where all is unknown."""
    if all(array is None for array in arrays):
        return None
    filled = [
        np.full(shape, value, dtype=np.float32) if array is None else array
        for array, shape in zip(arrays, shapes, strict=True)
    ]
    return np.concatenate(filled)


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

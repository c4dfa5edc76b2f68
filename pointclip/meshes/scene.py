"""Mesh files through trimesh: every scene becomes one list of triangles or one list of points."""

import io
import logging
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from pointclip.errors import InputError
from pointclip.meshes.geometry import Mesh, RawPoints
from pointclip.meshes.obj import companions
from pointclip.meshes.off import off_vertex_colors
from pointclip.meshes.paint import paint
from pointclip.meshes.repair import REPAIR, mended

MESH_KINDS = ("off", "obj", "ply", "stl", "glb", "gltf")
UNPAINTED = 0.8  # light grey, for the parts without a colour of a mesh that has colours elsewhere


def read_scene(path: Path, kind: str) -> Mesh | RawPoints:
    """Read a mesh file, flatten its scene with all transforms and keep its colours.

    Args:
        path: The file.
        kind: One of ``MESH_KINDS``.

    Returns:
        A mesh, or bare points when the file holds vertices and no face.

    Raises:
        InputError: The file is damaged, holds no geometry, or coordinates that are not finite.
    """
    data = mended(path, kind)
    geometry = from_scene(_open(path, kind, data), str(path))
    if kind == "off" and isinstance(geometry, Mesh):
        return _with_off_colors(geometry, data)
    if isinstance(geometry, RawPoints) and kind in ("off", "stl"):
        raise InputError(f"{path} holds no faces: {REPAIR}, as a mesh")
    return geometry


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
        return _join(parts)
    if clouds:
        return _join_clouds(clouds)
    raise InputError(f"{source} holds no faces and no points: {REPAIR}")


def _with_off_colors(mesh: Mesh, data: bytes) -> Mesh:
    colors = off_vertex_colors(data)
    if colors is None or len(colors) != len(mesh.vertices):
        return mesh
    return Mesh(mesh.vertices, mesh.faces, colors[mesh.faces])


def _open(path: Path, kind: str, data: bytes) -> Any:
    """Let trimesh read the file; whatever goes wrong in there becomes one sentence."""
    import trimesh

    _quiet()
    try:
        return trimesh.load_scene(io.BytesIO(data), file_type=kind, resolver=companions(path), process=False)
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
    _check_part(source, vertices, faces)
    colors, uv, image = paint(geometry, faces)
    if np.linalg.det(matrix[:3, :3]) < 0:  # a mirrored copy: turn its faces, so that normals still point outwards
        faces = faces[:, ::-1]
        colors = None if colors is None else colors[:, ::-1]
        uv = None if uv is None else uv[:, ::-1]
    if image is None:
        return Mesh(vertices, faces, colors)
    return Mesh(vertices, faces, colors, uv, np.zeros(len(faces), dtype=np.int32), (image,))


def _check_part(source: str, vertices: np.ndarray, faces: np.ndarray) -> None:
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise InputError(f"{source} has faces that name vertices it does not hold, so it was cut short: {REPAIR}")
    broken = int((~np.isfinite(vertices).all(axis=1)).sum())
    if broken:
        raise InputError(f"{source} has NaN or infinite coordinates in {broken} of {len(vertices)} vertices: {REPAIR}")


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
    normals = _ply_normals(geometry.metadata.get("_ply_raw", {}))
    return RawPoints(
        points,
        normals if normals is not None and len(normals) == len(points) else None,
        colors[:, :3].astype(np.float32) / 255.0 if len(colors) == len(points) and colors.ndim == 2 else None,
    )


def _ply_normals(elements: Any) -> np.ndarray | None:
    """Fetch the normals of a PLY point cloud, which trimesh reads and then leaves out of its PointCloud."""
    data = elements.get("vertex", {}).get("data") if isinstance(elements, dict) else None
    names = data if isinstance(data, dict) else getattr(getattr(data, "dtype", None), "names", None) or ()
    if data is None or not {"nx", "ny", "nz"} <= set(names):
        return None
    return np.column_stack([np.asarray(data[axis], dtype=np.float64).reshape(-1) for axis in ("nx", "ny", "nz")])


def _join_clouds(clouds: list[RawPoints]) -> RawPoints:
    if len(clouds) == 1:
        return clouds[0]
    colors = [cloud.colors for cloud in clouds if cloud.colors is not None]
    return RawPoints(
        np.concatenate([cloud.points for cloud in clouds]),
        None,
        np.concatenate(colors) if len(colors) == len(clouds) else None,
    )

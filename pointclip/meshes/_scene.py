"""Mesh files through trimesh: every scene becomes one list of triangles or one list of points."""

import logging
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from pointclip.errors import InputError
from pointclip.meshes._types import Mesh, RawPoints

MESH_KINDS = ("off", "obj", "ply", "stl", "glb", "gltf")
TEXTURE_SIDE = 256
UNPAINTED = 102 / 255  # the grey that trimesh gives to faces without a colour of their own


def read_scene(path: Path, kind: str) -> Mesh | RawPoints:
    """Read a mesh file, flatten its scene and keep its colours.

    Args:
        path: The file.
        kind: One of ``MESH_KINDS``.

    Returns:
        A mesh, or bare points when the file holds vertices without faces.

    Raises:
        InputError: The file is damaged, or holds no geometry.
    """
    import trimesh

    parts, clouds = [], []
    for geometry, matrix in _placed(_open(path, kind)):
        if isinstance(geometry, trimesh.Trimesh) and len(geometry.faces):
            parts.append(_part(geometry, matrix))
        elif isinstance(geometry, trimesh.PointCloud | trimesh.Trimesh) and len(geometry.vertices):
            clouds.append(_cloud(geometry, matrix))
    if parts:
        return _join(parts)
    if clouds:
        return _join_clouds(clouds)
    raise InputError(f"{path} holds no faces and no points: export the shape again as a mesh or a point cloud")


def _open(path: Path, kind: str) -> Any:
    import trimesh

    _quiet()
    try:
        with np.errstate(all="ignore"):
            return trimesh.load_scene(str(path), file_type=kind, process=False)
    except (MemoryError, KeyboardInterrupt):
        raise
    except Exception as error:
        raise InputError(
            f"{path} is not a readable .{kind} file ({type(error).__name__}): open and export it again in a 3D program"
        ) from error


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


def _part(geometry: Any, matrix: np.ndarray) -> Mesh:
    vertices = _move(np.array(geometry.vertices, dtype=np.float64), matrix)
    faces = np.array(geometry.faces, dtype=np.int64)
    colors, uv, image = _paint(geometry, faces)
    if np.linalg.det(matrix[:3, :3]) < 0:  # a mirrored copy: turn its faces, so that normals still point outwards
        faces = faces[:, ::-1]
        colors = None if colors is None else colors[:, ::-1]
        uv = None if uv is None else uv[:, ::-1]
    if image is None:
        return Mesh(vertices, faces, colors)
    return Mesh(vertices, faces, colors, uv, np.zeros(len(faces), dtype=np.int32), (image,))


def _paint(geometry: Any, faces: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    """Return corner colours (F, 3, 3), corner texture coordinates and the texture of one geometry, each or None."""
    visual = geometry.visual
    material = getattr(visual, "material", None)
    if material is None:
        return _plain_paint(visual, faces), None, None
    uv = getattr(visual, "uv", None)
    image = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
    texture = None
    if image is not None and uv is not None and len(uv) == len(geometry.vertices):
        texture = _pixels(image)
    if texture is not None:
        white = np.ones((len(faces), 3, 3), dtype=np.float32)
        return white, np.asarray(uv, dtype=np.float32)[faces], texture
    if not _material_has_color(material):
        return None, None, None
    color = np.asarray(material.main_color, dtype=np.float32)[:3] / 255.0
    return np.broadcast_to(color, (len(faces), 3, 3)), None, None


def _material_has_color(material: Any) -> bool:
    if hasattr(material, "baseColorFactor"):
        return material.baseColorFactor is not None
    return "kd" in getattr(material, "kwargs", {})


def _plain_paint(visual: Any, faces: np.ndarray) -> np.ndarray | None:
    if visual.kind == "vertex":
        return (np.asarray(visual.vertex_colors)[:, :3].astype(np.float32) / 255.0)[faces]
    if visual.kind == "face":
        colors = np.asarray(visual.face_colors)[:, :3].astype(np.float32) / 255.0
        return np.broadcast_to(colors[:, None, :], (len(faces), 3, 3))
    return None


def _pixels(image: Any) -> np.ndarray | None:
    """Decode a texture small: a sample is a spot of the surface, not a pixel of the texture."""
    try:
        image.draft("RGB", (TEXTURE_SIDE, TEXTURE_SIDE))
        small = image.convert("RGB")
        small.thumbnail((TEXTURE_SIDE, TEXTURE_SIDE))
        return np.asarray(small)
    except (OSError, ValueError, SyntaxError):  # what Pillow raises for a damaged image: the shape is still good
        return None


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
    return RawPoints(points, None, None)


def _join_clouds(clouds: list[RawPoints]) -> RawPoints:
    return RawPoints(np.concatenate([cloud.points for cloud in clouds]))

"""PLY files: meshes, strips of triangles, point clouds and Gaussian splats."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pointclip._base.words import counted
from pointclip.errors import InputError
from pointclip.meshes.columns import AXES, COLORS, NORMALS, as_colors, meanings
from pointclip.meshes.companions import find
from pointclip.meshes.geometry import Mesh, RawPoints
from pointclip.meshes.paint import shrunk
from pointclip.meshes.pictures import too_large
from pointclip.meshes.ply_elements import Element, read_elements
from pointclip.meshes.polygons import triangles_of
from pointclip.meshes.repair import REPAIR, sound

_FACE_LISTS = ("vertex_indices", "vertex_index")
_UV = (("s", "t"), ("u", "v"), ("texture_u", "texture_v"))
_FAINT = 0.05
_SH0 = 0.28209479  # the constant spherical harmonic: a splat's colour is 0.5 + _SH0 * f_dc


@dataclass(frozen=True)
class _Texture:
    image: np.ndarray
    uv: np.ndarray


def read_ply(path: Path) -> Mesh | RawPoints:
    """Read the faces of a .ply file, or its vertices where it has none.

    Colours of vertices or faces and one texture are kept; splats of an opacity under 5 % are left out.

    Raises:
        InputError: The file is damaged or cut short, or has no vertices with x y z.
    """
    elements, comments = read_elements(path, path.read_bytes())
    vertex = elements.get("vertex", Element("vertex", 0))
    named = dict(zip(meanings(list(vertex.columns)), vertex.columns.values(), strict=True))
    if not set(AXES) <= set(named):
        raise InputError(f"{path} has vertices without three coordinates, or none: {REPAIR}")
    points = _stacked(named, AXES).astype(np.float64)
    notes: list[str] = []
    colors = _colors(named, notes)
    face = elements.get("face")
    sizes, corners = _polygons(face)
    if len(sizes):
        if len(corners) and (corners.min() < 0 or corners.max() >= len(points)):
            raise InputError(f"{path} has faces that name vertices it does not hold, so it was cut short: {REPAIR}")
        triangles, places, owner = triangles_of(points, sizes, corners)
        texture = _texture(path, comments, vertex, face, triangles, places, notes)
        on_corners = None if colors is None else colors[triangles]
        if on_corners is None and face is not None:
            on_corners = _face_colors(face, owner, notes)
        return sound(str(path), _painted(points, triangles, on_corners, texture, tuple(notes)))
    lists = elements.get("tristrips", Element("", 0)).lists.values()
    strips = [strip for sizes, values in lists for strip in np.split(values, np.cumsum(sizes)[:-1])]
    if strips:
        triangles = np.concatenate([_unrolled(strip.astype(np.int64)) for strip in strips])
        return sound(
            str(path), Mesh(points, triangles, None if colors is None else colors[triangles], notes=tuple(notes))
        )
    normals = _stacked(named, NORMALS).astype(np.float64) if set(NORMALS) <= set(named) else None
    return _splats(RawPoints(points, normals, colors, notes=tuple(notes)), vertex.columns)


def _stacked(columns: dict[str, np.ndarray], names: tuple[str, ...]) -> np.ndarray:
    return np.column_stack([columns[name] for name in names])


def _colors(named: dict[str, np.ndarray], notes: list[str]) -> np.ndarray | None:
    if not set(COLORS) <= set(named):
        return None
    colors = as_colors(_stacked(named, COLORS))
    if colors is None:
        notes.append("colours left out: they are neither in 0 to 1 nor in 0 to 255")
    return colors


def _polygons(face: Element | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the sizes of the faces and all their corners; -1 for a corner beyond int64."""
    lists = {} if face is None else face.lists
    name = next((name for name in _FACE_LISTS if name in lists), next(iter(lists), ""))
    sizes, corners = lists.get(name, (np.zeros(0, np.int64), np.zeros(0, np.int64)))
    return sizes, corners.astype(np.int64)


def _face_colors(face: Element, owner: np.ndarray, notes: list[str]) -> np.ndarray | None:
    named = dict(zip(meanings(list(face.columns)), face.columns.values(), strict=True))
    colors = _colors(named, notes)
    return None if colors is None else np.repeat(colors[owner, None], 3, axis=1)


def _unrolled(strip: np.ndarray) -> np.ndarray:
    """Return the triangles (T, 3) of strips that -1 ends; every second one is turned, so that all face one way."""
    ends = np.flatnonzero(strip == -1)
    found = [np.zeros((0, 3), dtype=np.int64)]
    for run in np.split(strip, ends):
        run = run[run >= 0]
        rows = np.stack([run[:-2], run[1:-1], run[2:]], axis=1)
        rows[1::2] = rows[1::2, [1, 0, 2]]
        found.append(rows[(rows[:, 0] != rows[:, 1]) & (rows[:, 1] != rows[:, 2]) & (rows[:, 0] != rows[:, 2])])
    return np.concatenate(found)


def _texture(
    path: Path,
    comments: list[str],
    vertex: Element,
    face: Element | None,
    triangles: np.ndarray,
    places: np.ndarray,
    notes: list[str],
) -> _Texture | None:
    """Return the image that a comment names, with the coordinates of each corner, (T, 3, 2)."""
    name = next((words.split(None, 1)[1] for words in comments if words.lower().startswith("texturefile ")), None)
    pair = next((pair for pair in _UV if set(pair) <= set(vertex.columns)), None)
    if name is None:
        return None
    if pair:
        uv = _stacked(vertex.columns, pair)[triangles]
    elif (
        face is not None and "texcoord" in face.lists and len(face.lists["texcoord"][1]) == 2 * len(_polygons(face)[1])
    ):
        uv = face.lists["texcoord"][1].reshape(-1, 2)[places]
    else:
        return None
    image = _image(path, name)
    if image is None:
        notes.append(f"{name} was not found, is damaged or too large, so its colours are left out")
        return None
    return _Texture(image, uv.astype(np.float32))


def _image(path: Path, name: str) -> np.ndarray | None:
    from PIL import Image, UnidentifiedImageError

    try:
        data = find(path.parent, name).read_bytes()
        if too_large(data):
            raise OSError(f"{name} has more pixels than a texture needs")
        with Image.open(io.BytesIO(data)) as image:
            return shrunk(image)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError):
        return None


def _painted(
    points: np.ndarray,
    triangles: np.ndarray,
    colors: np.ndarray | None,
    texture: _Texture | None,
    notes: tuple[str, ...],
) -> Mesh:
    if texture is None:
        return Mesh(points, triangles, colors, notes=notes)
    white = np.ones((len(triangles), 3, 3), dtype=np.float32)
    which = np.zeros(len(triangles), dtype=np.int32)
    return Mesh(points, triangles, white, texture.uv, which, (texture.image,), notes)


def _splats(cloud: RawPoints, columns: dict[str, np.ndarray]) -> RawPoints:
    """Give Gaussian splats their colours and leave out those that can hardly be seen; other clouds stay as they are."""
    names = ("f_dc_0", "f_dc_1", "f_dc_2")
    if not set(names) <= set(columns):
        return cloud
    colors = np.clip(0.5 + _SH0 * _stacked(columns, names), 0.0, 1.0).astype(np.float32)
    seen = np.ones(len(colors), dtype=bool)
    if "opacity" in columns:
        seen = columns["opacity"] >= np.log(_FAINT / (1 - _FAINT))  # kept as the argument of a sigmoid
    if not seen.any():
        seen[:] = True
    notes = cloud.notes
    if not seen.all():
        notes = (*notes, f"{counted(int((~seen).sum()), 'splat')} with an opacity under 5 % left out")
    return RawPoints(cloud.points[seen], None, colors[seen], notes=notes)

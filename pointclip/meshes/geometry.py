"""What a file turns into: a triangle mesh or a bare set of points, as numpy arrays."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from pointclip.meshes.creases import corner_normals

UNPAINTED = 0.8  # light grey, for the parts without a colour of what has colours elsewhere
_PER_CORNER = ("corner_colors", "corner_uv")
_ONCE = ("face_texture", "face_opacity")
_MOST_PARTS = 200_000
_PER_FACE = ("faces", *_PER_CORNER, *_ONCE)


@dataclass(frozen=True)
class RawPoints:
    """Points as they stand in a file: not sampled, not centred, not scaled.

    Args:
        points: (N, 3) float64, in the file's units.
        normals: (N, 3) float64 of any length, or None.
        colors: (N, 3) float32 in [0, 1], or None.
        left_out: Rows of the file that are no points, for a coordinate is NaN or infinite.
        notes: What was left out or assumed, each a few words.
    """

    points: np.ndarray
    normals: np.ndarray | None = None
    colors: np.ndarray | None = None
    left_out: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles of a file with everything needed to colour a point on them.

    Coordinates stay float64 until the shape is centred, so that a building in map coordinates keeps its millimetres.

    Args:
        vertices: (V, 3) float64, in the file's units.
        faces: (F, 3) int64 indices into ``vertices``; quads and polygons are already cut into triangles.
        corner_colors: (F, 3, 3) float32 in [0, 1]: a colour per face corner, or None for a file without colours.
        corner_uv: (F, 3, 2) float32 texture coordinates, origin at the lower left of the image, or None.
        face_texture: (F,) int32 index into ``textures``, -1 for a face without one, or None.
        textures: Images (H, W, 3) uint8, or (H, W, 4) where some of it is transparent.
        notes: What was left out or assumed, each a few words.
        face_opacity: (F,) float32 in [0, 1]: 1 hides what lies behind; None where all of it does.

    Example:
        >>> mesh = Mesh(np.eye(3), np.array([[0, 1, 2]]), corner_colors=np.eye(3, dtype=np.float32)[None])
        >>> mesh.colors_at(np.array([0]), np.array([[0.5, 0.5, 0.0]])).tolist()
        [[0.5, 0.5, 0.0]]
    """

    vertices: np.ndarray
    faces: np.ndarray
    corner_colors: np.ndarray | None = None
    corner_uv: np.ndarray | None = None
    face_texture: np.ndarray | None = None
    textures: tuple[np.ndarray, ...] = ()
    notes: tuple[str, ...] = ()
    face_opacity: np.ndarray | None = None

    def arrays(self) -> list[np.ndarray | None]:
        """List all that the mesh is made of: vertices, faces, what belongs to faces, textures.

        Example:
            >>> len(Mesh(np.eye(3), np.array([[0, 1, 2]])).arrays())
            6
        """
        return [self.vertices, *(getattr(self, name) for name in _PER_FACE), *self.textures]

    def with_faces(self, keep: np.ndarray) -> "Mesh":
        """Return the mesh of the faces that a mask (F,) or indices name, with all that belongs to them.

        Example:
            >>> mesh = Mesh(np.eye(3), np.array([[0, 1, 2], [2, 1, 0]]))
            >>> mesh.with_faces(np.array([False, True])).faces.tolist()
            [[2, 1, 0]]
        """
        parts = {name: getattr(self, name) for name in _PER_FACE}
        kept: dict[str, Any] = {name: part[keep] for name, part in parts.items() if part is not None}
        return replace(self, **kept)

    def flipped(self) -> "Mesh":
        """Return the mesh with the corners of each face in the other order, so that its normals turn round."""
        parts = {name: getattr(self, name) for name in ("faces", "corner_colors", "corner_uv")}
        turned: dict[str, Any] = {name: part[:, ::-1].copy() for name, part in parts.items() if part is not None}
        return replace(self, **turned)

    def compact(self) -> "Mesh":
        """Return the mesh without the vertices that no face uses.

        Example:
            >>> Mesh(np.eye(3)[[0, 0, 1, 2]], np.array([[1, 2, 3]])).compact().faces.tolist()
            [[0, 1, 2]]
        """
        used = np.zeros(len(self.vertices), dtype=bool)
        used[self.faces.ravel()] = True
        if used.all():
            return self
        place = np.cumsum(used) - 1
        return replace(self, vertices=self.vertices[used], faces=place[self.faces])

    def split(self, longest: float) -> "Mesh":
        """Return the same surface in faces whose edges are at most ``longest``: longest edges are halved.

        Args:
            longest: In units of the vertices. From 200,000 faces on none is cut any more.

        Example:
            >>> len(Mesh(np.eye(3), np.array([[0, 1, 2]])).split(0.8).faces)
            6
        """
        known = {name: getattr(self, name) for name in (*_PER_CORNER, *_ONCE)}
        parts = {"vertices": self.vertices[self.faces]} | {n: part for n, part in known.items() if part is not None}
        done: list[dict[str, np.ndarray]] = []
        count = 0
        while len(parts["vertices"]):
            corners = parts["vertices"]
            edges = np.linalg.norm(np.roll(corners, -1, axis=1) - corners, axis=2)
            large = (edges > longest).any(axis=1) & (count + 2 * len(corners) <= _MOST_PARTS)
            done.append({name: part[~large] for name, part in parts.items()})
            count += int((~large).sum())
            begin = edges[large].argmax(axis=1)
            parts = {name: _halved(part[large], None if name in _ONCE else begin) for name, part in parts.items()}
        joined = {name: np.concatenate([part[name] for part in done]) for name in parts}
        vertices = joined.pop("vertices").reshape(-1, 3)
        faces = np.arange(len(vertices)).reshape(-1, 3)
        return replace(replace(self, vertices=vertices, faces=faces), **joined)  # type: ignore[arg-type]

    @cached_property
    def unit_normals(self) -> tuple[np.ndarray, np.ndarray]:
        """Unit normals (F, 3) by the right-hand rule and areas (F,), in units of the squared size of the mesh.

        At unit size areas neither overflow nor vanish, whatever the units of the file. Both are float64; a face
        without an area has the normal 0.
        """
        corner = [self.vertices[self.faces[:, k]] for k in range(3)]
        edges = corner[1] - corner[0], corner[2] - corner[0]
        size = self.size
        cross = np.cross(edges[0] / size, edges[1] / size)
        double_area = np.sqrt(np.einsum("fk,fk->f", cross, cross))
        return cross / np.where(double_area > 0, double_area, 1.0)[:, None], double_area / 2

    @cached_property
    def corner_normals(self) -> np.ndarray:
        """Unit normals (F, 3, 3) float32 at the corners of each face, see :func:`pointclip.meshes.creases`."""
        return corner_normals(self)

    @cached_property
    def size(self) -> float:
        """The longest edge along an axis, 1 where all are points."""
        corners = self.vertices[self.faces]
        return float(np.ptp(corners, axis=1).max(initial=0.0)) or 1.0

    def colors_at(self, face: np.ndarray, weights: np.ndarray) -> np.ndarray | None:
        """Return the colour of points on the surface.

        Args:
            face: (N,) int64, the face each point lies on.
            weights: (N, 3) barycentric weights of the face's corners.

        Returns:
            (N, 3) float32 in [0, 1], corner colour times texture; None when the mesh has no colours.
        """
        if self.corner_colors is None:
            return None
        colors = np.einsum("nc,nck->nk", weights.astype(np.float32), self.corner_colors[face])
        if self.face_texture is not None and self.corner_uv is not None:
            which = self.face_texture[face]
            uv = np.einsum("nc,nck->nk", weights, self.corner_uv[face])
            for index in np.unique(which[which >= 0]):
                here = which == index
                colors[here] *= _lookup(self.textures[index], uv[here])
        return np.clip(colors, 0.0, 1.0, dtype=np.float32)


def _halved(part: np.ndarray, begin: np.ndarray | None) -> np.ndarray:
    """Give what the corners (F, 3, D) of each face are to its two halves, cut through the edge that begins at a corner.

    What a face has once (F,) both halves have.
    """
    if begin is None:
        return np.tile(part, 2)
    rows = np.arange(len(part))
    a, b, c = (part[rows, (begin + step) % 3] for step in range(3))
    middle = (a + b) / 2
    return np.concatenate([np.stack([a, middle, c], axis=1), np.stack([middle, b, c], axis=1)])


def _lookup(image: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """Read the pixel under each texture coordinate; the image repeats outside [0, 1)."""
    height, width = image.shape[:2]
    wrapped = np.mod(np.nan_to_num(uv, posinf=0.0, neginf=0.0), 1.0)
    column = np.minimum((wrapped[:, 0] * width).astype(np.int64), width - 1)
    row = np.minimum(((1.0 - wrapped[:, 1]) * height).astype(np.int64), height - 1)
    return image[row, column, :3].astype(np.float32) / 255.0

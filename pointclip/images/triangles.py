"""Pictures of triangle meshes: projected, rasterised, toned by the style, averaged down."""

from dataclasses import dataclass
from functools import cached_property, singledispatch

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from pointclip import ops
from pointclip.cameras import Views, fit_to_frame, project
from pointclip.images.styles import Framed, Style
from pointclip.images.textures import texels
from pointclip.meshes import Mesh

GLASS = 0.5  # what is less opaque tints what lies behind it


@dataclass(frozen=True, eq=False)
class MeshScene:
    """A mesh before V cameras.

    Attributes:
        mesh: F triangles on N vertices, world units.
        views: V cameras.
        uvz: (1, V, N, 3) float32, vertices in pixels of the enlarged picture and world units.
        frame: (H, W) of the enlarged picture.
    """

    mesh: Mesh
    views: Views
    uvz: Tensor
    frame: tuple[int, int]

    @cached_property
    def faces(self) -> Tensor:
        """(F, 3) int64."""
        return torch.from_numpy(np.ascontiguousarray(self.mesh.faces, dtype=np.int64)).to(self.uvz.device)

    @cached_property
    def corners(self) -> Tensor:
        """(F, 3) int64 numbers of the corners themselves: the faces of values that each corner has for itself."""
        return torch.arange(self.faces.numel(), device=self.uvz.device).view(-1, 3)

    def tensor(self, array: np.ndarray) -> Tensor:
        """Give an array of the mesh as float32 beside the vertices."""
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)).to(self.uvz.device)

    def light(self, direction: tuple[float, float, float]) -> Tensor:
        """Compute ``max(0, n . light)`` at all corners, (V, F, 3), n on the side of the face that the camera sees.

        Args:
            direction: From the surface to the lamp, in camera axes.
        """
        rotations = self.views.rotations.to(self.uvz)
        lamps = torch.nn.functional.normalize(self.uvz.new_tensor(direction), dim=0) @ rotations
        normals = self.tensor(self.mesh.corner_normals)
        lit = (lamps @ normals.flatten(0, 1).T).view(len(lamps), -1, 3)
        faces = self.tensor(self.mesh.unit_normals[0]).T
        if self.views.perspective:
            eyes = -torch.einsum("vji,vj->vi", rotations, self.views.translations.to(self.uvz))
            first = self.tensor(self.mesh.vertices[self.mesh.faces[:, 0]])
            facing = eyes @ faces - (first.T * faces).sum(0)
        else:
            facing = -rotations[:, 2] @ faces
        return (lit * facing.sign()[..., None]).clamp_(0, 1)


@dataclass(frozen=True, eq=False)
class Layer:
    """What is nearest of some faces of a scene in every pixel.

    Attributes:
        scene: The scene.
        triangles: Which face, its depth and where on it, each (1, V, H, W, ...).
    """

    scene: MeshScene
    triangles: ops.Triangles

    @property
    def covered(self) -> Tensor:
        """(1, V, H, W, 1) bool."""
        return self.triangles.face[..., None] >= 0

    def of_corners(self, values: Tensor) -> Tensor:
        """Carry values (V, F, 3, D) or (F, 3, D) of corners into the picture, (1, V, H, W, D)."""
        flat = values.flatten(-3, -2)
        return ops.interpolate(self.triangles, self.scene.corners, flat[None])

    def lit(self, direction: tuple[float, float, float], ambient: float, colored: bool) -> Tensor:
        """Light the faces, (1, V, H, W, 1), or their colours and textures, (1, V, H, W, 3).

        Args:
            direction: From the surface to the lamp, in camera axes.
            ambient: Grey of what the lamp does not reach.
            colored: Paint the colours of the mesh.
        """
        light = self.of_corners(self.scene.light(direction).unsqueeze(-1))
        tone = ambient + (1 - ambient) * light
        if not colored or self.scene.mesh.corner_colors is None:
            return tone
        painted = tone * self.of_corners(self.scene.tensor(self.scene.mesh.corner_colors))
        return painted if self.scene.mesh.face_texture is None else painted * self.texels[..., :3]

    @cached_property
    def texels(self) -> Tensor:
        """(1, V, H, W, 4): red, green, blue and alpha of the texture, 1 where there is none."""
        mesh, face = self.scene.mesh, self.triangles.face
        found = self.scene.uvz.new_ones(*face.shape, 4)
        if mesh.face_texture is None or mesh.corner_uv is None:
            return found
        textured = torch.from_numpy(mesh.face_texture >= 0).to(face.device)
        seen = (face >= 0) & textured[face.clamp_min(0)]
        uv = self.of_corners(self.scene.tensor(mesh.corner_uv))
        found[seen] = texels(mesh, face[seen], uv[seen])
        return found


@singledispatch
def tone(style: Style, layer: Layer) -> Tensor:
    """Give a layer its greys (1, V, H, W, 1) or colours (1, V, H, W, 3). Each style that draws triangles registers."""
    raise TypeError(f"no tone is registered for the style {type(style).__name__}")


@singledispatch
def finished(style: Framed, layer: Layer) -> Tensor:
    """Tone a layer and average it down, (1, V, 1 or 3, S, S); a style registers a faster way to the same."""
    large = torch.where(layer.covered, tone(style, layer), style.background)
    return averaged_down(large, style.supersample)


def render_mesh(mesh: Mesh, views: Views, style: Framed, size: int = 224) -> Tensor:
    """Draw a mesh in every view, by its triangles.

    Args:
        mesh: The triangles, world units.
        views: V cameras.
        style: One with ``surfaces``: ``shaded``, ``color``, ``depth`` or ``contour``.
        size: S, side of the picture in pixels.

    Returns:
        (1, V, 3, S, S) float32 in [0, 1], on the device of the views.

    Raises:
        InputError: The style needs colours and the mesh has none.

    Example:
        >>> from pointclip.cameras.rigs import views
        >>> from pointclip.images.styles import style
        >>> render_mesh(Mesh(np.eye(3), np.array([[0, 1, 2]])), views("ring-2"), style("depth"), size=32).shape
        torch.Size([1, 2, 3, 32, 32])
    """
    frame = (size * style.supersample,) * 2
    vertices = torch.from_numpy(mesh.vertices.astype(np.float32)).to(views.rotations.device)
    uvz = project(vertices[None], views, frame)
    uvz = fit_to_frame(uvz, frame, style.margin) if style.fit else uvz
    scene = MeshScene(mesh, views, uvz, frame)
    opaque = np.ones(len(mesh.faces), dtype=bool)
    if mesh.face_opacity is not None and style.sees_through:
        opaque = np.asarray(mesh.face_opacity >= GLASS)
    layer = _front(scene, opaque)
    if opaque.all():
        return finished(style, layer).expand(-1, -1, 3, -1, -1)
    large = torch.where(layer.covered, tone(style, layer), style.background)
    large = _behind_glass(style, large, layer.triangles, _front(scene, ~opaque))
    return averaged_down(large, style.supersample).expand(-1, -1, 3, -1, -1)


def _front(scene: MeshScene, wanted: np.ndarray) -> Layer:
    """Find what is nearest of some faces; a texture's alpha below one half is a hole."""
    cut = wanted & _cut_out(scene.mesh)
    front = _nearest(scene, wanted & ~cut)
    if not cut.any():
        return Layer(scene, front)
    cards = Layer(scene, _nearest(scene, cut))
    nearer = (front.face < 0) | (cards.triangles.depth < front.depth)
    seen = cards.covered.squeeze(-1) & (cards.texels[..., 3] >= 0.5) & nearer
    merged = (
        torch.where(seen.view(*seen.shape, *[1] * (own.ndim - seen.ndim)), own, others)
        for own, others in zip(cards.triangles, front, strict=True)
    )
    return Layer(scene, ops.Triangles(*merged))


def _nearest(scene: MeshScene, wanted: np.ndarray) -> ops.Triangles:
    perspective = scene.views.perspective
    if wanted.all():
        return ops.rasterize(scene.uvz, scene.faces, scene.frame, perspective=perspective)
    numbers = torch.from_numpy(np.flatnonzero(wanted)).to(scene.uvz.device)
    found = ops.rasterize(scene.uvz, scene.faces[numbers], scene.frame, perspective=perspective)
    if not len(numbers):
        return found
    return found._replace(face=torch.where(found.face < 0, -1, numbers[found.face.clamp_min(0)]))


def _cut_out(mesh: Mesh) -> np.ndarray:
    """Tell of each face whether its texture has holes."""
    if mesh.face_texture is None:
        return np.zeros(len(mesh.faces), dtype=bool)
    holes = np.array([image.shape[2] == 4 for image in mesh.textures] + [False])
    return holes[mesh.face_texture]


def _behind_glass(style: Framed, large: Tensor, behind: ops.Triangles, glass: Layer) -> Tensor:
    """Tint a picture (1, V, H, W, C) by the glass in front of it, as far as that is opaque."""
    assert glass.scene.mesh.face_opacity is not None  # it was asked for by its opacity
    opacity = glass.scene.tensor(glass.scene.mesh.face_opacity)[glass.triangles.face.clamp_min(0)]
    seen = (glass.triangles.face >= 0) & ((behind.face < 0) | (glass.triangles.depth < behind.depth))
    return torch.lerp(large, tone(style, glass), (opacity * seen).unsqueeze(-1))


def averaged_down(large: Tensor, step: int) -> Tensor:
    """Average blocks of ``step`` x ``step`` pixels: (B, V, H, W, C) to (B, V, C, H / step, W / step)."""
    parts = [large[:, :, i::step, j::step] for i in range(step) for j in range(step)]
    return rearrange(sum(parts[1:], parts[0]) / step**2, "b v h w c -> b v c h w")

"""The colours of a trimesh geometry: vertex, face and material colours, textures."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

TEXTURE_SIDE = 512
CUT = 128  # a pixel of a texture with less alpha is a hole


# Pictures that several geometries share, decoded once: the picture itself, lest its id is another's later, and pixels.
Decoded = dict[tuple[int, bool], tuple[Any, np.ndarray | None]]


@dataclass(frozen=True)
class Paint:
    """What a geometry looks like.

    Attributes:
        colors: (F, 3, 3) float32 in [0, 1], a colour per face corner; None where the geometry has none of its own.
        uv: (F, 3, 2) float32 texture coordinates, or None.
        texture: (H, W, 3) uint8, or (H, W, 4) where some of it is transparent, or None.
        opacity: 1 hides what lies behind.
    """

    colors: np.ndarray | None = None
    uv: np.ndarray | None = None
    texture: np.ndarray | None = None
    opacity: float = 1.0


def paint(geometry: Any, faces: np.ndarray, decoded: Decoded) -> Paint:
    """Return what a trimesh geometry looks like; trimesh's default grey is not a colour.

    An OBJ texture replaces the diffuse colour, as exporters expect; glTF multiplies texture, factor and vertex colours.

    Args:
        geometry: A trimesh mesh.
        faces: (F, 3) its faces.
        decoded: Pictures of the same scene that are decoded already; those of this geometry are added.
    """
    visual = geometry.visual
    material = getattr(visual, "material", None)
    if material is None:
        return Paint(_plain(visual, faces))
    uv = getattr(visual, "uv", None)
    image = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
    if image is not None and _is_placeholder(image):
        return Paint()
    metallic = hasattr(material, "baseColorFactor")
    texture = None
    if image is not None and uv is not None and len(uv) == len(geometry.vertices):
        key = id(image), not metallic or material.alphaMode in ("MASK", "BLEND")
        if key not in decoded:
            decoded[key] = image, shrunk(image, key[1])
        texture = decoded[key][1]
    tint = _tint(geometry, material, faces) if metallic else None
    opacity = _opacity(material, metallic)
    if texture is not None:
        white = np.ones((len(faces), 3, 3), dtype=np.float32)
        return Paint(white if tint is None else tint, np.asarray(uv, dtype=np.float32)[faces], texture, opacity)
    if tint is None and "kd" in getattr(material, "kwargs", {}):
        tint = _everywhere(_unit(material.diffuse), faces)
    return Paint(tint, opacity=opacity)


def _opacity(material: Any, metallic: bool) -> float:
    if metallic:
        factor = material.baseColorFactor
        return float(_unit(factor, 4)[3]) if material.alphaMode == "BLEND" and factor is not None else 1.0
    known = getattr(material, "kwargs", {})
    for name, turned in (("d", False), ("tr", True)):
        with suppress(ValueError, IndexError):  # "d -halo 0.7" too has its number last
            if name in known:
                return float(np.clip(abs(turned - float(known[name][-1])), 0.0, 1.0))
    return 1.0


def _is_placeholder(image: Any) -> bool:
    """Tell whether this is the grey that trimesh gives to faces whose material it does not know."""
    return bool(image.size == (2, 2) and image.mode == "RGBA" and image.getcolors() == [(4, (100, 100, 100, 255))])


def _plain(visual: Any, faces: np.ndarray) -> np.ndarray | None:
    if visual.kind == "vertex":
        return _unit(visual.vertex_colors)[faces]
    if visual.kind == "face":
        colors = _unit(visual.face_colors)
        return np.broadcast_to(colors[:, None, :], (len(faces), 3, 3)) if len(colors) == len(faces) else None
    return None


def _tint(geometry: Any, material: Any, faces: np.ndarray) -> np.ndarray | None:
    """Multiply the factor and the vertex colours of glTF, which are linear light, and encode them for the screen."""
    factor = material.baseColorFactor
    vertex = geometry.visual.vertex_attributes.get("color")
    if factor is None and vertex is None:
        return None
    linear = np.ones((len(faces), 3, 3), dtype=np.float32)
    if factor is not None:
        linear = linear * _unit(factor)
    if vertex is not None and len(vertex) == len(geometry.vertices):
        linear = linear * _unit(vertex)[faces]
    curved = 1.055 * np.power(linear, 1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, 12.92 * linear, curved).astype(np.float32)


def _everywhere(color: np.ndarray, faces: np.ndarray) -> np.ndarray:
    return np.broadcast_to(color, (len(faces), 3, 3))


def _unit(colors: Any, channels: int = 3) -> np.ndarray:
    """Return the red, green and blue of colours in [0, 255], [0, 65535] or [0, 1] as float32 in [0, 1]."""
    array = np.asarray(colors)[..., :channels]
    top = np.iinfo(array.dtype).max if np.issubdtype(array.dtype, np.unsignedinteger) else 1
    return np.clip(array.astype(np.float32) / top, 0.0, 1.0)


def shrunk(image: Any, holes: bool = False) -> np.ndarray | None:
    """Decode a texture small, or return None for a damaged one: the shape is still good.

    A pixel of the picture stands for a spot of the surface, so a small averaged texture is truer than one pixel of a
    large one.

    Args:
        image: A PIL image.
        holes: Keep its alpha, where some of it is a hole.
    """
    try:
        image.draft("RGB", (TEXTURE_SIDE, TEXTURE_SIDE))
        small = image.convert("RGBA") if image.mode in ("P", "PA", "LA") else image
        small = small.copy() if small.mode == "RGBA" and holes else small.convert("RGB")  # the user's own stays large
        small.thumbnail((TEXTURE_SIDE, TEXTURE_SIDE))
        pixels = np.asarray(small)
        return pixels if (pixels[..., 3:] < CUT).any() else pixels[..., :3]
    except (OSError, ValueError, SyntaxError):
        return None

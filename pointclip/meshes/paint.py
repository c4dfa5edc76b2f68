"""The colours of a trimesh geometry: vertex, face and material colours, textures."""

from typing import Any

import numpy as np

TEXTURE_SIDE = 256

Paint = tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]


def paint(geometry: Any, faces: np.ndarray) -> Paint:
    """Return corner colours (F, 3, 3), corner texture coordinates (F, 3, 2) and texture (H, W, 3), each or None.

    Corner colours are None when the geometry has no colour of its own: trimesh's default grey is not a colour.
    An OBJ texture replaces the diffuse colour, as exporters expect; glTF multiplies texture, factor and vertex colours.
    """
    visual = geometry.visual
    material = getattr(visual, "material", None)
    if material is None:
        return _plain(visual, faces), None, None
    uv = getattr(visual, "uv", None)
    image = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
    texture = None
    if image is not None and _is_placeholder(image):
        return None, None, None
    if image is not None and uv is not None and len(uv) == len(geometry.vertices):
        texture = shrunk(image)
    tint = _tint(geometry, material, faces) if hasattr(material, "baseColorFactor") else None
    if texture is not None:
        white = np.ones((len(faces), 3, 3), dtype=np.float32)
        return white if tint is None else tint, np.asarray(uv, dtype=np.float32)[faces], texture
    if tint is None and "kd" in getattr(material, "kwargs", {}):
        tint = _everywhere(_unit(material.diffuse), faces)
    return tint, None, None


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


def _unit(colors: Any) -> np.ndarray:
    """Return the red, green and blue of colours in [0, 255], [0, 65535] or [0, 1] as float32 in [0, 1]."""
    array = np.asarray(colors)[..., :3]
    top = np.iinfo(array.dtype).max if np.issubdtype(array.dtype, np.unsignedinteger) else 1
    return np.clip(array.astype(np.float32) / top, 0.0, 1.0)


def shrunk(image: Any) -> np.ndarray | None:
    """Decode a texture small, or return None for a damaged one: the shape is still good.

    A sample stands for a spot of the surface, so a small averaged texture is truer than one pixel of a large one.
    """
    try:
        image.draft("RGB", (TEXTURE_SIDE, TEXTURE_SIDE))
        small = (image.convert("RGBA") if image.mode in ("P", "PA") else image).convert("RGB")
        small.thumbnail((TEXTURE_SIDE, TEXTURE_SIDE))
        return np.asarray(small)
    except (OSError, ValueError, SyntaxError):
        return None

"""Textures looked up where pixels see them: bilinear, the image repeating."""

import numpy as np
import torch
from torch import Tensor

from pointclip.meshes import Mesh


def texels(mesh: Mesh, face: Tensor, uv: Tensor) -> Tensor:
    """Look up the texture of faces.

    Args:
        mesh: Triangles with textures.
        face: (P,) int64, faces that have a texture.
        uv: (P, 2) float, texture coordinates; the origin is the lower left of the image, which repeats.

    Returns:
        (P, 4) float32 in [0, 1]: red, green, blue and alpha, the average of the four pixels around, by distance.

    Example:
        >>> image = np.array([[[0, 0, 0], [255, 255, 255]]], dtype=np.uint8)
        >>> corners = np.zeros((1, 3, 2), dtype=np.float32)
        >>> mesh = Mesh(np.eye(3), np.array([[0, 1, 2]]), None, corners, np.array([0]), (image,))
        >>> texels(mesh, torch.tensor([0, 0]), torch.tensor([[0.25, 0.5], [0.5, 0.5]]))[:, 0].tolist()
        [0.0, 0.5]
    """
    assert mesh.face_texture is not None  # the caller has faces with textures
    pixels, sizes = (torch.from_numpy(part).to(uv.device) for part in atlas(mesh))
    which = torch.from_numpy(mesh.face_texture).to(uv.device)[face]
    height, width, start = sizes[which.long()].T
    uv = torch.nan_to_num(uv, posinf=0.0, neginf=0.0)
    across, down = (uv[:, 0] % 1.0) * width - 0.5, ((1.0 - uv[:, 1]) % 1.0) * height - 0.5
    left, top = across.floor(), down.floor()
    right, low = (across - left)[:, None], (down - top)[:, None]

    def pixel(step_down: int, step_right: int) -> Tensor:
        row, column = (top.long() + step_down) % height, (left.long() + step_right) % width
        return pixels[start + row * width + column].float()

    upper = torch.lerp(pixel(0, 0), pixel(0, 1), right)
    return torch.lerp(upper, torch.lerp(pixel(1, 0), pixel(1, 1), right), low) / 255.0


def atlas(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Put all textures of a mesh into one list of pixels.

    Returns:
        (P, 4) uint8, and of each texture its height, its width and its first pixel (T, 3) int64.
    """
    images = [_with_alpha(image).reshape(-1, 4) for image in mesh.textures]
    starts = np.cumsum([0] + [len(image) for image in images])[:-1]
    sizes = [(*image.shape[:2], start) for image, start in zip(mesh.textures, starts, strict=True)]
    return np.concatenate(images), np.array(sizes, dtype=np.int64)


def _with_alpha(image: np.ndarray) -> np.ndarray:
    return image if image.shape[2] == 4 else np.dstack([image, np.full(image.shape[:2], 255, dtype=np.uint8)])

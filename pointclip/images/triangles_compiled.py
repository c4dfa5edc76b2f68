"""Lit triangles painted and averaged down in one pass over the pixels, as a compiled loop."""

import numpy as np

from pointclip._base.compiled import inlined, kernel, over_pictures


@inlined
def _texel(pixels, height, width, start, u, v):
    """Average the four pixels of a texture around a coordinate; the image repeats."""
    u = u if np.isfinite(u) else np.float32(0)
    v = np.float32(1) - (v if np.isfinite(v) else np.float32(0))
    across = (u - np.floor(u)) * np.float32(width) - np.float32(0.5)
    down = (v - np.floor(v)) * np.float32(height) - np.float32(0.5)
    left, top = int(np.floor(across)), int(np.floor(down))
    right, low = across - np.float32(left), down - np.float32(top)
    upper, lower = start + (top % height) * width, start + ((top + 1) % height) * width
    here, there = left % width, (left + 1) % width
    p, q, s, t = upper + here, upper + there, lower + here, lower + there
    one = np.float32(1)
    w, x = (one - low) * (one - right) / np.float32(255), (one - low) * right / np.float32(255)
    y, z = low * (one - right) / np.float32(255), low * right / np.float32(255)
    return (
        w * pixels[p, 0] + x * pixels[q, 0] + y * pixels[s, 0] + z * pixels[t, 0],
        w * pixels[p, 1] + x * pixels[q, 1] + y * pixels[s, 1] + z * pixels[t, 1],
        w * pixels[p, 2] + x * pixels[q, 2] + y * pixels[s, 2] + z * pixels[t, 2],
    )


@kernel
def _paint(first, last, face, weights, light, ambient, colors, which, uv, pixels, sizes, background, step, out):
    share, colored = np.float32(1.0 / (step * step)), out.shape[1] == 3
    for view in range(first, last):
        for row in range(out.shape[2]):
            for col in range(out.shape[3]):
                red = green = blue = np.float32(0)
                for j in range(row * step, row * step + step):
                    for i in range(col * step, col * step + step):
                        number = face[view, j, i]
                        if number < 0:
                            red, green, blue = red + background, green + background, blue + background
                            continue
                        a, b, c = weights[view, j, i, 0], weights[view, j, i, 1], weights[view, j, i, 2]
                        lit = a * light[view, number, 0] + b * light[view, number, 1] + c * light[view, number, 2]
                        lit = ambient + (np.float32(1) - ambient) * lit
                        if not colored:
                            red += lit
                            continue
                        x = y = z = np.float32(1)
                        if len(which) and which[number] >= 0:
                            at, size = uv[number], sizes[which[number]]
                            u, v = (
                                a * at[0, 0] + b * at[1, 0] + c * at[2, 0],
                                a * at[0, 1] + b * at[1, 1] + c * at[2, 1],
                            )
                            x, y, z = _texel(pixels, size[0], size[1], size[2], u, v)
                        a, b, c = lit * a, lit * b, lit * c
                        red += x * (a * colors[number, 0, 0] + b * colors[number, 1, 0] + c * colors[number, 2, 0])
                        green += y * (a * colors[number, 0, 1] + b * colors[number, 1, 1] + c * colors[number, 2, 1])
                        blue += z * (a * colors[number, 0, 2] + b * colors[number, 1, 2] + c * colors[number, 2, 2])
                out[view, 0, row, col] = red * share
                if colored:
                    out[view, 1, row, col] = green * share
                    out[view, 2, row, col] = blue * share


def paint(
    face: np.ndarray,
    weights: np.ndarray,
    light: np.ndarray,
    ambient: float,
    colors: np.ndarray | None,
    textures: tuple[np.ndarray, ...] | None,
    background: float,
    step: int,
) -> np.ndarray:
    """Paint lit triangles and average the picture down; what ``Layer.lit`` and ``averaged_down`` define.

    Args:
        face: (V, H, W) int64, -1 where there is none.
        weights: (V, H, W, 3) float32, of the face's corners.
        light: (V, F, 3) float32, at the corners.
        ambient: Grey of what the lamp does not reach.
        colors: (F, 3, 3) float32, at the corners; None paints grey.
        textures: Which texture each face has (F,) int32, coordinates (F, 3, 2) float32, all pixels (P, 4) uint8, and
            height, width and first pixel of each texture (T, 3) int64; None where there are none.
        background: Grey of what no face covers.
        step: Side of the blocks of pixels to average.

    Returns:
        (V, 1 or 3, H / step, W / step) float32.
    """
    num_views, height, width = face.shape
    channels = 1 if colors is None else 3
    if colors is None:
        colors = np.zeros((0, 3, 3), np.float32)
    if textures is None:
        which, uv = np.zeros(0, np.int32), np.zeros((0, 3, 2), np.float32)
        textures = which, uv, np.zeros((0, 4), np.uint8), np.zeros((0, 3), np.int64)
    out = np.empty((num_views, channels, height // step, width // step), np.float32)
    scalars = np.float32(background), step, out
    cost = face.size * 4
    over_pictures(_paint, num_views, cost, face, weights, light, np.float32(ambient), colors, *textures, *scalars)
    return out

"""Lit triangles painted and averaged down in one pass over the pixels, as a compiled loop."""

import numpy as np

from pointclip._base.compiled import kernel, over_pictures


@kernel
def _paint(first, last, face, weights, light, ambient, colors, which, uv, atlas, sizes, background, step, out):
    share = np.float32(1.0 / (step * step))
    channels = out.shape[1]
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
                        if channels == 1:
                            red += lit
                            continue
                        x, y, z = colors[number, 0], colors[number, 1], colors[number, 2]
                        r = lit * (a * x[0] + b * y[0] + c * z[0])
                        g = lit * (a * x[1] + b * y[1] + c * z[1])
                        bl = lit * (a * x[2] + b * y[2] + c * z[2])
                        if len(which) and which[number] >= 0:
                            image = which[number]
                            height, width, start = sizes[image, 0], sizes[image, 1], sizes[image, 2]
                            u = a * uv[number, 0, 0] + b * uv[number, 1, 0] + c * uv[number, 2, 0]
                            v = a * uv[number, 0, 1] + b * uv[number, 1, 1] + c * uv[number, 2, 1]
                            if not np.isfinite(u):
                                u = np.float32(0)
                            if not np.isfinite(v):
                                v = np.float32(0)
                            across = (u - np.floor(u)) * width - np.float32(0.5)
                            down = (np.float32(1) - v - np.floor(np.float32(1) - v)) * height - np.float32(0.5)
                            left, top = int(np.floor(across)), int(np.floor(down))
                            right, low = across - np.float32(left), down - np.float32(top)
                            upper, lower = start + (top % height) * width, start + ((top + 1) % height) * width
                            here, there = left % width, (left + 1) % width
                            w00, w01 = (1 - low) * (1 - right) / 255, (1 - low) * right / 255
                            w10, w11 = low * (1 - right) / 255, low * right / 255
                            p, q, s, t = upper + here, upper + there, lower + here, lower + there
                            r *= w00 * atlas[p, 0] + w01 * atlas[q, 0] + w10 * atlas[s, 0] + w11 * atlas[t, 0]
                            g *= w00 * atlas[p, 1] + w01 * atlas[q, 1] + w10 * atlas[s, 1] + w11 * atlas[t, 1]
                            bl *= w00 * atlas[p, 2] + w01 * atlas[q, 2] + w10 * atlas[s, 2] + w11 * atlas[t, 2]
                        red, green, blue = red + r, green + g, blue + bl
                out[view, 0, row, col] = red * share
                if channels == 3:
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
        textures = (
            np.zeros(0, np.int32), np.zeros((0, 3, 2), np.float32), np.zeros((0, 4), np.uint8), np.zeros((0, 3), np.int64)
        )  # fmt: skip
    out = np.empty((num_views, channels, height // step, width // step), np.float32)
    scalars = np.float32(background), step, out
    cost = face.size * 4
    over_pictures(_paint, num_views, cost, face, weights, light, np.float32(ambient), colors, *textures, *scalars)
    return out

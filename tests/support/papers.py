"""Loop-by-loop numpy transcriptions of the papers' pictures, from their description, for tests to compare with."""

import math

import numpy as np
import torch

SIX = [(0, 0, 90), (90, 0, 90), (180, 0, 90), (270, 0, 90), (0, -90, 90), (0, 90, 90)]
TEN = [*SIX[:4], (225, -45, 90), (225, 45, 90), (315, -45, 90), (315, 45, 90), *SIX[4:]]
V2 = [(a, 0, 90, 20) for a in (45, 135, 225, 315, 0, 90, 180, 270)] + [(0, -90, 90, 12), (0, 90, 90, 12)]


def turn_x(deg):
    c, s = math.cos(math.radians(deg)), math.sin(math.radians(deg))
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def turn_y(deg):
    c, s = math.cos(math.radians(deg)), math.sin(math.radians(deg))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def turn_z(deg):
    c, s = math.cos(math.radians(deg)), math.sin(math.radians(deg))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def resize(picture, size):
    """Bilinear, first and last pixels on first and last pixels."""
    rows, columns = picture.shape
    out = np.zeros((size, size))
    for r in range(size):
        for c in range(size):
            y, x = r * (rows - 1) / (size - 1), c * (columns - 1) / (size - 1)
            top, left = min(int(y), rows - 1), min(int(x), columns - 1)
            below, right = min(top + 1, rows - 1), min(left + 1, columns - 1)
            dy, dx = y - top, x - left
            upper = picture[top, left] * (1 - dx) + picture[top, right] * dx
            lower = picture[below, left] * (1 - dx) + picture[below, right] * dx
            out[r, c] = upper * (1 - dy) + lower * dy
    return out


def paper_depth(points, angles, resolution, distance):
    """Harmonic mean of the depths of the points in each pixel; the first axis is x'."""
    rotation = turn_x(angles[0]) @ turn_y(angles[1]) @ turn_z(angles[2])
    count = np.zeros((resolution, resolution))
    inverse = np.zeros((resolution, resolution))
    for point in points:
        x, y, z = rotation @ point
        z += distance
        if z <= 0:
            continue
        row = math.ceil((x / z + 1) * resolution / 2 - 0.5)
        column = math.ceil((y / z + 1) * resolution / 2 - 0.5)
        if 0 <= row < resolution and 0 <= column < resolution:
            count[row, column] += 1
            inverse[row, column] += 1 / z
    picture = np.zeros((resolution, resolution))
    for row in range(resolution):
        for column in range(resolution):
            if count[row, column]:
                picture[row, column] = count[row, column] / inverse[row, column]
    return picture


def v2_picture(points, angles):
    """Largest z per cell of a grid, dilated, smoothed, largest over slices, inverted."""
    turned = points @ (turn_y(angles[3]) @ turn_x(angles[0]) @ turn_y(angles[1]) @ turn_z(angles[2])).T
    low, high = turned.min(0), turned.max(0)
    turned = (turned - (low + high) / 2) / (high - low).max() * 2
    grid = np.zeros((8, 112, 112))
    for x, y, z in turned:
        row = min(max(math.ceil((x * 0.8 + 1) / 2 * 112), 1), 110)
        column = min(max(math.ceil((y * 0.8 + 1) / 2 * 112), 1), 110)
        level = ((z + 1) / 2 + 0.2) / 1.2 * 6
        cell = grid[math.ceil(level), row]
        cell[column] = max(cell[column], min(max(level, 1), 6))
    padded = np.full((8, 116, 116), -np.inf)
    padded[:, 2:114, 2:114] = grid
    dilated = np.zeros((8, 112, 112))
    for row in range(110):
        for column in range(110):
            window = padded[:, row : row + 7, column : column + 7]
            dilated[:, row + 1, column + 1] = window.reshape(8, 49).max(1)
    kernel = np.array([[math.exp(-(i * i + j * j) / 18) for j in (-1, 0, 1)] for i in (-1, 0, 1)])
    kernel /= kernel.sum()
    smooth = np.zeros((8, 110, 110))
    for row in range(110):
        for column in range(110):
            smooth[:, row, column] = (dilated[:, row : row + 3, column : column + 3] * kernel).sum((1, 2))
    image = smooth.max(0)
    return 1 - image / image.max()


def v1_state(channels, num_views, seed=0):
    """The 17 tensors of the adapter of V1's code under its names, random, in float16 as it saves them."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape):
        return (torch.randn(shape, generator=generator) * 0.3).half()

    def norm(name):
        ones = {part: (drawn(channels).abs() + 0.5) for part in ("weight", "running_var")}
        rest = {part: drawn(channels) for part in ("bias", "running_mean")}
        count = {"num_batches_tracked": torch.tensor(7)}
        return {f"{name}.{part}": tensor for part, tensor in (ones | rest | count).items()}

    wide = num_views * channels
    state = {"fusion_ratio": drawn(num_views) + 0.5, **norm("global_f.0.bn"), **norm("global_f.4")}
    for name, outputs, inputs in (
        ("global_f.3", channels, wide),
        ("view_f.0", channels, channels),
        ("view_f.2", wide, channels),
    ):
        state |= {f"{name}.weight": drawn(outputs, inputs), f"{name}.bias": drawn(outputs)}
    return state


def v1_adapted(raw, state, ratio):
    """V1's adapter without dropout: (B,V,C) features as they leave the tower to (B,V*C), one cloud after another."""
    known = {name: tensor.float().numpy() for name, tensor in state.items()}

    def normed(x, name):
        away = (x - known[f"{name}.running_mean"]) / np.sqrt(known[f"{name}.running_var"] + 1e-5)
        return away * known[f"{name}.weight"] + known[f"{name}.bias"]

    def linear(x, name):
        return known[f"{name}.weight"] @ x + known[f"{name}.bias"]

    adapted = []
    for views in raw.numpy():
        weighed = np.concatenate(
            [normed(view * r, "global_f.0.bn") for view, r in zip(views, known["fusion_ratio"], strict=True)]
        )
        g = np.maximum(normed(linear(weighed, "global_f.3"), "global_f.4"), 0)
        h = np.maximum(linear(np.maximum(linear(g, "view_f.0"), 0), "view_f.2"), 0)
        adapted.append(ratio * h + (1 - ratio) * views.ravel())
    return torch.from_numpy(np.stack(adapted))

"""Loop-by-loop numpy transcriptions of the papers' pictures, from their description, for tests to compare with."""

import math

import numpy as np

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

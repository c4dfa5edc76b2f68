"""Which columns of a table of numbers are positions, normals and colours: by their names, else by what they hold."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pointclip.errors import InputError
from pointclip.meshes.geometry import RawPoints

MOST_COLUMNS = 16
AXES = ("x", "y", "z")
_NAMES = {
    "x": ("x", "x_coord", "point_x", "pos_x", "coord_x", "px", "easting", "east"),
    "y": ("y", "y_coord", "point_y", "pos_y", "coord_y", "py", "northing", "north"),
    "z": ("z", "z_coord", "point_z", "pos_z", "coord_z", "pz", "height", "elevation", "altitude"),
    "nx": ("nx", "normal_x", "n_x", "normalx"),
    "ny": ("ny", "normal_y", "n_y", "normaly"),
    "nz": ("nz", "normal_z", "n_z", "normalz"),
    "red": ("red", "r", "diffuse_red", "rf", "color_r"),
    "green": ("green", "g", "diffuse_green", "gf", "color_g"),
    "blue": ("blue", "b", "diffuse_blue", "bf", "color_b"),
}
_MEANING = {name: meaning for meaning, names in _NAMES.items() for name in names}
NORMALS = ("nx", "ny", "nz")
COLORS = ("red", "green", "blue")


def meanings(names: Sequence[str]) -> list[str]:
    """Return what each column name stands for: x y z nx ny nz red green blue, or nothing.

    Example:
        >>> meanings(["//X", "Easting", "R", "Intensity"])
        ['x', 'x', 'red', '']
    """
    return [_MEANING.get(name.strip().strip("\"'#/").strip().lower(), "") for name in names]


def from_table(path: Path, table: np.ndarray, names: Sequence[str] = ()) -> RawPoints:
    """Read rows of numbers as points, normals and colours.

    Column names decide where there are some. Else x y z come first (after a row number, if there is one); of the other
    columns, three of unit length are normals and three in [0, 1] or [0, 255] are colours. What stays unexplained is
    left out and named in the notes.

    Args:
        path: For messages; in .pts files an intensity stands before the colours.
        table: (N, C) numbers.
        names: C names, or none.

    Raises:
        InputError: The table does not have one of these forms.

    Example:
        >>> from_table(Path("a.xyz"), np.array([[0, 0, 0, 255, 0, 0], [1, 0, 0, 0, 0, 255.0]])).colors.tolist()
        [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    if table.dtype.kind not in "fiu":
        raise InputError(f"{path} holds {table.dtype} values: save points as floating-point numbers")
    notes: list[str] = []
    if table.ndim == 3 and table.shape[0] == 1:
        table = table[0]
    if table.ndim == 2 and table.shape[0] == 3 and table.shape[1] > MOST_COLUMNS:
        table = table.T
        notes.append("rows and columns exchanged: the file holds 3 rows of coordinates")
    if table.ndim != 2 or not 3 <= table.shape[1] <= MOST_COLUMNS:
        raise InputError(
            f"{path} holds an array of shape {table.shape}: give it one row per point and 3 to {MOST_COLUMNS} columns, "
            "x y z first"
        )
    known = meanings(names)
    if set(AXES) <= set(known):
        found = {meaning: at for at, meaning in reversed(list(enumerate(known))) if meaning}
        return _named(table, found, notes)
    return _by_content(table, path.suffix.lower() == ".pts", notes)


def _named(table: np.ndarray, found: dict[str, int], notes: list[str]) -> RawPoints:
    parts = [
        table[:, [found[name] for name in group]] if set(group) <= set(found) else None
        for group in (AXES, NORMALS, COLORS)
    ]
    points, normals, colors = parts
    assert points is not None  # the caller looked for x, y and z
    return _raw(points, normals, colors, notes)


def _raw(points: np.ndarray, normals: np.ndarray | None, colors: np.ndarray | None, notes: list[str]) -> RawPoints:
    rgb, told = (None, ()) if colors is None else colors_of(colors)
    normals = None if normals is None else normals.astype(np.float64)
    return RawPoints(points.astype(np.float64), normals, rgb, notes=(*notes, *told))


def colors_of(block: np.ndarray) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Return colours as :func:`as_colors` does, from -1 to 1 too, and a note where they were assumed or left out.

    Example:
        >>> colors_of(np.array([[1, -1, -1], [-1, 0, 1.0]]))[0].tolist()
        [[1.0, 0.0, 0.0], [0.0, 0.5, 1.0]]
    """
    if is_signed_colors(block):
        return as_colors((block.astype(np.float64) + 1.0) / 2.0), ("colours read as numbers from -1 to 1",)
    rgb = as_colors(block)
    return rgb, () if rgb is not None else ("colours left out: they are neither in 0 to 1 nor in 0 to 255",)


def is_signed_colors(block: np.ndarray) -> bool:
    """Tell whether three columns fill -1 to 1 as networks' colours do, and are no normals of whatever length."""
    values = block[np.isfinite(block).all(axis=1)].astype(np.float64)
    if not len(values) or block.dtype.kind != "f" or np.abs(values).max() > 1.0 or values.min() > -0.9:
        return False
    return float(np.linalg.norm(values, axis=1).max()) > 1.05


def _by_content(table: np.ndarray, intensity_first: bool, notes: list[str]) -> RawPoints:
    first = int(table.shape[1] > 3 and _counts_rows(table[:, 0]))
    if first:
        notes.append("the first column counts the rows and was left out")
    rest = list(range(first + 3, table.shape[1]))
    normals = next((run for run in _runs(rest) if _is_normals(table[:, run])), [])
    rest = [at for at in rest if at not in normals]
    colors = _colors_among(table, rest, intensity_first)
    if not colors and len(rest) == 3 and is_signed_colors(table[:, rest]):
        colors = rest
    rest = [at for at in rest if at not in colors]
    if rest:
        notes.append(
            f"left out: column{'s' * (len(rest) > 1)} {', '.join(str(at + 1) for at in rest)}, "
            "which no header names and which may be anything"
        )
    return _raw(
        table[:, first : first + 3],
        table[:, normals] if normals else None,
        table[:, colors] if colors else None,
        notes,
    )


def _counts_rows(column: np.ndarray) -> bool:
    return len(column) >= 8 and column[0] in (0, 1) and bool((np.diff(column) == 1).all())


def _runs(columns: list[int]) -> list[list[int]]:
    """Return each three columns that stand side by side."""
    return [run for at in range(len(columns) - 2) if (run := columns[at : at + 3])[2] - run[0] == 2]


def _is_normals(block: np.ndarray) -> bool:
    """Tell whether rows have unit length; pure red, green and blue have too, but are whole and never negative."""
    values = block.astype(np.float64)
    length = np.linalg.norm(values, axis=1)
    known = np.isfinite(length) & (length > 0)
    if not known.any() or np.mean(np.abs(length[known] - 1.0) < 0.02) <= 0.95:
        return False
    rows = values[known]
    return not (((rows == 0) | (rows == 1)).all() and len(np.unique(rows, axis=0)) > 1)


def _colors_among(table: np.ndarray, columns: list[int], intensity_first: bool) -> list[int]:
    """Return the three columns that alone can be colours, or nothing where two readings are as good."""
    fits = [run for run in _runs(columns) if _is_colors(table[:, run])]
    if len(fits) <= 1:
        return fits[0] if fits else []
    unexplained = [sum(_is_channel(table[:, at]) for at in columns if at not in run) for run in fits]
    best = [run for run, left in zip(fits, unexplained, strict=True) if left == min(unexplained)]
    if len(best) == 1:
        return best[0]
    return next((run for run in best if run[0] == columns[0] + 1), []) if intensity_first else []


def _is_colors(block: np.ndarray) -> bool:
    values = block[np.isfinite(block).all(axis=1)]
    if not len(values) or values.min() < 0 or values.max() > 65535:
        return False
    whole = bool((values == np.rint(values)).all())
    return values.max() <= 1.0 or (whole and (values.max() <= 255 or bool((values.max(axis=0) > 255).all())))


def _is_channel(column: np.ndarray) -> bool:
    """Tell whether a column varies as a channel does; labels, alpha and scores mostly do not."""
    values = column[np.isfinite(column)]
    if not len(values) or values.min() < 0 or values.max() > 255 or values.min() == values.max():
        return False
    whole = bool((values == np.rint(values)).all())
    return values.max() >= 64 if whole else values.max() <= 1.0


def as_colors(block: np.ndarray) -> np.ndarray | None:
    """Bring colours in [0, 1], [0, 255] or [0, 65535] to float32 in [0, 1]; None when they are none of these.

    Whole numbers are bytes even where none is above 1: an integer column holds no fractions. Rows with NaN or infinite
    values become rows of NaN.
    """
    values = block.astype(np.float64)
    good = np.isfinite(values).all(axis=1)
    if not good.any() or values[good].min() < 0 or values[good].max() > 65535:
        return None
    whole = block.dtype.kind in "iu"
    most = values[good].max()
    top = 1.0 if most <= 1.0 and not whole else 255.0 if most <= 255.0 else 65535.0
    values[~good] = np.nan
    return (values / top).astype(np.float32)

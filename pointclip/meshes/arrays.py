"""Point clouds in numpy files and in plain text: .npy, .npz, .xyz, .pts."""

import io
from pathlib import Path

import numpy as np

from pointclip.errors import InputError
from pointclip.meshes.geometry import RawPoints

COLUMNS = "3, 4, 6, 7 or 9 columns, x y z first"
POINT_KEYS = ("points", "xyz", "pos", "data", "vertices")
NORMAL_KEYS = ("normals", "normal")
COLOR_KEYS = ("colors", "color", "rgb")


def from_table(path: Path, table: np.ndarray) -> RawPoints:
    """Read rows of numbers as points, normals and colours.

    After x y z, three columns of unit length are normals and three columns in [0, 1] or [0, 255] are colours; a single
    column (intensity, label) is left out.

    Raises:
        InputError: The table does not have one of these forms.

    Example:
        >>> from_table(Path("a.xyz"), np.array([[0, 0, 0, 255, 0, 0], [1, 0, 0, 0, 0, 255.0]])).colors.tolist()
        [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    if table.dtype.kind not in "fiu":
        raise InputError(f"{path} holds {table.dtype} values: save points as floating-point numbers")
    if table.ndim != 2 or table.shape[1] not in (3, 4, 6, 7, 9):
        raise InputError(f"{path} holds an array of shape {table.shape}: give it one row per point and {COLUMNS}")
    points = table[:, :3].astype(np.float64)
    extra = table[:, 4:7] if table.shape[1] == 7 else table[:, 3:]
    normals = colors = None
    for block in (extra[:, :3], extra[:, 3:]) if extra.shape[1] >= 3 else ():
        if block.shape[1] != 3:
            continue
        if normals is None and _unit_length(block):
            normals = block.astype(np.float64)
        elif colors is None:
            colors = as_colors(block)
    return RawPoints(points, normals, colors)


def _unit_length(block: np.ndarray) -> bool:
    length = np.linalg.norm(block.astype(np.float64), axis=1)
    known = length[np.isfinite(length) & (length > 0)]
    return len(known) > 0 and bool(np.mean(np.abs(known - 1.0) < 0.02) > 0.95)


def as_colors(block: np.ndarray) -> np.ndarray | None:
    """Bring colours in [0, 1], [0, 255] or [0, 65535] to float32 in [0, 1]; None when they are none of these.

    Whole numbers are bytes even where none is above 1: an integer column holds no fractions.
    """
    values = block.astype(np.float64)
    if not len(values) or not np.isfinite(values).all() or values.min() < 0 or values.max() > 65535:
        return None
    whole = block.dtype.kind in "iu"
    top = 1.0 if values.max() <= 1.0 and not whole else 255.0 if values.max() <= 255.0 else 65535.0
    return (values / top).astype(np.float32)


def read_npy(path: Path) -> RawPoints:
    """Read an array (N, C); see ``from_table`` for the columns. Pickled files are refused."""
    return from_table(path, np.asarray(_numpy_file(path)))


def read_npz(path: Path) -> RawPoints:
    """Read the array named points, xyz, pos, data or vertices (or the only one), with normals and colours if there."""
    archive = _numpy_file(path)
    if not isinstance(archive, dict):
        return from_table(path, archive)
    names = [name for name in POINT_KEYS if name in archive] or (list(archive) if len(archive) == 1 else [])
    if not names:
        raise InputError(
            f"{path} holds the arrays {', '.join(archive) or 'none'}: name the one with the points 'points'"
        )
    cloud = from_table(path, archive[names[0]])
    normals = next((archive[name] for name in NORMAL_KEYS if name in archive), None)
    colors = next((archive[name] for name in COLOR_KEYS if name in archive), None)
    for name, array in (("normals", normals), ("colors", colors)):
        if array is not None and (array.shape != cloud.points.shape or array.dtype.kind not in "fiu"):
            raise InputError(
                f"{path} has {name} of shape {array.shape} for points of shape {cloud.points.shape}: "
                "save one row per point"
            )
    return RawPoints(
        cloud.points,
        cloud.normals if normals is None else normals.astype(np.float64),
        cloud.colors if colors is None else as_colors(colors),
    )


def _numpy_file(path: Path) -> np.ndarray | dict[str, np.ndarray]:
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except MemoryError:
        raise
    except Exception as error:  # a damaged file raises anything from EOFError to zipfile.BadZipFile
        if "allow_pickle" in str(error):
            raise InputError(
                f"{path} is a pickle or no numpy file, and pickles can run code: save a plain array with np.save"
            ) from error
        raise InputError(f"{path} cannot be read as {path.suffix}: save it again with np.save or np.savez") from error


def read_text(path: Path) -> RawPoints:
    """Read .xyz and .pts: one point per line, columns apart by blanks, commas or semicolons.

    A first line with the number of points (.pts) or with column names, empty lines and comments (# or //) are skipped.
    """
    try:
        text = path.read_bytes().translate(bytes.maketrans(b",;\t", b"   ")).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a text file: export the points as x y z lines") from error
    start, announced = _after_header(text)
    table = parse_rows(path, text[start:])
    if announced is not None and announced > len(table):
        raise InputError(f"{path} announces {announced} points and holds {len(table)}: it was cut short, copy it again")
    return from_table(path, table)


def _after_header(text: str) -> tuple[int, int | None]:
    """Return where the rows start and how many points the line before them announces."""
    end = 0
    for _ in range(2):
        start = end
        end = text.find("\n", start) + 1 or len(text)
        words = text[start:end].split()
        if len(words) == 1 and words[0].isdigit():
            return end, int(words[0])
        if words and not words[0].startswith(("#", "//")):
            break
    named = words and words[0].strip('"').lower() in ("x", "x_coord", "point_x", "pos_x")
    return (end, None) if named else (start, None)


def parse_rows(path: Path, text: str) -> np.ndarray:
    """Parse lines of numbers into a table (N, C) float64.

    Raises:
        InputError: A line is no list of numbers, or lines differ in length, or there is none.
    """
    if not text.strip():
        raise InputError(f"{path} holds no points: export it again")
    try:
        return np.loadtxt(io.StringIO(text), dtype=np.float64, comments=("#", "//"), ndmin=2)
    except ValueError as error:
        reason = str(error).split(";")[0].rstrip(".")
        raise InputError(f"{path} is not a list of points ({reason}): write one x y z line per point") from error

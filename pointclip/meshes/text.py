"""Point clouds in plain text, one point a line: .xyz .pts .txt .csv .asc .xyzrgb .xyzn."""

import io
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pointclip.errors import InputError
from pointclip.meshes.columns import AXES, from_table, meanings
from pointclip.meshes.geometry import RawPoints

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eEdD][-+]?\d+)?$|[-+]?(nan|inf(inity)?)$", re.IGNORECASE)
_ODD_NAN = re.compile(r"[-+]?(?:nan\(\w*\)|1\.#(?:IND|QNAN|SNAN|INF)\w*)", re.IGNORECASE)
_FORTRAN = re.compile(r"(?<=[\d.])[dD](?=[-+]?\d)")
_SAMPLE = 200
MOST_THERE = 0.9  # of the points that a text announces; scanners count those they dropped


@dataclass(frozen=True)
class _Layout:
    """Where the rows begin, the column names before them, and the number of points that is announced."""

    start: int
    names: tuple[str, ...] = ()
    announced: int | None = None


def decoded(path: Path, data: bytes) -> str:
    """Return the text of a file in UTF-8, UTF-16 with its mark, or Latin-1, with plain line ends.

    Raises:
        InputError: It holds bytes that no text has.

    Example:
        >>> decoded(Path("a.xyz"), "1 2 3\\r4 5 6".encode("utf-16"))
        '1 2 3\\n4 5 6'
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data.decode("utf-16", "replace")
    elif b"\0" in data:
        raise InputError(f"{path} is not a text file although its name ends in {path.suffix}: export it again as text")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_text(path: Path) -> RawPoints:
    """Read points with columns apart by blanks, tabs, commas or semicolons.

    Column names before the rows, also behind # or //, decide what the columns are. The number of points that .pts files
    announce is checked. Decimal commas are read where another character parts the columns.

    Raises:
        InputError: The lines are no rows of numbers, differ in length, or are fewer than announced.
    """
    text = decoded(path, path.read_bytes())
    layout = _layout(text)
    body, notes = _plain(path, text[layout.start :])
    body, announced = _without_counts(body, layout.announced)
    table = parse_rows(path, body)
    notes = (*notes, *check_count(path, announced, len(table)))
    names = _fitting(layout.names, table.shape[1])
    cloud = from_table(path, table, names)
    return replace(cloud, notes=(*notes, *cloud.notes))


def check_count(path: Path, announced: int | None, found: int) -> tuple[str, ...]:
    """Compare the points that a text file announces with those it holds: a few less are a note.

    Raises:
        InputError: More than a tenth of them is missing.

    Example:
        >>> check_count(Path("a.pts"), 1000, 990)
        ('1,000 points are announced and 990 lie there: it may have been cut short',)
    """
    if announced is None or announced <= found:
        return ()
    if found < MOST_THERE * announced:
        raise InputError(f"{path} announces {announced} points and ends before the last, at {found}: copy it again")
    return (f"{announced:,} points are announced and {found:,} lie there: it may have been cut short",)


def looks_like_points(path: Path) -> bool:
    """Tell whether the first lines of a text file hold a row of at least three numbers.

    Example:
        >>> looks_like_points(Path("missing.txt"))
        False
    """
    try:
        with path.open("rb") as file:
            lines = decoded(path, file.read(4096)).split("\n")
    except (OSError, InputError):
        return False
    return any(len(words := _words(line)) >= 3 and all(map(_NUMBER.match, words)) for line in lines[:20])


def _words(line: str) -> list[str]:
    return [word.strip("\"'") for word in re.split(r"[,;\s]+", line.strip().strip(",;")) if word]


def _layout(text: str) -> _Layout:
    """Look through the lines before the first row of numbers."""
    start, announced = 0, None
    names: tuple[str, ...] = ()
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        line = text[start:end].strip()
        words = _words(line.lstrip("#/"))
        if line and not line.startswith(("#", "//")):
            if len(words) == 1 and words[0].isdigit() and announced is None:
                announced = int(words[0])
            elif names or len(words) < 3 or any(map(_NUMBER.match, words)):
                break
            else:
                names = tuple(words)
        elif set(AXES) <= set(meanings(words)):
            names = tuple(words)
        start = end
    return _Layout(start, names, announced)


def _fitting(names: tuple[str, ...], count: int) -> tuple[str, ...]:
    """Return the names where there is one for each column; quotes around nothing name a row number."""
    filled = tuple(name for name in names if name)
    if len(filled) == count:
        return filled
    return ("", *filled) if len(filled) + 1 == count and set(AXES) <= set(meanings(filled)) else ()


def _plain(path: Path, body: str) -> tuple[str, tuple[str, ...]]:
    """Return rows apart by blanks with decimal points, and what had to be assumed for it."""
    if "," in body and _decimal_commas(path, body):
        return body.replace(",", ".").translate(_BLANKS), ("commas read as decimal points",)
    notes: tuple[str, ...] = ()
    if "," in body and "." not in body and len(_words(body.split("\n", 1)[0])) == 6:
        notes = ("six whole numbers apart by commas read as six columns, not as three with decimal commas",)
    return body.translate(_BLANKS), notes


_BLANKS = str.maketrans(',;\t"', "    ")


def _decimal_commas(path: Path, body: str) -> bool:
    """Tell whether commas stand inside numbers; refuse rows where that cannot be told from a comma between them."""
    rows = [
        line for line in body[: 100 * _SAMPLE].split("\n")[:_SAMPLE] if line.strip() and line.strip()[0] not in "#/"
    ]
    if any("." in line for line in rows):
        return False
    fields = [re.split(r"[;\s]+", line.strip().strip(";")) for line in rows[:-1] or rows]
    if all(len(words) >= 3 and all(word.count(",") <= 1 and word[-1:] != "," for word in words) for words in fields):
        return True
    parts = [word for words in fields for word in ",".join(words).split(",")]
    if any(re.match(r"-?0\d", word) or word == "-0" for word in parts):
        raise InputError(
            f"{path} has commas both inside its numbers and between them: export it with decimal points, or with "
            "semicolons between the columns"
        )
    return False


def _without_counts(body: str, announced: int | None) -> tuple[str, int | None]:
    """Take out the counts of further scans in a .pts file, and add them up."""
    if announced is None or announced >= body.count("\n"):
        return body, announced
    lines = body.split("\n")
    counts = [line.strip() for line in lines if line.strip().isdigit()]
    rows = [line for line in lines if not line.strip().isdigit()]
    return "\n".join(rows), announced + sum(map(int, counts))


def parse_rows(path: Path, text: str) -> np.ndarray:
    """Parse lines of numbers into a table (N, C) float64.

    Raises:
        InputError: A line is no list of numbers, or lines differ in length, or there is none.
    """
    if not text.strip():
        raise InputError(f"{path} holds no points: export it again")
    try:
        return _table(text)
    except ValueError:
        mended = _FORTRAN.sub("e", _ODD_NAN.sub("nan", text))
    try:
        return _table(mended)
    except ValueError as error:
        reason = str(error).split(";")[0].rstrip(".")
        raise InputError(f"{path} is not a list of points ({reason}): write one x y z line per point") from error


def _table(text: str) -> np.ndarray:
    return np.loadtxt(io.StringIO(text), dtype=np.float64, comments=("#", "//"), ndmin=2)

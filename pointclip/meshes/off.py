"""What trimesh does not do with OFF files: spellings of the header, missing lines, vertex colours."""

import re
from pathlib import Path

import numpy as np

from pointclip.errors import InputError

_HEADER = re.compile(rb"(?i)\A(?:\s*#[^\n]*\n)*\s*((?:ST|C|N|4|n)*OFF)((?:\s|#[^\n]*\n)*)(\d+)\s+(\d+)")


def checked_off(path: Path, data: bytes) -> bytes:
    """Return the file with its keyword in capitals and the counts on a line of their own.

    Raises:
        InputError: There is no header, or fewer lines follow than it announces.

    Example:
        >>> checked_off(Path("a.off"), b"off3 1 0\\n0 0 0\\n1 0 0\\n0 1 0\\n3 0 1 2\\n")[:9]
        b'OFF\\n3 1 0'
    """
    found = _HEADER.match(data)
    if found is None:
        raise InputError(
            f"{path} does not begin with OFF and the numbers of vertices and faces: export it again as .off"
        )
    num_vertices, num_faces = int(found[3]), int(found[4])
    if data.count(b"\n", found.end()) + (not data.endswith(b"\n")) <= num_vertices + num_faces:
        raise InputError(
            f"{path} announces {num_vertices} vertices and {num_faces} faces and ends before the last: copy it again"
        )
    return found[1].upper() + b"\n" + data[found.start(3) :]


def off_vertex_colors(data: bytes) -> np.ndarray | None:
    """Read the colours of a COFF file: (V, 3) float32 in [0, 1], or None where there are none.

    Example:
        >>> off_vertex_colors(b"COFF\\n1 0 0\\n0 0 0 255 0 0 255\\n").tolist()
        [[1.0, 0.0, 0.0]]
    """
    keyword = data[: data.find(b"\n")]
    if b"C" not in keyword:
        return None
    lines = [line for line in data.decode().splitlines()[1:] if line.strip() and not line.lstrip().startswith("#")]
    first = 6 if b"N" in keyword else 3
    rows = [line.split()[first : first + 3] for line in lines[1 : int(lines[0].split()[0]) + 1]]
    if any(len(row) != 3 for row in rows):
        return None
    values = np.array(rows, dtype=np.float64)
    top = 1.0 if any("." in word for row in rows for word in row) else 255.0
    return np.clip(values / top, 0.0, 1.0).astype(np.float32)

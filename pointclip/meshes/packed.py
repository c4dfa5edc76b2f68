"""Compressed files, archives and standard input: what they hold is put into a temporary folder and read there."""

import gzip
import re
import struct
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import BinaryIO, TypeVar

from pointclip.errors import InputError

STDIN = "-"
PACKED = (".gz", ".zip")
_MOST_BYTES = 2_000_000_000
_FREE_BYTES = 64_000_000  # unpacked from however little
_MOST_TIMES = 200
Read = TypeVar("Read")
_FIRST_WORDS = (
    ("ply", r"\s*ply\b"),
    ("off", r"(?i)\s*(?:ST)?C?N?4?n?OFF"),
    ("pcd", r"\s*(?:# \.PCD|VERSION \.?\d)"),
    ("stl", r"(?i)\s*solid\b"),
    ("dae", r"\s*<\?xml[^>]*>[^>]*<COLLADA|\s*<COLLADA"),
    ("gltf", r"\s*\{"),
    ("obj", r"(?m)^\s*(?:v|vn|vt|f|o|g|mtllib|usemtl)\s"),
    ("xyz", r"(?m)^\s*[-+\d.][-+\d.eE]*[\s,;]"),
)


def check_unpacked(path: Path, size: int, packed: int, most_times: int = _MOST_TIMES) -> None:
    """Refuse what unpacks to more than any shape needs.

    Args:
        path: For messages.
        size: Bytes that it says it unpacks to.
        packed: Bytes it has now.
        most_times: Geometry shrinks to a tenth; what shrinks to less than this was made to fill a disk.

    Raises:
        InputError: ``size`` bytes are more than memory should take, or far more than ``packed`` bytes of a shape hold.

    Example:
        >>> check_unpacked(Path("a.npz"), 10**9, 1000)
        Traceback (most recent call last):
        ...
        pointclip.errors.InputError: a.npz unpacks from 1,000 to 1,000,000,000 bytes, as no shape does: export it again
    """
    if size > _MOST_BYTES or size > max(_FREE_BYTES, packed * most_times):
        raise InputError(f"{path} unpacks from {packed:,} to {size:,} bytes, as no shape does: export it again")


def check_archive(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse an archive of which one member, or all together, unpack to more than any shape needs."""
    members = archive.infolist()
    check_unpacked(path, sum(member.file_size for member in members), sum(member.compress_size for member in members))


def read_packed(path: Path, types: tuple[str, ...], read: Callable[[Path], Read]) -> Read:
    """Read the one shape of a .zip archive, with the materials and textures beside it, or what a .gz file holds.

    Args:
        path: The file.
        types: Suffixes of shapes.
        read: Reads the unpacked file.

    Raises:
        InputError: The file is damaged, holds no shape or several, or unpacks to more than any shape needs.
    """
    with tempfile.TemporaryDirectory(prefix="pointclip-") as folder:
        try:
            unpack = _unzipped if path.suffix.lower() == ".zip" else _gunzipped
            place, name = unpack(path, types, Path(folder))
        except (
            zipfile.BadZipFile,
            gzip.BadGzipFile,
            zlib.error,
            EOFError,
            NotImplementedError,
            RuntimeError,
            struct.error,
        ) as error:
            raise InputError(f"{path} is damaged, encrypted or no {path.suffix} file: pack it again") from error
        return _as(name, place, read)


def read_stdin(types: tuple[str, ...], read: Callable[[Path], Read]) -> Read:
    """Read a shape from standard input; its first bytes say what it is.

    Raises:
        InputError: Nothing comes, or it is of no known type.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise InputError("- is standard input, and nothing is piped into it: name a file")
    data = sys.stdin.buffer.read(_MOST_BYTES + 1)
    check_unpacked(Path(STDIN), len(data), len(data))
    if not data:
        raise InputError("- is standard input, which is empty: pipe a file into it")
    suffix = f".{kind_of(data) or 'unknown'}"
    if suffix not in (*types, *PACKED):
        raise InputError("- is standard input, which begins like no shape: save it to a file that its type ends in")
    with tempfile.TemporaryDirectory(prefix="pointclip-") as folder:
        place = Path(folder) / f"stdin{suffix}"
        place.write_bytes(data)
        return _as("- (standard input)", place, read)


def names_one_shape(path: Path, types: tuple[str, ...]) -> bool:
    """Tell whether a compressed file or archive of a folder is a shape: by its name, or by the names in it.

    Example:
        >>> names_one_shape(Path("a.obj.gz"), (".obj",)), names_one_shape(Path("notes.txt.gz"), (".obj",))
        (True, False)
    """
    if path.suffix.lower() == ".gz":
        return Path(path.stem).suffix.lower() in types
    try:
        with zipfile.ZipFile(path) as archive:
            return len(_shapes(archive, types)) == 1
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError):
        return False


def kind_of(data: bytes) -> str | None:
    """Tell a shape's type by its first bytes.

    Example:
        >>> kind_of(b"ply\\nformat ascii 1.0"), kind_of(b"v 0 0 0\\n"), kind_of(b"0.5 1 2\\n"), kind_of(b"hello")
        ('ply', 'obj', 'xyz', None)
    """
    for first, kind in ((b"glTF", "glb"), (b"\x93NUMPY", "npy"), (b"\x1f\x8b", "gz")):
        if data.startswith(first):
            return kind
    if data.startswith(b"PK"):
        return (
            "3mf" if b"3dmodel.model" in data.lower() else "npz" if re.match(rb"PK.{28,60}\.npy", data, re.S) else "zip"
        )
    if len(data) >= 84 and len(data) == 84 + 50 * int.from_bytes(data[80:84], "little"):
        return "stl"
    head = data[:4096].decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "replace")
    return next(
        (kind for kind, pattern in _FIRST_WORDS if re.search(pattern, head) and _fits(kind, pattern, head)), None
    )


def _fits(kind: str, pattern: str, head: str) -> bool:
    return kind in ("obj", "xyz") or re.match(pattern, head) is not None


def _as(name: str, place: Path, read: Callable[[Path], Read]) -> Read:
    """Read an unpacked file, and say in messages where it came from."""
    try:
        return read(place)
    except InputError as error:
        raise InputError(str(error).replace(str(place), name)) from error


def _shapes(archive: zipfile.ZipFile, types: tuple[str, ...]) -> list[zipfile.ZipInfo]:
    known = []
    for member in archive.infolist():
        name = PurePosixPath(member.filename)
        hidden = any(part.startswith(".") or part == "__MACOSX" for part in name.parts)
        if not member.is_dir() and not hidden and name.suffix.lower() in types:
            known.append(member)
    return known


def _unzipped(path: Path, types: tuple[str, ...], folder: Path) -> tuple[Path, str]:
    with zipfile.ZipFile(path) as archive:
        check_archive(path, archive)
        found = _shapes(archive, types)
        meshes = [member for member in found if not member.filename.lower().endswith((".txt", ".csv", ".asc"))]
        found = meshes or found  # a README beside a mesh is no cloud
        if not found:
            raise InputError(f"{path} holds no shape: known file types are {' '.join(types)}")
        if len(found) > 1:
            named = ", ".join(member.filename for member in found[:3])
            raise InputError(f"{path} holds {len(found)} shapes ({named}): unpack it and name the folder")
        beside = [member for member in archive.infolist() if member is not found[0]]
        archive.extractall(folder, beside)  # which takes leading slashes and dots off the names
        place = Path(archive.extract(found[0], folder))
    return place, f"{path}/{found[0].filename}"


def _gunzipped(path: Path, types: tuple[str, ...], folder: Path) -> tuple[Path, str]:
    with path.open("rb") as packed, gzip.GzipFile(fileobj=packed) as file:
        data = _bounded(path, file)
    named = Path(path.stem).suffix.lower()
    suffix = named if named in types else f".{kind_of(data)}"
    if suffix not in types:
        raise InputError(f"{path} holds no shape of a known type: unpack it first, known are {' '.join(types)}")
    place = folder / f"unpacked{suffix}"
    place.write_bytes(data)
    return place, str(path)


def _bounded(path: Path, file: gzip.GzipFile | BinaryIO) -> bytes:
    packed = path.stat().st_size
    data = file.read(min(_MOST_BYTES, max(_FREE_BYTES, packed * _MOST_TIMES)) + 1)
    check_unpacked(path, len(data), packed)
    return data

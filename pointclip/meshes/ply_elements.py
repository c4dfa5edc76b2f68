"""The elements of a PLY file as numpy columns, whatever their order, types and number format."""

import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pointclip.errors import InputError
from pointclip.meshes.repair import REPAIR

_TYPES = {
    **{"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4"},
    **{"float": "f4", "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4"},
    **{"uint32": "u4", "float16": "f2", "float32": "f4", "float64": "f8", "int64": "i8", "uint64": "u8"},
}
_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}


@dataclass(frozen=True)
class _Property:
    name: str
    kind: str
    count_kind: str = ""


@dataclass
class Element:
    """The rows of one element: plain columns (N,), and lists as sizes (N,) and all their values one after another."""

    name: str
    count: int
    properties: list[_Property] = field(default_factory=list)
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    lists: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)


def read_elements(path: Path, data: bytes) -> tuple[dict[str, Element], list[str]]:
    """Return the elements of a PLY file by name, and its comments.

    Raises:
        InputError: The header is damaged, or fewer rows follow than it announces.
    """
    try:
        elements, comments, order, start = _header(data)
    except (KeyError, ValueError, IndexError) as error:
        raise _damaged(path) from error
    try:
        if order:
            for element in elements:
                start = _fill(element, data, start, order)
        else:
            _fill_from_text(elements, data[start:])
    except (ValueError, IndexError, OverflowError, struct.error) as error:
        counts = " and ".join(f"{e.count:,} of {e.name}" for e in elements)
        raise InputError(f"{path} announces {counts} and ends before the last, or is damaged: copy it again") from error
    return {element.name: element for element in elements}, comments


def _damaged(path: Path) -> InputError:
    return InputError(f"{path} is damaged, cut short or no .ply file: {REPAIR}")


def _header(data: bytes) -> tuple[list[Element], list[str], str, int]:
    data_start = data.find(b"end_header")
    if not data.startswith(b"ply") or data_start < 0:
        raise ValueError("no header")
    head = data[:data_start].replace(b"\r\n", b"\n").replace(b"\r", b"\n").decode("utf-8", "replace")
    elements: list[Element] = []
    comments, order = [], None
    for line in head.split("\n")[1:]:
        words = line.split()
        if words[:1] == ["comment"]:
            comments.append(line.split(None, 1)[1] if len(words) > 1 else "")
        elif words[:1] == ["format"]:
            order = _ORDERS[words[1]]
        elif words[:1] == ["element"]:
            elements.append(Element(words[1], int(words[2])))
        elif words[:2] == ["property", "list"]:
            elements[-1].properties.append(_Property(words[4], _TYPES[words[3]], _TYPES[words[2]]))
        elif words[:1] == ["property"]:
            elements[-1].properties.append(_Property(words[2], _TYPES[words[1]]))
    if order is None or any(element.count < 0 for element in elements):
        raise ValueError("no format, or a negative count")
    end = data_start + len(b"end_header")
    end += 2 if data[end : end + 2] == b"\r\n" else 1
    return elements, comments, order, end


def _fill_from_text(elements: list[Element], body: bytes) -> None:
    """Read every word as a double, then rows of doubles as a binary file has them; columns get the types announced."""
    numbers = np.array(body.decode("ascii").split(), dtype=np.float64).astype("<f8").tobytes()
    at = 0
    for element in elements:
        wide = [_Property(prop.name, "f8", prop.count_kind and "f8") for prop in element.properties]
        read = Element(element.name, element.count, wide)
        at = _fill(read, numbers, at, "<")
        for prop in element.properties:
            if prop.count_kind:
                sizes, values = read.lists.get(prop.name, (np.zeros(0, np.int64), np.zeros(0)))
                element.lists[prop.name] = sizes, values.astype(prop.kind)
            else:
                element.columns[prop.name] = read.columns.get(prop.name, np.zeros(0)).astype(prop.kind)


def _fill(element: Element, data: bytes, at: int, order: str) -> int:
    """Read the rows of an element, as a table where every list has the length it has in the first row."""
    if element.count and len(data) - at < element.count:
        raise ValueError("fewer bytes than rows")
    if not element.count or not element.properties:
        return at
    first = _walk(element, data, at, order, 1)
    row: list[tuple[str, str] | tuple[str, str, tuple[int]]] = []
    for number, prop in enumerate(element.properties):
        if prop.count_kind:
            row += [
                (f"{number}#", order + prop.count_kind),
                (str(number), order + prop.kind, (int(first.sizes[number][0]),)),
            ]
        else:
            row.append((str(number), order + prop.kind))
    kind = np.dtype(row)
    if len(data) - at >= element.count * kind.itemsize:
        table = np.frombuffer(data, kind, element.count, at)
        if all((table[f"{number}#"] == sizes[0]).all() for number, sizes in first.sizes.items()):
            for number, prop in enumerate(element.properties):
                if prop.count_kind:
                    sizes = np.full(element.count, first.sizes[number][0], dtype=np.int64)
                    element.lists[prop.name] = sizes, table[str(number)].reshape(-1)
                else:
                    element.columns[prop.name] = table[str(number)]
            return at + element.count * kind.itemsize
    walked = _walk(element, data, at, order, element.count)
    for number, prop in enumerate(element.properties):
        sizes = np.array(walked.sizes.get(number, np.ones(element.count)), dtype=np.int64)
        values = _gathered(data, np.array(walked.starts[number]), sizes, np.dtype(order + prop.kind))
        if prop.count_kind:
            element.lists[prop.name] = sizes, values
        else:
            element.columns[prop.name] = values
    return walked.end


@dataclass
class _Walk:
    """Where each property of each row begins, how long its list is, and where the last row ends."""

    starts: dict[int, list[int]]
    sizes: dict[int, list[int]]
    end: int


def _walk(element: Element, data: bytes, at: int, order: str, rows: int) -> _Walk:
    plan = [
        (number, struct.Struct((order or "=") + np.dtype(prop.count_kind).char) if prop.count_kind else None, size)
        for number, prop in enumerate(element.properties)
        for size in (np.dtype(prop.kind).itemsize,)
    ]
    starts: dict[int, list[int]] = {number: [] for number, _, _ in plan}
    sizes: dict[int, list[int]] = {number: [] for number, count, _ in plan if count}
    for _ in range(rows):
        for number, count, size in plan:
            if count is None:
                starts[number].append(at)
                at += size
                continue
            length = int(count.unpack_from(data, at)[0])
            at += count.size
            starts[number].append(at)
            sizes[number].append(length)
            at += length * size
            if length < 0 or at > len(data):
                raise ValueError("a list of impossible length")
    if at > len(data):
        raise ValueError("the rows end too early")
    return _Walk(starts, sizes, at)


def _gathered(data: bytes, starts: np.ndarray, sizes: np.ndarray, kind: np.dtype) -> np.ndarray:
    """Return the numbers of all lists, one after another."""
    inside = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    places = np.repeat(starts, sizes) + inside * kind.itemsize
    raw = np.frombuffer(data, np.uint8)[places[:, None] + np.arange(kind.itemsize)]
    return raw.reshape(-1).view(kind)

"""The numbers of a glTF file: read, made plain, and added to."""

import base64
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from pointclip.meshes.companions import find

_KINDS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}


class Accessors:
    """Read the accessors of a file with everything the standard allows, and collect new ones.

    Args:
        folder: Where the file lies.
        tree: Its description.
        binary: The bytes of the binary chunk of a .glb file.
    """

    def __init__(self, folder: Path, tree: dict[str, Any], binary: bytes) -> None:
        self._folder, self._tree, self._binary = folder, tree, binary
        self._buffers: dict[int, bytes] = {}
        self._added: list[tuple[dict[str, Any], bytes]] = []

    def read(self, index: int) -> np.ndarray:
        """Return the rows (count, width) of an accessor: integers as they are, or fractions where it is normalized."""
        entry = self._tree["accessors"][index]
        if "_added" in entry:
            return np.frombuffer(self._added[entry["_added"]][1], _KINDS[entry["componentType"]]).reshape(
                entry["count"], -1
            )
        width, count = _WIDTHS[entry["type"]], int(entry["count"])
        kind = np.dtype(_KINDS[entry["componentType"]])
        rows = self._rows(entry, kind, count, width) if "bufferView" in entry else None
        if rows is None:
            if count * width > 100_000_000:
                raise ValueError("more zeros than any shape has")
            rows = np.zeros((count, width), kind)
        if "sparse" in entry:
            rows = self._with_changes(rows, entry["sparse"], kind, width)
        if entry.get("normalized") and kind.kind != "f":
            rows = np.maximum(rows.astype(np.float32) / np.iinfo(kind).max, -1.0)
        return rows

    def add(self, rows: np.ndarray, shape: str) -> int:
        """Add an accessor of float32 or uint32 rows and return its index."""
        code = 5126 if rows.dtype.kind == "f" else 5125
        data = np.ascontiguousarray(rows, dtype=_KINDS[code]).tobytes()
        entry = {"componentType": code, "count": len(rows), "type": shape, "_added": len(self._added)}
        self._added.append((entry, data))
        self._tree["accessors"].append(entry)
        return len(self._tree["accessors"]) - 1

    def flatten(self) -> None:
        """Replace accessors with changed entries, and fractions written as integers, by plain ones."""
        entries = self._tree.get("accessors", [])
        colors = {
            part["attributes"].get("COLOR_0") for mesh in self._tree.get("meshes", []) for part in mesh["primitives"]
        }
        used = {at for mesh in self._tree.get("meshes", []) for part in mesh["primitives"] for at in _used(part)}
        for index in sorted(used):
            entry = entries[index]
            fractions = entry.get("normalized") and entry["componentType"] != 5126 and index not in colors
            if not fractions and "sparse" not in entry:
                continue
            rows = self.read(index)
            if rows.dtype.kind != "f" and entry["type"] == "SCALAR":
                rows = rows.astype(np.uint32)
            entries[index] = entries[self.add(rows if rows.dtype.kind != "i" else rows.astype("<f4"), entry["type"])]
            entries.pop()

    def append_to(self, tree: dict[str, Any]) -> None:
        """Write what was added into the description, as one more buffer."""
        if not self._added:
            return
        data, views, buffers = b"", tree.setdefault("bufferViews", []), tree.setdefault("buffers", [])
        for entry, block in self._added:
            del entry["_added"]
            entry["bufferView"] = len(views)
            views.append({"buffer": len(buffers), "byteOffset": len(data), "byteLength": len(block)})
            data += block
        text = base64.b64encode(data).decode()
        buffers.append({"byteLength": len(data), "uri": "data:application/octet-stream;base64," + text})

    def view(self, index: int) -> bytes:
        """Return the bytes of a part of a buffer."""
        view = self._tree["bufferViews"][index]
        start = view.get("byteOffset", 0)
        return self._buffer(view["buffer"])[start : start + view["byteLength"]]

    def _rows(self, entry: dict[str, Any], kind: np.dtype, count: int, width: int) -> np.ndarray:
        view = self._tree["bufferViews"][entry["bufferView"]]
        start = view.get("byteOffset", 0) + entry.get("byteOffset", 0)
        step = view.get("byteStride", 0) or kind.itemsize * width
        data = self._buffer(view["buffer"])
        if count < 1 or start < 0 or start + (count - 1) * step + width * kind.itemsize > len(data):
            raise ValueError("an accessor reaches beyond its buffer")
        return np.ndarray((count, width), kind, data, start, (step, kind.itemsize)).copy()

    def _with_changes(self, rows: np.ndarray, sparse: dict[str, Any], kind: np.dtype, width: int) -> np.ndarray:
        where, values, count = sparse["indices"], sparse["values"], int(sparse["count"])
        places = self._rows(where, np.dtype(_KINDS[where["componentType"]]), count, 1).reshape(-1)
        rows[places] = self._rows(values, kind, count, width)
        return rows

    def _buffer(self, index: int) -> bytes:
        if index not in self._buffers:
            name = self._tree["buffers"][index].get("uri")
            if name is None:
                data = self._binary
            elif name.startswith("data:"):
                data = base64.b64decode(name.partition("base64,")[2])
            else:
                data = find(self._folder, unquote(name)).read_bytes()
            self._buffers[index] = data
        return self._buffers[index]


def _used(part: dict[str, Any]) -> list[int]:
    if "KHR_draco_mesh_compression" in part.get("extensions", {}):
        return []
    return [at for name, at in part["attributes"].items() if not name.startswith(("JOINTS", "WEIGHTS"))] + (
        [part["indices"]] if "indices" in part else []
    )

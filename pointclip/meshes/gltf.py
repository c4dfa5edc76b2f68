"""glTF files brought to what trimesh reads: plain accessors, one node for each copy, colours of the metallic kind."""

import json
import re
import struct
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from pointclip._base.words import counted
from pointclip.errors import InputError
from pointclip.meshes.gltf_accessors import Accessors
from pointclip.meshes.gltf_graph import check_references, flatten_deep
from pointclip.meshes.gltf_surface import add_morphs, check_colors, drop_large_pictures, place_textures
from pointclip.meshes.repair import REPAIR

Tree = dict[str, Any]
_COLLIDER = re.compile(r"collider|collision|^U(?:BX|CX|SP|CP)_", re.IGNORECASE)
_READ = re.compile(
    r"KHR_(?:mesh_quantization|texture_transform|materials_\w+|lights_punctual|texture_basisu)|EXT_texture_\w+"
)
_PACKED = ("KHR_draco_mesh_compression", "EXT_meshopt_compression", "KHR_meshopt_compression")
_INSTANCING = "EXT_mesh_gpu_instancing"
_GLOSSY = "KHR_materials_pbrSpecularGlossiness"
_FAN = 6


def checked_gltf(path: Path, notes: list[str]) -> tuple[str, bytes]:
    """Return "glb" or "gltf", whatever the name of the file says, and its bytes in the form trimesh reads.

    Raises:
        InputError: A companion file is missing, or the file is damaged, of version 1, or needs what is not read here.
    """
    data = path.read_bytes()
    kind = "glb" if data[:4] == b"glTF" else "gltf"
    tree, rest = _parts(path, kind, data)
    before = json.dumps(tree)
    try:
        _check_needs(path, tree)
        _tidied(path, tree, rest, notes)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, struct.error) as error:
        if isinstance(error, InputError):
            raise
        raise _damaged(path, kind) from error
    return kind, data if json.dumps(tree) == before else _joined(kind, tree, rest)


def _damaged(path: Path, kind: str) -> InputError:
    return InputError(f"{path} is damaged or no .{kind} file: {REPAIR}")


def _parts(path: Path, kind: str, data: bytes) -> tuple[Tree, bytes]:
    """Return the description of the scene, and what follows it in a .glb file."""
    rest = b""
    if kind == "glb" and len(data) >= 20:
        end = 20 + int(struct.unpack("<I", data[12:16])[0])
        data, rest = data[20:end], data[end:]
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, kind) from error
    if not isinstance(tree, dict):
        raise _damaged(path, kind)
    return tree, rest


def _joined(kind: str, tree: Tree, rest: bytes) -> bytes:
    text = json.dumps(tree).encode()
    if kind == "gltf":
        return text
    text += b" " * (-len(text) % 4)
    head = struct.pack("<4sIIII", b"glTF", 2, 20 + len(text) + len(rest), len(text), 0x4E4F534A)
    return head + text + rest


def _check_needs(path: Path, tree: Tree) -> None:
    """Name the version, the companion files and the extensions that cannot be read."""
    if str(tree.get("asset", {}).get("version", "2")).startswith("1") or isinstance(tree.get("meshes"), dict):
        raise InputError(
            f"{path} is glTF 1.0, which is not read: convert it to glTF 2.0, as Blender or gltf-pipeline do"
        )
    for entry in tree.get("buffers", []):
        name = entry.get("uri", "data:")
        if not name.startswith("data:") and not any((path.parent / n).is_file() for n in (name, unquote(name))):
            raise InputError(
                f"{path} needs the file {unquote(name)}, which is not beside it: copy both into one folder"
            )
    needed = set(tree.get("extensionsRequired", [])) - {_INSTANCING}
    if find_spec("DracoPy") is not None:
        needed.discard(_PACKED[0])
    packed = ", ".join(sorted(needed & set(_PACKED)))
    if packed:
        how = ", or pip install 'pointclip[draco]'" if packed == _PACKED[0] else ""
        raise InputError(f"{path} is compressed with {packed}: export it without compression{how}")
    unknown = ", ".join(sorted(name for name in needed - set(_PACKED) if not _READ.fullmatch(name)))
    if unknown:
        raise InputError(f"{path} needs the glTF extension {unknown}, which is not read: export it without")


def _tidied(path: Path, tree: Tree, rest: bytes, notes: list[str]) -> None:
    check_references(tree)
    accessors = Accessors(path.parent, tree, rest[8:])
    _check_graph(path, tree)
    _name_a_scene(tree)
    check_colors(tree)
    _take_glossy_colors(tree)
    accessors.flatten()
    _open_fans(tree, accessors)
    _spread_copies(tree, accessors, notes)
    _drop_colliders(tree, notes)
    add_morphs(tree, accessors)
    place_textures(tree, accessors)
    drop_large_pictures(tree, accessors, notes)
    flatten_deep(tree)
    accessors.append_to(tree)


def _check_graph(path: Path, tree: Tree) -> None:
    """Refuse nodes that are their own ancestors."""
    children = [node.get("children", []) for node in tree.get("nodes", [])]
    parents = [0] * len(children)
    for row in children:
        for child in row:
            parents[child] += 1
    ready = [at for at, count in enumerate(parents) if not count]
    for at in ready:  # grows while it is walked: every node all of whose parents are done
        for child in children[at]:
            parents[child] -= 1
            if not parents[child]:
                ready.append(child)
    if len(ready) < len(children):
        raise InputError(f"{path} has nodes that hold themselves: {REPAIR}")


def _name_a_scene(tree: Tree) -> None:
    nodes = tree.get("nodes", [])
    if nodes and not tree.get("scenes"):
        inner = {child for node in nodes for child in node.get("children", [])}
        tree["scenes"] = [{"nodes": [at for at in range(len(nodes)) if at not in inner]}]
        tree["scene"] = 0


def _open_fans(tree: Tree, accessors: Accessors) -> None:
    for mesh in tree.get("meshes", []):
        for part in mesh["primitives"]:
            if part.get("mode") != _FAN:
                continue
            count = tree["accessors"][part["attributes"]["POSITION"]]["count"]
            around = accessors.read(part["indices"]).reshape(-1) if "indices" in part else np.arange(count)
            rows = np.stack([np.full(len(around) - 2, around[0]), around[1:-1], around[2:]], axis=1)
            part["indices"] = accessors.add(rows.reshape(-1, 1).astype(np.uint32), "SCALAR")
            part["mode"] = 4


def _spread_copies(tree: Tree, accessors: Accessors, notes: list[str]) -> None:
    """Put a child node for each copy where a node says that its mesh is drawn many times."""
    nodes = tree.get("nodes", [])
    for node in list(nodes):
        found = node.get("extensions", {}).pop(_INSTANCING, None)
        if found is None or "mesh" not in node:
            continue
        names = {"TRANSLATION": "translation", "ROTATION": "rotation", "SCALE": "scale"}
        columns = {names[key]: accessors.read(at) for key, at in found["attributes"].items() if key in names}
        mesh = node.pop("mesh")
        copies = min(map(len, columns.values()), default=0)
        if copies > 10_000:
            notes.append(f"only 10,000 of {copies:,} copies of a part were read")
        for row in range(min(copies, 10_000)):
            node.setdefault("children", []).append(len(nodes))
            nodes.append({"mesh": mesh, **{key: rows[row].astype(float).tolist() for key, rows in columns.items()}})


def _drop_colliders(tree: Tree, notes: list[str]) -> None:
    """Leave out what a game engine only collides with, unless it is all there is."""
    meshes = tree.get("meshes", [])
    drawn = [node for node in tree.get("nodes", []) if "mesh" in node]
    hidden = [
        node
        for node in drawn
        if _COLLIDER.search(str(node.get("name", ""))) or _COLLIDER.search(str(meshes[node["mesh"]].get("name", "")))
    ]
    if not hidden or len(hidden) == len(drawn):
        return
    for node in hidden:
        del node["mesh"]
    notes.append(f"{counted(len(hidden), 'part')} named as colliders left out")


def _take_glossy_colors(tree: Tree) -> None:
    """Give materials of the older specular kind their colour in the place where the newer kind has it."""
    for material in tree.get("materials", []):
        glossy = material.get("extensions", {}).get(_GLOSSY)
        plain = material.setdefault("pbrMetallicRoughness", {}) if glossy else {}
        for old, new in (("diffuseFactor", "baseColorFactor"), ("diffuseTexture", "baseColorTexture")):
            if glossy and old in glossy:
                plain.setdefault(new, glossy[old])
        if glossy:
            del material["extensions"][_GLOSSY]

"""What glTF says of a surface beside its triangles: shapes it morphs into, and where its texture lies."""

import base64
from typing import Any

import numpy as np

from pointclip._base.words import counted
from pointclip.meshes.gltf_accessors import Accessors
from pointclip.meshes.pictures import too_large

Tree = dict[str, Any]
_DOT = (  # a picture of one pixel
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
_TRANSFORM = "KHR_texture_transform"


def check_colors(tree: Tree) -> None:
    """Refuse vertex colours of another form than red, green, blue and perhaps alpha.

    Raises:
        ValueError: The file is damaged.
    """
    for mesh in tree.get("meshes", []):
        for part in mesh["primitives"]:
            index = part["attributes"].get("COLOR_0")
            if index is not None and tree["accessors"][index]["type"] not in ("VEC3", "VEC4"):
                raise ValueError("vertex colours of two numbers")


def add_morphs(tree: Tree, accessors: Accessors) -> None:
    """Move the vertices as the weights of morph targets say: a node's own, else those of its mesh."""
    meshes, made = tree.get("meshes", []), {}
    for node in tree.get("nodes", []):
        if "mesh" not in node:
            continue
        mesh = meshes[node["mesh"]]
        weights = [float(weight) for weight in node.get("weights", mesh.get("weights", ()))]
        if not any(weights) or not any(part.get("targets") for part in mesh["primitives"]):
            continue
        key = (node["mesh"], *weights)
        if key not in made:
            made[key] = len(meshes)
            meshes.append({**mesh, "primitives": [_morphed(part, weights, accessors) for part in mesh["primitives"]]})
        node["mesh"] = made[key]


def _morphed(part: Tree, weights: list[float], accessors: Accessors) -> Tree:
    attributes = dict(part["attributes"])
    targets = part.get("targets", [])
    if "KHR_draco_mesh_compression" not in part.get("extensions", {}):
        rows = accessors.read(attributes["POSITION"]).astype(np.float32)
        for weight, target in zip(weights, targets, strict=False):
            if weight and "POSITION" in target:
                rows = rows + np.float32(weight) * accessors.read(target["POSITION"]).astype(np.float32)
        attributes["POSITION"] = accessors.add(rows, "VEC3")
    return {**{key: value for key, value in part.items() if key != "targets"}, "attributes": attributes}


def drop_large_pictures(tree: Tree, accessors: Accessors, notes: list[str]) -> None:
    """Leave out the pictures inside the file that unpack to more pixels than any texture needs."""
    large = set()
    for index, image in enumerate(tree.get("images", [])):
        uri = image.get("uri", "")
        if "bufferView" in image:
            data = accessors.view(image["bufferView"])
        else:
            data = base64.b64decode(uri.partition("base64,")[2][:90_000]) if uri.startswith("data:") else b""
        if too_large(data):
            large.add(index)
    if not large:
        return
    gone = {at for at, texture in enumerate(tree.get("textures", [])) if texture.get("source") in large}
    for material in tree.get("materials", []):
        plain = material.get("pbrMetallicRoughness", {})
        if plain.get("baseColorTexture", {}).get("index") in gone:
            del plain["baseColorTexture"]
    for index in large:
        tree["images"][index] = {"uri": _DOT}
    notes.append(f"{counted(len(large), 'picture')} too large to be a texture, so its colours are left out")


def place_textures(tree: Tree, accessors: Accessors) -> None:
    """Give each surface the texture coordinates of its colour in the first place, as fractions and transformed."""
    materials, done = tree.get("materials", []), {}
    for mesh in tree.get("meshes", []):
        for part in mesh["primitives"]:
            material = materials[part["material"]] if "material" in part else {}
            texture = material.get("pbrMetallicRoughness", {}).get("baseColorTexture")
            if texture is None or "KHR_draco_mesh_compression" in part.get("extensions", {}):
                continue
            change = texture.get("extensions", {}).get(_TRANSFORM, {})
            name = f"TEXCOORD_{int(change.get('texCoord', texture.get('texCoord', 0)))}"
            index = part["attributes"].get(name)
            if index is None:
                continue
            plain = tree["accessors"][index]["componentType"] == 5126 and name == "TEXCOORD_0" and not change
            key = (index, str(change))
            if key not in done:
                done[key] = index if plain else accessors.add(_moved(accessors.read(index), change), "VEC2")
            part["attributes"]["TEXCOORD_0"] = done[key]


def _moved(rows: np.ndarray, change: Tree) -> np.ndarray:
    """Scale, turn and shift texture coordinates (N, 2), in that order.

    Example:
        >>> _moved(np.array([[1.0, 0.0]]), {"offset": [0, 1], "scale": [0.5, 0.5]}).tolist()
        [[0.5, 1.0]]
    """
    sine, cosine = np.sin(change.get("rotation", 0.0)), np.cos(change.get("rotation", 0.0))
    turn = np.array([[cosine, sine], [-sine, cosine]])
    scaled = rows.astype(np.float64) * np.array(change.get("scale", (1, 1)), dtype=np.float64)
    return (scaled @ turn.T + np.array(change.get("offset", (0, 0)), dtype=np.float64)).astype(np.float32)

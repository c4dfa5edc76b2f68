"""glTF's less common parts: morph targets, texture coordinates of all kinds, deep scenes, Draco."""

import base64
import io
import json
import sys
import time

import numpy as np
import pytest
import trimesh
from PIL import Image

from pointclip.errors import InputError
from pointclip.meshes import Mesh, load_geometry
from pointclip.meshes.gltf_graph import local_matrix

QUAD = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], "<f4")
FACES = np.array([0, 1, 2, 0, 2, 3], "<u2")
KINDS = {"f4": 5126, "u2": 5123, "i2": 5122, "u1": 5121, "i1": 5120}
WIDTHS = {1: "SCALAR", 2: "VEC2", 3: "VEC3"}


def gltf(path, arrays, tree, **flags):
    """Write a scene; ``arrays`` become its accessors, ``flags`` name those that are normalized."""
    data, views, accessors = b"", [], []
    for number, array in enumerate(arrays):
        block = array.tobytes() + b"\0" * (-array.nbytes % 4)
        views.append({"buffer": 0, "byteOffset": len(data), "byteLength": array.nbytes})
        kind = KINDS[array.dtype.str[1:]]
        entry = {"bufferView": number, "componentType": kind, "count": len(array)}
        width = 1 if array.ndim == 1 else array.shape[1]
        accessors.append({**entry, "type": WIDTHS[width], **flags.get(f"at{number}", {})})
        data += block
    uri = "data:application/octet-stream;base64," + base64.b64encode(data).decode()
    whole = {"asset": {"version": "2.0"}, "buffers": [{"byteLength": len(data), "uri": uri}], "bufferViews": views}
    path.write_text(json.dumps({**whole, "accessors": accessors, "scene": 0, **tree}))
    return load_geometry(path)


def area(mesh: Mesh) -> float:
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def colors_over(mesh: Mesh) -> np.ndarray:
    """Give the colours at the four corners of the square, a little inside."""
    faces, weights = (
        [0, 0, 0, 1],
        np.array([[0.9, 0.05, 0.05], [0.05, 0.9, 0.05], [0.05, 0.05, 0.9], [0.05, 0.05, 0.9]]),
    )
    return mesh.colors_at(np.array(faces), weights)


WIDER = np.array([[0, 0, 0], [1, 0, 0], [1, 0, 0], [0, 0, 0]], "<f4")  # added, the square is twice as wide
HIGHER = np.array([[0, 0, 0], [0, 0, 0], [0, 1, 0], [0, 1, 0]], "<f4")


@pytest.mark.parametrize(
    ("of_mesh", "of_node", "right"),
    [(None, None, 1), ([0, 0], None, 1), ([1, 0], None, 2), ([0.5, 1], None, 3), ([1, 1], [0, 0.5], 1.5)],
)
def test_morph_targets(tmp_path, of_mesh, of_node, right):
    part = {"attributes": {"POSITION": 0}, "indices": 1, "targets": [{"POSITION": 2}, {"POSITION": 3}]}
    mesh = {"primitives": [part]} | ({} if of_mesh is None else {"weights": of_mesh})
    node = {"mesh": 0} | ({} if of_node is None else {"weights": of_node})
    tree = {"meshes": [mesh], "nodes": [node], "scenes": [{"nodes": [0]}]}
    assert area(gltf(tmp_path / "a.gltf", [QUAD, FACES, WIDER, HIGHER], tree)) == pytest.approx(right)


def test_nodes_morph_the_mesh_they_share_each_for_itself(tmp_path):
    part = {"attributes": {"POSITION": 0}, "indices": 1, "targets": [{"POSITION": 2}]}
    nodes = [{"mesh": 0, "weights": [1]}, {"mesh": 0}, {"mesh": 0, "weights": [3]}]
    tree = {"meshes": [{"primitives": [part]}], "nodes": nodes, "scenes": [{"nodes": [0, 1, 2]}]}
    assert area(gltf(tmp_path / "a.gltf", [QUAD, FACES, WIDER], tree)) == pytest.approx(2 + 1 + 4)


def picture() -> str:
    """Give a picture of four colours: red green above, blue white below."""
    pixels = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], "u1").repeat(8, 0).repeat(8, 1)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


FLIPPED = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], "<f4")  # glTF counts v from above
RED, GREEN, BLUE, WHITE = [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]
UPRIGHT = [BLUE, WHITE, GREEN, RED]


def textured(path, uv, texture, attribute="TEXCOORD_0", **flags):
    part = {"attributes": {"POSITION": 0, attribute: 2}, "indices": 1, "material": 0}
    looks = {"pbrMetallicRoughness": {"baseColorTexture": {"index": 0, **texture}}}
    tree = {"meshes": [{"primitives": [part]}], "nodes": [{"mesh": 0}], "scenes": [{"nodes": [0]}]}
    tree |= {"materials": [looks], "textures": [{"source": 0}], "images": [{"uri": picture()}]}
    return gltf(path, [QUAD, FACES, uv], tree, **flags)


@pytest.mark.parametrize(
    ("uv", "flags"),
    [
        (FLIPPED, {}),
        ((FLIPPED * 255).astype("u1"), {"normalized": True}),
        ((FLIPPED * 65535).astype("<u2"), {"normalized": True}),
    ],
)
def test_texture_coordinates_of_any_kind(tmp_path, uv, flags):
    assert np.allclose(colors_over(textured(tmp_path / "a.gltf", uv, {}, at2=flags)), UPRIGHT, atol=0.02)


def moved(**change):
    return {"extensions": {"KHR_texture_transform": change}}


@pytest.mark.parametrize(
    ("uv", "texture", "attribute", "right"),
    [
        ((FLIPPED * 4096).astype("<u2"), moved(scale=[1 / 4096, 1 / 4096]), "TEXCOORD_0", UPRIGHT),
        (FLIPPED, moved(offset=[0.5, 0]), "TEXCOORD_0", [WHITE, BLUE, RED, GREEN]),
        (FLIPPED, moved(rotation=np.pi / 2, offset=[0, 1]), "TEXCOORD_0", [WHITE, GREEN, RED, BLUE]),
        (FLIPPED, {"texCoord": 1}, "TEXCOORD_1", UPRIGHT),
        (FLIPPED, moved(texCoord=1), "TEXCOORD_1", UPRIGHT),
    ],
)
def test_textures_lie_where_the_file_says(tmp_path, uv, texture, attribute, right):
    assert np.allclose(colors_over(textured(tmp_path / "a.gltf", uv, texture, attribute)), right, atol=0.02)


def test_vertex_colours_of_two_numbers_are_refused(tmp_path):
    part = {"attributes": {"POSITION": 0, "COLOR_0": 2}, "indices": 1}
    tree = {"meshes": [{"primitives": [part]}], "nodes": [{"mesh": 0}], "scenes": [{"nodes": [0]}]}
    with pytest.raises(InputError, match="is damaged or no .gltf file"):
        gltf(tmp_path / "a.gltf", [QUAD, FACES, FLIPPED], tree)


def test_numbers_of_parts_below_zero_are_refused(tmp_path):
    for wrong in ({"attributes": {"POSITION": -3}}, {"attributes": {"POSITION": 0}, "indices": -1}):
        tree = {"meshes": [{"primitives": [wrong]}], "nodes": [{"mesh": 0}], "scenes": [{"nodes": [0]}]}
        with pytest.raises(InputError, match="is damaged or no .gltf file"):
            gltf(tmp_path / "a.gltf", [QUAD, FACES, FLIPPED], tree)


def test_matrices_of_nodes():
    random = np.random.default_rng(0)
    for _ in range(5):
        turn, scale, shift = random.normal(size=4), random.normal(size=3), random.normal(size=3)
        wanted = trimesh.transformations.quaternion_matrix(turn[[3, 0, 1, 2]]) @ np.diag([*scale, 1])
        wanted[:3, 3] = shift
        node = {"translation": shift.tolist(), "rotation": turn.tolist(), "scale": scale.tolist()}
        assert np.allclose(local_matrix(node), wanted)
        assert np.allclose(local_matrix({"matrix": wanted.T.reshape(-1).tolist()}), wanted)


def test_a_chain_of_many_nodes_is_read_in_a_moment(tmp_path):
    nodes = [{"children": [k + 1], "translation": [0.001, 0, 0]} for k in range(20_000)] + [{"mesh": 0}]
    nodes[10_000] |= {"rotation": [0, 0, 0.5**0.5, 0.5**0.5], "mesh": 0}
    part = {"attributes": {"POSITION": 0}, "indices": 1}
    tree = {"meshes": [{"primitives": [part]}], "nodes": nodes, "scenes": [{"nodes": [0]}]}
    start = time.perf_counter()
    mesh = gltf(tmp_path / "a.gltf", [QUAD, FACES], tree)
    assert time.perf_counter() - start < 20
    assert area(mesh) == pytest.approx(2) and np.allclose(mesh.vertices.max(0), [10.001, 10.999, 0], atol=0.01)


@pytest.fixture
def squeezed(tmp_path):
    pytest.importorskip("DracoPy", reason="the extra 'draco' is not installed")
    ball = trimesh.creation.icosphere(2)
    (tmp_path / "a.glb").write_bytes(trimesh.exchange.gltf.export_glb(trimesh.Scene(ball), extension_draco=True))
    assert b"KHR_draco_mesh_compression" in (tmp_path / "a.glb").read_bytes()
    return tmp_path / "a.glb", ball


def test_draco(squeezed):
    path, ball = squeezed
    assert area(load_geometry(path)) == pytest.approx(ball.area, rel=1e-3)


def test_draco_without_its_package_is_a_sentence(squeezed, monkeypatch):
    monkeypatch.setitem(sys.modules, "DracoPy", None)
    with pytest.raises(InputError, match=r"KHR_draco_mesh_compression: export it without compression, or pip install"):
        load_geometry(squeezed[0])

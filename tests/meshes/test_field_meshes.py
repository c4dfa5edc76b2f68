"""Mesh files as CAD, scanners, games and hands write them: the whole surface, its colours, and notes of what is not."""

import base64
import json
import struct

import numpy as np
import pytest
import trimesh
from PIL import Image

from pointclip.errors import InputError
from pointclip.meshes import Mesh, load_geometry

BALL = trimesh.creation.icosphere(1)
SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"
HOLLOW = [(0, 0), (3, 0), (3, 3), (0, 3), (0, 2), (2, 2), (2, 1), (0, 1)]  # a C of area 7


def area(mesh: Mesh) -> float:
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def ascii_stl(sep: str = "\n", loop: str = "endloop") -> str:
    facets = [
        sep.join(
            ["facet normal 0 0 0", "outer loop", *("vertex {:e} {:e} {:e}".format(*v) for v in f), loop, "endfacet"]
        )
        for f in BALL.triangles
    ]
    return sep.join(["solid part", *facets, "endsolid part"]) + "\n"


def binary_stl(triangles: np.ndarray, head: bytes = b"", count: int | None = None) -> bytes:
    rows = b"".join(struct.pack("<12fH", 0, 0, 0, *map(float, face.ravel()), 0) for face in triangles)
    return head.ljust(80, b"\0") + struct.pack("<I", len(triangles) if count is None else count) + rows


BROKEN = np.concatenate([BALL.triangles, np.full((1, 3, 3), np.nan)])
STL = {
    "mark": (b"\xef\xbb\xbf" + ascii_stl().encode(), ""),
    "utf16": (ascii_stl().encode("utf-16"), ""),
    "comment": (b"# made by hand\n" + ascii_stl().encode(), ""),
    "capitals": (ascii_stl().upper().encode(), ""),
    "one_line": (ascii_stl(" ").encode(), ""),
    "end_loop": (ascii_stl(loop="end loop").encode(), ""),
    "no_end": (ascii_stl().replace("endsolid part\n", "").encode(), "endsolid, is missing"),
    "solid_head": (binary_stl(BALL.triangles, b"solid exported by a CAD program"), ""),
    "count_zero": (binary_stl(BALL.triangles, count=0), "counts 0 triangles, 80 lie there"),
    "count_small": (binary_stl(BALL.triangles, count=40), "counts 40 triangles, 80 lie there"),
    "count_large": (binary_stl(BALL.triangles, count=90), "counts 90 triangles, 80 lie there"),
    "not_a_number": (binary_stl(BROKEN), "1 face with NaN or infinite coordinates left out"),
}


@pytest.mark.parametrize("name", STL)
def test_stl(tmp_path, name):
    data, note = STL[name]
    (tmp_path / "a.stl").write_bytes(data)
    mesh = load_geometry(tmp_path / "a.stl")
    assert area(mesh) == pytest.approx(BALL.area, rel=1e-5)
    assert len(mesh.notes) == bool(note) and note in "".join(mesh.notes)


# name: (text, area)
OBJ = {
    "tabs": ("".join(f"v\t{x}\t{y}\t0\n" for x, y in HOLLOW) + "f\t" + "\t".join("12345678") + "\n", 7),
    "indented": ("  " + SQUARE.replace("\n", "\n  ") + "f 1 2 3 4\n", 1),
    "capitals": (SQUARE.upper() + "F 1 2 3 4\n", 1),
    "carriage_returns": ((SQUARE + "f 1 2 3 4\n").replace("\n", "\r"), 1),
    "utf16": ((SQUARE + "f 1 2 3 4\n").encode("utf-16"), 1),
    "comments": (SQUARE.replace("v 1 0 0", "v 1 0 0 # corner") + "f 1 2 3 4 # quad\n", 1),
    "fo": (SQUARE + "fo 1 2 3 4\n", 1),
    "continued": (SQUARE + "f -4 -3 \\\n  -2 -1\n" + SQUARE.replace(" 0\n", " 5\n") + "f -4 -3 \\\n  -2 -1\n", 2),
    "mixed": (SQUARE + "f 1 -3 3 -1\n", 1),
    "faces_first": ("f 1 2 3\nf 1 3 4\n" + SQUARE, 1),
    "edge": (SQUARE + "f 1 2\nf 1 2 3 4\n", 1),
    "unused_nan": (SQUARE + "v nan nan nan\nf 1 2 3 4\n", 1),
    "exponents": (SQUARE.replace("1", "1.0E+00") + "f 1 2 3 4\n", 1),
    "no_texture_index": (SQUARE + "f 1/0 2/0 3/0 4/0\n", 1),
}


@pytest.mark.parametrize("name", OBJ)
def test_obj(tmp_path, name):
    text, right = OBJ[name]
    (tmp_path / "a.obj").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert area(load_geometry(tmp_path / "a.obj")) == pytest.approx(right)


def test_obj_with_decimal_commas_says_so(tmp_path):
    (tmp_path / "a.obj").write_text(SQUARE.replace("1", "1,5") + "f 1 2 3 4\n")
    mesh = load_geometry(tmp_path / "a.obj")
    assert area(mesh) == pytest.approx(2.25) and mesh.notes == ("commas read as decimal points",)


@pytest.mark.parametrize(
    ("faces", "message"),
    [
        ("f 0 1 2\n", "corner '0', and corners count from 1"),
        ("f -3 -2 -1\nf -0.5 1 2\n", "corner '-0.5', and corners count from 1"),
        (
            "cstype bspline\ndeg 3 3\nsurf 0 1 0 1 1 2 3 4\nend\n",
            "free-form surfaces, which are not read: export it as",
        ),
    ],
)
def test_obj_that_cannot_be_read(tmp_path, faces, message):
    (tmp_path / "a.obj").write_text(SQUARE + faces)
    with pytest.raises(InputError, match=message):
        load_geometry(tmp_path / "a.obj")


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("name", ["Red Wood.PNG", '"Red Wood.PNG"', "\tRed Wood.PNG", "-s 1 1 1 -bm 0.5 Red Wood.PNG"])
def test_textures_however_they_are_named(tmp_path, name, mark):
    Image.new("RGB", (8, 8), (255, 0, 0)).save(tmp_path / "Red Wood.PNG")
    (tmp_path / "my shapes.mtl").write_bytes(mark + f"newmtl old wood\r\nKd 1 1 1\r\nmap_Kd {name}\r\n".encode())
    text = SQUARE + "vt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\nusemtl old wood\nf 1/1 2/2 3/3 4/4\n"
    (tmp_path / "a.obj").write_text("mtllib my shapes.mtl\n" + text)
    mesh = load_geometry(tmp_path / "a.obj")
    assert np.allclose(mesh.colors_at(np.array([0]), np.full((1, 3), 1 / 3)), [1, 0, 0], atol=0.01)


def test_companions_in_sibling_folders_only_when_they_are_images(tmp_path):
    for folder in ("textures", "meshes"):
        (tmp_path / folder).mkdir()
    Image.new("RGB", (8, 8), (255, 0, 0)).save(tmp_path / "textures" / "red.png")
    (tmp_path / "meshes" / "a.mtl").write_text("newmtl red\nmap_Kd ../textures/red.png\n")
    text = SQUARE + "vt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\nusemtl red\nf 1/1 2/2 3/3 4/4\n"
    (tmp_path / "meshes" / "a.obj").write_text("mtllib a.mtl\n" + text)
    assert len(load_geometry(tmp_path / "meshes" / "a.obj").textures) == 1
    (tmp_path / "textures" / "b.mtl").write_text("newmtl red\nKd 1 0 0\n")
    (tmp_path / "meshes" / "b.obj").write_text("mtllib ../textures/b.mtl\n" + text)
    mesh = load_geometry(tmp_path / "meshes" / "b.obj")
    assert mesh.corner_colors is None and mesh.notes == ("b.mtl was not found, so its colours are left out",)


HEAD = "OFF\n5 2 0\n0 0 0\n1 0 0\n1 1 0\n0 1 0\n0 0 1\n"
OFF = {
    "comment": HEAD.replace("1 0 0\n", "1 0 0 # corner\n", 1) + "3 0 1 4\n4 0 1 2 3 # the floor\n",
    "colours": HEAD + "3 0 1 4 1.0 0.0 0.0 1.0\n4 0 1 2 3 1.0 0.0 0.0 1.0\n",
    "byte_colours": HEAD + "3 0 1 4 255 0 0\n4 0 1 2 3 255 0 0\n",
    "one_stream": HEAD.replace("\n", " ") + "3 0 1 4 4 0 1 2 3",
}


@pytest.mark.parametrize("name", OFF)
def test_off(tmp_path, name):
    (tmp_path / "a.off").write_text(OFF[name])
    mesh = load_geometry(tmp_path / "a.off")
    assert area(mesh) == pytest.approx(1.5)
    assert (mesh.corner_colors is not None) == ("colours" in name)
    assert mesh.corner_colors is None or np.allclose(mesh.corner_colors, [1, 0, 0])


def test_off_hollow_and_points(tmp_path):
    rows = "".join(f"{x} {y} 0\n" for x, y in HOLLOW)
    (tmp_path / "c.off").write_text(f"OFF\n8 1 0\n{rows}8 0 1 2 3 4 5 6 7\n")
    assert area(load_geometry(tmp_path / "c.off")) == pytest.approx(7)
    (tmp_path / "p.off").write_text(f"OFF\n8 0 0\n\n{rows}")
    assert load_geometry(tmp_path / "p.off").points[:, :2].tolist() == [list(map(float, row)) for row in HOLLOW]


def binary_off(keyword: str, vertices: np.ndarray, faces: list[tuple[list[int], list[float]]]) -> bytes:
    data = f"{keyword} BINARY\n".encode() + struct.pack(">3i", len(vertices), len(faces), 0)
    data += vertices.astype(">f4").tobytes()
    for corners, color in faces:
        data += struct.pack(f">{len(corners) + 2}i", len(corners), *corners, len(color))
        data += struct.pack(f">{len(color)}f", *color)
    return data


RED, CORNERS = [1.0, 0.0, 0.0, 1.0], np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]])
BINARY_OFF = {
    "mixed": binary_off("OFF", CORNERS, [([0, 1, 4], []), ([0, 1, 2, 3], [])]),
    "alike_colours": binary_off("OFF", CORNERS, [([0, 1, 4], RED), ([0, 1, 2], RED), ([0, 2, 3], RED)]),
    "mixed_colours": binary_off("OFF", CORNERS, [([0, 1, 4], RED), ([0, 1, 2, 3], RED[:3])]),
    "vertex_colours": binary_off("COFF", np.hstack([CORNERS, [RED] * 5]), [([0, 1, 4], []), ([0, 1, 2, 3], [])]),
}


@pytest.mark.parametrize("name", BINARY_OFF)
def test_binary_off(tmp_path, name):
    (tmp_path / "a.off").write_bytes(BINARY_OFF[name])
    mesh = load_geometry(tmp_path / "a.off")
    assert area(mesh) == pytest.approx(1.5)
    assert (mesh.corner_colors is not None) == ("colours" in name)
    assert mesh.corner_colors is None or np.allclose(mesh.corner_colors, [1, 0, 0])
    (tmp_path / "cut.off").write_bytes(BINARY_OFF[name][:-9])
    with pytest.raises(InputError, match="is a damaged binary .off file"):
        load_geometry(tmp_path / "cut.off")


QUAD_GLTF = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], "<f4")


def gltf(data: bytes, accessors: list[dict], primitive: dict, parts: list[dict], **more: object) -> str:
    """Describe a scene of one mesh; each accessor names the bytes (start, length) of its own view."""
    views = [{"buffer": 0, "byteOffset": a.pop("at")[0], "byteLength": a.pop("long")} for a in accessors]
    uri = "data:application/octet-stream;base64," + base64.b64encode(data).decode()
    entries = [{"bufferView": number, **a} for number, a in enumerate(accessors)]
    tree = {"asset": {"version": "2.0"}, "buffers": [{"byteLength": len(data), "uri": uri}], "bufferViews": views}
    tree |= {"accessors": entries, "meshes": [{"primitives": [primitive]}], "nodes": parts}
    return json.dumps(tree | more)


def positions(data: bytes = QUAD_GLTF.tobytes(), code: int = 5126, **more: object) -> dict:
    return {"at": (0,), "long": len(data), "componentType": code, "count": 4, "type": "VEC3", **more}


FAN = {"attributes": {"POSITION": 0}, "mode": 6}


def test_gltf_fans_and_files_without_scenes(tmp_path):
    (tmp_path / "a.gltf").write_text(gltf(QUAD_GLTF.tobytes(), [positions()], FAN, [{"mesh": 0}]))
    assert area(load_geometry(tmp_path / "a.gltf")) == pytest.approx(1)


def test_gltf_fractions_written_as_integers(tmp_path):
    data = np.round(QUAD_GLTF * 32767).astype("<i2").tobytes()
    needed = {"extensionsRequired": ["KHR_mesh_quantization"]}
    text = gltf(data, [positions(data, 5122, normalized=True)], FAN, [{"mesh": 0, "scale": [2, 3, 1]}], **needed)
    (tmp_path / "a.gltf").write_text(text)
    assert area(load_geometry(tmp_path / "a.gltf")) == pytest.approx(6, rel=1e-3)


def test_gltf_copies_and_colliders(tmp_path):
    data = QUAD_GLTF.tobytes() + np.array([[0, 0, 0], [5, 0, 0], [10, 0, 0]], "<f4").tobytes()
    moves = {"at": (48,), "long": 36, "componentType": 5126, "count": 3, "type": "VEC3"}
    many = {"mesh": 0, "extensions": {"EXT_mesh_gpu_instancing": {"attributes": {"TRANSLATION": 1}}}}
    nodes = [many, {"mesh": 0, "name": "Box_Collider", "scale": [100, 100, 100]}]
    (tmp_path / "a.gltf").write_text(gltf(data, [positions(), moves], FAN, nodes))
    mesh = load_geometry(tmp_path / "a.gltf")
    assert area(mesh) == pytest.approx(3) and mesh.vertices[:, 0].max() == 11
    assert mesh.notes == ("1 part named as colliders left out",)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"asset": {"version": "1.0"}}, "is glTF 1.0, which is not read: convert it to glTF 2.0"),
        ({"extensionsRequired": ["VENDOR_voxels"]}, "needs the glTF extension VENDOR_voxels, which is not read"),
        ({"extensionsRequired": 5}, "is damaged or no .gltf file"),
        ({"buffers": 5}, "is damaged or no .gltf file"),
        ({"buffers": [{"uri": 5}]}, "is damaged or no .gltf file"),
        ({"nodes": [{"children": [1]}, {"children": [0]}]}, "has nodes that hold themselves"),
    ],
)
def test_gltf_that_cannot_be_read(tmp_path, more, message):
    (tmp_path / "a.gltf").write_text(gltf(QUAD_GLTF.tobytes(), [positions()], FAN, [{"mesh": 0}], **more))
    with pytest.raises(InputError, match=message):
        load_geometry(tmp_path / "a.gltf")


def test_a_gltf_of_brackets_is_one_sentence(tmp_path):
    (tmp_path / "a.gltf").write_text("[" * 100_000)
    with pytest.raises(InputError, match="is damaged or no .gltf file"):
        load_geometry(tmp_path / "a.gltf")

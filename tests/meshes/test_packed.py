"""Shapes in archives, compressed, or from standard input."""

import gzip
import io
import os
import struct
import zipfile

import numpy as np
import pytest
import trimesh
from PIL import Image

from pointclip.datasets.paths import find_shapes
from pointclip.errors import InputError
from pointclip.meshes import load_geometry
from pointclip.meshes.packed import kind_of

BALL = trimesh.creation.icosphere(2)
OBJ = BALL.export(file_type="obj").encode()
SQUARE = b"mtllib a.mtl\nusemtl red\nv 0 0 0\nv 1 0 0\nv 1 1 0\nvt 0 0\nvt 1 0\nvt 1 1\nf 1/1 2/2 3/3\n"


def packed(path, **files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize(("name", "kind"), [("ball.obj.gz", "obj"), ("ball.PLY.gz", "ply"), ("ball.gz", "stl")])
def test_gz(tmp_path, name, kind):
    data = BALL.export(file_type=kind)
    (tmp_path / name).write_bytes(gzip.compress(data if isinstance(data, bytes) else data.encode()))
    assert len(load_geometry(tmp_path / name).faces) == len(BALL.faces)


def test_zip_with_its_textures(tmp_path):
    picture = io.BytesIO()
    Image.new("RGB", (8, 8), (255, 0, 0)).save(picture, "png")
    files = {"source/a.obj": SQUARE, "source/a.mtl": b"newmtl red\nmap_Kd ../textures/red.png\n"}
    files |= {"textures/red.png": picture.getvalue(), "__MACOSX/source/._a.obj": b"junk", "readme.txt": b"1 2 3\n"}
    mesh = load_geometry(packed(tmp_path / "a.zip", **files))
    assert len(mesh.textures) == 1 and (mesh.textures[0] == [255, 0, 0]).all()


def test_a_name_from_the_root_stays_inside(tmp_path):
    (tmp_path / "mine.obj").write_text("v 0 0 0\n")
    mesh = load_geometry(packed(tmp_path / "a.zip", **{str(tmp_path / "mine.obj"): OBJ}))
    assert len(mesh.faces) == len(BALL.faces) and (tmp_path / "mine.obj").read_text() == "v 0 0 0\n"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.obj": OBJ, "b/c.ply": b"ply"}, r"holds 2 shapes \(a.obj, b/c.ply\): unpack it and name the folder"),
        ({"notes.doc": b"hello"}, "holds no shape: known file types are"),
        ({"b/a.obj": b"v 0 0 0\nf 0 1 1\n"}, "a.zip/b/a.obj has a face with the corner '0'"),
        ({"../a.obj": OBJ}, "holds no shape: known file types are"),
        ({"a.obj": b"v 0 0 0\n" * 20_000_000}, "unpacks from .* to 160,000,000 bytes, as no shape does"),
    ],
)
def test_zip_that_cannot_be_read(tmp_path, files, message):
    (tmp_path / "in").mkdir()
    with pytest.raises(InputError, match=message):
        load_geometry(packed(tmp_path / "in" / "a.zip", **files))
    assert not (tmp_path / "a.obj").exists()


def test_bombs_are_not_unpacked(tmp_path):
    (tmp_path / "a.xyz.gz").write_bytes(gzip.compress(b"0 0 0\n" * 12_000_000))
    np.savez_compressed(tmp_path / "a.npz", points=np.zeros((4_000_000, 3)))
    head = "VERSION .7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nWIDTH 10000000\nHEIGHT 1\nDATA binary_compressed\n"
    (tmp_path / "a.pcd").write_bytes(head.encode() + struct.pack("<II", 1_400_000, 120_000_000) + bytes(1_400_000))
    for name in ("a.xyz.gz", "a.npz", "a.pcd"):
        with pytest.raises(InputError, match="as no shape does: export it again"):
            load_geometry(tmp_path / name)


def test_an_array_nobody_asks_for_is_not_unpacked(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", points=BALL.vertices, extra=np.zeros((4_000_000, 3)))
    assert len(load_geometry(tmp_path / "a.npz").points) == len(BALL.vertices)


def test_archives_of_a_folder_count_when_they_hold_one_shape(tmp_path):
    packed(tmp_path / "one.zip", **{"a/b.obj": OBJ, "a/b.mtl": b""})
    packed(tmp_path / "set.zip", **{"a.obj": OBJ, "b.obj": OBJ})
    packed(tmp_path / "notes.zip", **{"a.txt": b"hello"})
    (tmp_path / "broken.zip").write_bytes(b"PK")
    (tmp_path / "log.txt.gz").write_bytes(gzip.compress(b"hello"))
    (tmp_path / "a.stl.gz").write_bytes(gzip.compress(BALL.export(file_type="stl")))
    assert [item.path for item in find_shapes([tmp_path])] == [str(tmp_path / name) for name in ("a.stl.gz", "one.zip")]


@pytest.fixture
def piped(monkeypatch):
    """Put bytes into standard input."""

    def pipe(data):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))

    return pipe


@pytest.mark.parametrize("kind", ["obj", "ply", "stl", "stl_ascii", "glb", "off", "dae", "3mf"])
def test_a_mesh_from_standard_input(piped, kind):
    data = (trimesh.Scene(BALL) if kind == "3mf" else BALL).export(file_type=kind)
    piped(data if isinstance(data, bytes) else data.encode())
    assert len(load_geometry("-").faces) == len(BALL.faces)


def numpy_bytes(save, array):
    file = io.BytesIO()
    save(file, array)
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        numpy_bytes(np.save, BALL.vertices),
        numpy_bytes(np.savez, BALL.vertices),
        "\n".join("{} {} {}".format(*row) for row in BALL.vertices).encode(),
        gzip.compress("\n".join("{},{},{}".format(*row) for row in BALL.vertices).encode()),
    ],
)
def test_a_cloud_from_standard_input(piped, data):
    piped(data)
    assert np.allclose(load_geometry("-").points, BALL.vertices)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "^- is standard input, which is empty: pipe a file into it"),
        (b"hello world", "^- is standard input, which begins like no shape: save it"),
        (b"ply\nformat ascii 1.0\n", r"^- \(standard input\) "),
    ],
)
def test_standard_input_that_is_no_shape(piped, data, message):
    piped(data)
    with pytest.raises(InputError, match=message):
        load_geometry("-")


def test_the_first_bytes_tell_the_type():
    firsts = {b"OFF\n1 2": "off", b"COFF 3": "off", b"# .PCD v.7": "pcd", b"solid a\n": "stl", b'{"asset"': "gltf"}
    firsts |= {b"# Blender\no Cube\nv 1 2 3": "obj", b"x,y,z\n1,2,3\n": "xyz", b"\x1f\x8b\x08": "gz", b"%PDF": None}
    assert {data: kind_of(data) for data in firsts} == firsts
    assert kind_of(BALL.export(file_type="stl")) == "stl" and kind_of(os.urandom(200)[:3]) is None

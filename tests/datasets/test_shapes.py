"""Packs of meshes give back what was packed, and the classic benchmark's class files name its meshes."""

import io
import lzma
import pickle

import numpy as np
import pytest
from support.boxes import write_box

from pointclip.datasets.psb import ClassFile
from pointclip.datasets.shapes import ShapePack
from pointclip.errors import DatasetError

CUBE = np.array([[x, y, z] for x in (0.0, 1.0) for y in (0.0, 1.0) for z in (0.0, 1.0)])
FACES = np.array([[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1], [2, 3, 7], [2, 7, 6]])


@pytest.fixture
def pack(tmp_path):
    """Write a red cube and a green plank, as a pack."""
    scale = np.array([1.0, 4.0])
    bits = (CUBE * 65535).astype(np.uint16)
    arrays = {
        "vertices": np.concatenate([bits, bits]),
        "faces": np.concatenate([FACES, FACES]).astype(np.int32),
        "vertex_start": np.array([0, 8, 16]),
        "face_start": np.array([0, 8, 16]),
        "low": np.zeros((2, 3), np.float32),
        "high": np.stack([scale[k] * np.array([1, 1, 1 if k == 0 else 0.1]) for k in range(2)]).astype(np.float32),
        "palette": np.array([[255, 0, 0], [0, 255, 0]], np.uint8),
        "face_color": np.repeat([0, 1], 8).astype(np.int32),
        "label": np.array(["box", "board"]),
        "name": np.array(["kit/cube.glb", "kit/plank.glb"]),
    }
    held = io.BytesIO()
    np.savez(held, **arrays)
    path = tmp_path / "kit.npz.xz"
    path.write_bytes(lzma.compress(held.getvalue()))
    return path


def test_a_pack_gives_what_was_packed(pack):
    shapes = ShapePack(pack, num_points=300)
    assert (len(shapes), shapes.labels) == (2, ["board", "box"])
    assert (shapes.label(1), shapes.id(1)) == ("board", "kit/plank.glb")
    mesh = shapes.mesh(1)
    assert np.allclose(mesh.vertices, CUBE * [4, 4, 0.4])
    assert np.array_equal(mesh.faces, FACES)
    assert (mesh.corner_colors == [0.0, 1.0, 0.0]).all()
    cloud, label, name = shapes.item(0)
    assert (len(cloud), label, name, cloud.name) == (300, "box", "kit/cube.glb", "cube")
    assert np.allclose(cloud.colors, [1.0, 0.0, 0.0], atol=1e-6)
    assert cloud.points.norm(dim=1).max().item() == pytest.approx(1)


def test_a_pack_travels_to_another_process_without_its_meshes(pack):
    shapes = ShapePack(pack, num_points=50)
    shapes.mesh(0)
    sent = pickle.dumps(shapes)
    assert len(sent) < 2000
    assert (pickle.loads(sent).item(1)[0].points == shapes.item(1)[0].points).all()


def test_fingerprints_tell_shapes_and_ways_apart(pack):
    shapes = ShapePack(pack)
    told = {shapes.fingerprint(0), shapes.fingerprint(1), ShapePack(pack, seed=1).fingerprint(0)}
    shapes.drop_outliers = False
    assert len(told | {shapes.fingerprint(0)}) == 4


def test_what_is_no_pack_is_told(pack, tmp_path):
    with pytest.raises(DatasetError, match="not split, so it has no 'test'"):
        ShapePack(pack, "test")
    (tmp_path / "cut.npz.xz").write_bytes(pack.read_bytes()[:200])
    with pytest.raises(DatasetError, match=r"cut\.npz\.xz is no pack of shapes"):
        ShapePack(tmp_path / "cut.npz.xz")


CLASSES = "PSB 1\n3 3\n\nanimal 0 0\n\nflying_bird animal 2\n0\n7\n\nchair 0 1\n101\n"


@pytest.fixture
def benchmark(tmp_path):
    for place in ("0/m0/m0", "0/m7/m7", "1/m101/m101"):
        write_box(tmp_path / "db" / f"{place}.obj", (1, 2, 3))
    path = tmp_path / "classification" / "v1" / "base" / "test.cla"
    path.parent.mkdir(parents=True)
    path.write_text(CLASSES)
    return path


def test_a_class_file_names_meshes(benchmark):
    shapes = ClassFile(benchmark, num_points=40)
    assert (shapes.labels, shapes.split, len(shapes)) == (["chair", "flying bird"], "test", 3)
    assert [shapes.label(k) for k in range(3)] == ["flying bird", "flying bird", "chair"]
    assert shapes.id(2) == "db/1/m101/m101.obj"
    assert len(shapes.item(0)[0]) == 40


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("OFF\n3 3\n", "does not start with 'PSB 1'"),
        (CLASSES.replace("\n7\n", "\n"), "before all 2 models of 'flying_bird'"),
        (CLASSES.replace("3 3", "3 4"), "promises 4 models and names 3"),
        (CLASSES.replace("101", "102"), "names the model 102, and"),
        (CLASSES.replace("chair 0 1", "chair 1"), "'chair 1' where a class, its parent and a number belong"),
    ],
)
def test_class_files_that_do_not_hold_together_are_told(benchmark, text, said):
    benchmark.write_text(text)
    with pytest.raises(DatasetError, match=said):
        ClassFile(benchmark)


def test_the_split_of_a_class_file_is_in_its_name(benchmark):
    with pytest.raises(DatasetError, match="is the split 'test', not 'train'"):
        ClassFile(benchmark, "train")

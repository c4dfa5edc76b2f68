"""OBJ files of thousands of materials are read in a moment, with their colours."""

import time

import numpy as np
import pytest

from pointclip.meshes import load_geometry

COUNT = 6_000


@pytest.fixture
def parts(tmp_path):
    """Write an OBJ of many triangles, each with a material of its own, whose red grows from one to the next."""

    def write(colors, library=True):
        rows = [f"v {k} 0 0\nv {k} 1 0\nv {k} 0 1\n" for k in range(COUNT)]
        faces = [f"usemtl part {k}\nf {3 * k + 1} {3 * k + 2} {3 * k + 3}\n" for k in range(COUNT)]
        (tmp_path / "a.obj").write_text("mtllib a.mtl\n" * library + "".join(rows + faces))
        looks = [f"newmtl part {k}\nKs {k} 0 0\nKd {color:.6f} 0 0\n" for k, color in enumerate(colors)]
        (tmp_path / "a.mtl").write_text("".join(looks))
        start = time.perf_counter()
        mesh = load_geometry(tmp_path / "a.obj")
        assert time.perf_counter() - start < 20 and len(mesh.faces) == COUNT
        return mesh

    return write


def test_materials_of_one_look_are_one(parts):
    mesh = parts(np.arange(COUNT) % 7 / 7)
    place = mesh.vertices[mesh.faces[:, 0], 0]
    assert np.allclose(mesh.corner_colors[:, 0, 0], place % 7 / 7, atol=0.01) and mesh.notes == ()


def test_too_many_looks_are_rounded_with_a_note(parts):
    mesh = parts(np.arange(COUNT) / COUNT)
    place = mesh.vertices[mesh.faces[:, 0], 0]
    assert np.abs(mesh.corner_colors[:, 0, 0] - place / COUNT).max() < 0.07
    assert mesh.notes == ("colours of 6,000 materials rounded, so that those nearly alike are one",)


def test_materials_that_no_file_defines_are_none(parts):
    assert parts(np.zeros(COUNT), library=False).corner_colors is None

"""Points and lines beside the faces of a mesh are drawn with it."""

import numpy as np
import pytest

from pointclip import images
from pointclip.cameras.rigs import views
from pointclip.errors import InputError
from pointclip.meshes import load_geometry
from pointclip.meshes.loose import beads, rods
from pointclip.points import load


def scene(tmp_path, *beside):
    import trimesh

    made = trimesh.Scene([trimesh.creation.box((2, 2, 2)), *beside])
    path = tmp_path / "mixed.glb"
    path.write_bytes(made.export(file_type="glb"))
    return path


def test_loose_points_and_lines_are_drawn_with_the_faces(tmp_path):
    import trimesh

    above = trimesh.PointCloud(np.array([[0, 3.0, 0], [0.5, 3.0, 0]]), colors=[[255, 0, 0, 255]] * 2)
    mast = trimesh.load_path(np.array([[[0, 1.0, 0], [0, 3.0, 0]]]))
    mesh = load_geometry(scene(tmp_path, above, mast))
    assert len(mesh.faces) == 12 + 2 * 8 + 6
    assert mesh.vertices[:, 1].max() == pytest.approx(3.0, abs=0.05)
    red = mesh.corner_colors[np.ptp(mesh.corner_colors, axis=2).max(axis=1) > 0.5]
    assert len(red) == 16 and (red[..., 0] == 1).all(), "the points in their colour, the rest in none"
    picture = images.render_shape(load(tmp_path / "mixed.glb"), images.style("shaded"), views("ring-2"), 128)
    upper = picture[0, 0, 0, :40]
    assert (upper < 1).sum() > 10, "the mast is seen"


def test_beads_and_rods_are_closed():
    import trimesh

    made = beads(np.array([[1.0, 2, 3]]), 0.2)
    solid = trimesh.Trimesh(made.vertices, made.faces, process=False)
    assert np.ptp(made.vertices, axis=0).tolist() == pytest.approx([0.2] * 3)
    assert solid.is_watertight
    rod = rods(np.array([[[0, 0, 0], [0, 0, 2.0]], [[1, 1, 1], [1, 1, 1.0]]]), 0.1)
    assert np.isfinite(rod.vertices).all() and np.ptp(rod.vertices[:6, 2]) == 2
    assert np.linalg.norm(rod.vertices[:6, :2], axis=1) == pytest.approx([0.05] * 6)


def test_lines_alone_are_no_shape(tmp_path):
    import trimesh

    path = tmp_path / "lines.glb"
    path.write_bytes(trimesh.Scene([trimesh.load_path(np.array([[[0, 0, 0], [1.0, 0, 0]]]))]).export(file_type="glb"))
    with pytest.raises(InputError, match="no faces"):
        load_geometry(path)

"""Clouds from and to other libraries; stand-ins follow the documented attributes where a library is missing."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import trimesh

from pointclip import PointCloud
from pointclip.errors import InputError, MissingDependency

SQUARE = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
FACES = torch.tensor([[0, 1, 2], [0, 2, 3]])


def test_from_numpy():
    cloud = PointCloud.from_numpy([[0, 0, 0], [1, 2, 3]], normals=[[0, 0, 5], [0, 2, 0]], name="a")
    assert cloud.points.tolist() == [[0, 0, 0], [1, 2, 3]] and cloud.normals.tolist() == [[0, 0, 1], [0, 1, 0]]
    assert PointCloud.from_numpy(np.zeros((2, 3)), colors=np.full((2, 3), 51, np.uint8)).colors[0, 0] == pytest.approx(
        0.2
    )
    assert PointCloud.from_numpy(SQUARE).points.tolist() == SQUARE.tolist()
    with pytest.raises(InputError, match=r"shape \(N, 3\), got float64 of shape \(2, 2\)"):
        PointCloud.from_numpy(np.zeros((2, 2)))
    with pytest.raises(InputError, match="colors must be numbers"):
        PointCloud.from_numpy(np.zeros((2, 3)), colors=np.full((2, 3), -1.0))


@pytest.mark.parametrize("up", ["y", "z", "x", "-y", "-z", "-x"])
def test_from_numpy_turns_points_and_normals_alike(up):
    rows = np.random.default_rng(0).normal(size=(9, 3))
    known = PointCloud.from_numpy(rows, rows).turned(up)
    found = PointCloud.from_numpy(rows, rows, up=up)
    assert torch.equal(found.points, known.points) and torch.equal(found.normals, known.normals)
    with pytest.raises(InputError, match="'up'|up"):
        PointCloud.from_numpy(rows, up="w")


def test_from_numpy_takes_rows_of_six():
    random = np.random.default_rng(0)
    points, colors = random.normal(size=(50, 3)), random.integers(0, 256, (50, 3))
    normals = points / np.linalg.norm(points, axis=1, keepdims=True)
    for more, name in ((colors, "colors"), (normals, "normals")):
        found = PointCloud.from_numpy(np.hstack([points, more]))
        alone = PointCloud.from_numpy(points, **{name: more})
        assert torch.equal(found.points, alone.points)
        assert torch.allclose(getattr(found, name), getattr(alone, name), atol=1e-6)
    nine = PointCloud.from_numpy(np.hstack([points, normals, colors]))
    assert nine.normals is not None and nine.colors is not None and nine.notes == ()
    assert "columns 4, 5, 6" in PointCloud.from_numpy(np.hstack([points, 9 * points])).notes[0]
    with pytest.raises(InputError, match=r"\(N, 3\)"):
        PointCloud.from_numpy(np.hstack([points, colors]), normals=normals)


def test_from_numpy_leaves_out_rows_that_are_not_finite():
    rows = np.random.default_rng(0).normal(size=(6, 3))
    normals, colors = rows.copy(), np.abs(rows) / 9
    rows[1], normals[3, 0], colors[4, 2] = np.nan, np.inf, np.nan
    cloud = PointCloud.from_numpy(rows, normals, colors)
    assert np.allclose(cloud.points.numpy(), rows[[0, 2, 5]])
    assert len(cloud.normals) == len(cloud.colors) == 3
    assert cloud.notes == ("3 rows with NaN or infinite values left out",)
    six = PointCloud.from_numpy(np.hstack([rows, np.zeros((6, 3), int)]))
    assert len(six) == 5
    with pytest.raises(InputError, match="at least one row of finite numbers"):
        PointCloud.from_numpy(np.full((3, 3), np.nan))


def test_from_numpy_copies():
    array = np.zeros((2, 3), np.float32)
    cloud = PointCloud.from_numpy(array)
    array[:] = 7
    assert cloud.points.eq(0).all()


def test_from_trimesh():
    box = trimesh.creation.box()
    box.visual.face_colors = [255, 0, 0, 255]
    cloud = PointCloud.from_trimesh(box, num_points=300, name="box")
    assert len(cloud) == 300 and cloud.name == "box" and cloud.colors.mean(dim=0).tolist() == [1, 0, 0]
    assert cloud.points.abs().amax(dim=1).allclose(torch.tensor(0.5))
    scene = trimesh.Scene([box, box.copy().apply_translation([9, 0, 0])])
    assert PointCloud.from_trimesh(scene, num_points=300).points[:, 0].max() > 9
    points = trimesh.PointCloud(SQUARE.numpy(), colors=np.full((4, 4), 255, np.uint8))
    cloud = PointCloud.from_trimesh(points)
    assert cloud.points.tolist() == SQUARE.tolist() and cloud.colors.eq(1).all()
    with pytest.raises(InputError, match="expected a trimesh"):
        PointCloud.from_trimesh("chair.obj")


def open3d_like(**fields: object) -> SimpleNamespace:
    return SimpleNamespace(**fields)


def test_from_open3d_stand_ins():
    cloud = open3d_like(points=SQUARE.numpy(), normals=np.zeros((0, 3)), colors=np.ones((4, 3)))
    found = PointCloud.from_open3d(cloud)
    assert found.points.tolist() == SQUARE.tolist() and found.normals is None and found.colors.eq(1).all()
    assert len(PointCloud.from_open3d(SimpleNamespace(to_legacy=lambda: cloud))) == 4
    mesh = open3d_like(vertices=SQUARE.numpy(), triangles=FACES.numpy(), vertex_colors=np.zeros((0, 3)))
    found = PointCloud.from_open3d(mesh, num_points=50)
    assert len(found) == 50 and found.normals.eq(torch.tensor([0.0, 0, 1])).all() and found.colors is None
    with pytest.raises(InputError, match="expected an Open3D"):
        PointCloud.from_open3d(3)


def test_open3d_there_and_back_or_a_clear_word():
    cloud = PointCloud(SQUARE, torch.tensor([[0.0, 0, 1]]).repeat(4, 1), torch.rand(4, 3))
    try:
        import open3d  # noqa: F401
    except ImportError:
        with pytest.raises(MissingDependency, match=r"pip install 'pointclip\[viz\]'|does not import|needs"):
            cloud.to_open3d()
        return
    back = PointCloud.from_open3d(cloud.to_open3d())
    for name in ("points", "normals", "colors"):
        assert torch.allclose(getattr(back, name), getattr(cloud, name))


def test_from_pytorch3d_stand_ins():
    """The attributes are those that pytorch3d.structures documents; features may have any number of channels."""
    clouds = SimpleNamespace(
        points_list=lambda: [SQUARE, SQUARE[:2]], normals_list=lambda: None, features_list=lambda: [SQUARE, SQUARE[:2]]
    )
    found = PointCloud.from_pytorch3d(clouds)
    assert [len(cloud) for cloud in found] == [4, 2] and found[0].colors.tolist() == SQUARE.tolist()
    textures = SimpleNamespace(verts_features_list=lambda: [torch.ones(4, 3), torch.ones(4, 3)])
    meshes = SimpleNamespace(
        verts_list=lambda: [SQUARE, 2 * SQUARE], faces_list=lambda: [FACES, FACES], textures=textures
    )
    found = PointCloud.from_pytorch3d(meshes, num_points=64)
    assert [len(cloud) for cloud in found] == [64, 64] and found[1].points.max() > 1.5 and found[0].colors.min() > 0.999
    meshes.textures = None
    assert PointCloud.from_pytorch3d(meshes)[0].colors is None
    with pytest.raises(InputError, match="expected PyTorch3D"):
        PointCloud.from_pytorch3d([SQUARE])


def test_normalized_and_subset():
    cloud = PointCloud(torch.rand(100, 3) * 5, colors=torch.rand(100, 3), name="a")
    few = cloud.normalized().subset(10)
    assert len(few) == 10 and few.name == "a" and few.colors.shape == (10, 3)
    assert cloud.subset(200) is cloud


def test_meshes_of_other_libraries_are_checked_as_files_are():
    class Other:
        vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [np.nan, 0, 0]])
        vertex_colors = np.eye(4)[:, :3]
        triangles = np.array([[0, 1, 2]])

    assert len(PointCloud.from_open3d(Other()).mesh.vertices) == 3, "a broken vertex that no face uses"
    Other.triangles = np.array([[0, 1, 9]])
    with pytest.raises(InputError, match="vertices it does not hold"):
        PointCloud.from_open3d(Other())


def test_replace_of_a_mesh_cloud_takes_what_makes_one():
    import trimesh

    box = PointCloud.from_trimesh(trimesh.creation.box(), num_points=50, name="a")
    other = replace(box, name="b")
    assert (other.name, other.mesh is box.mesh, len(other)) == ("b", True, 50)

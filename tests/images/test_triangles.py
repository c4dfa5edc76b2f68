"""Meshes drawn by their triangles: what is seen, in what tone, at whose cost."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pointclip import images
from pointclip.cameras.rigs import Views, views
from pointclip.errors import InputError
from pointclip.images.triangles import render_mesh
from pointclip.meshes import Mesh
from pointclip.points import MeshCloud, PointCloud

SIZE = 32
RED, GREEN, BLUE, WHITE = np.eye(3)[0], np.eye(3)[1], np.eye(3)[2], np.ones(3)


def front(parallel: bool = True) -> Views:
    """One camera at z = 2 that looks along -z: x to the right, y up."""
    rotation = torch.tensor([[[1.0, 0, 0], [0, -1, 0], [0, 0, -1]]])
    return Views(rotation, torch.tensor([[0.0, 0, 2]]), torch.ones(1), perspective=not parallel, names=("front",))


def square(z: float = 0.0, side: float = 1.0, color=None, **others) -> Mesh:
    """A square of two triangles before the camera, from -side to side."""
    corners = side * np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], dtype=float)
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    colors = None if color is None else np.broadcast_to(np.float32(color), (2, 3, 3))
    return Mesh(corners + np.array([0, 0, z]), faces, colors, **others)


def joined(*meshes: Mesh) -> Mesh:
    starts = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes])
    parts = {name: [getattr(mesh, name) for mesh in meshes] for name in ("corner_colors", "face_opacity")}
    known = {name: np.concatenate(part) for name, part in parts.items() if part[0] is not None}
    faces = np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts, strict=False)])
    return Mesh(np.concatenate([mesh.vertices for mesh in meshes]), faces, **known)


def drawn(mesh: Mesh, name: str = "color", size: int = SIZE, **settings) -> torch.Tensor:
    """(3, S, S), the square of side 1 filling the picture."""
    settings = {"fit": False, "ambient": 1.0} | settings
    return render_mesh(mesh, front(), images.style(name, **settings), size)[0, 0]


def middle(picture: torch.Tensor) -> list[float]:
    return [round(float(x), 3) for x in picture[:, SIZE // 2, SIZE // 2]]


def test_the_nearer_square_hides_the_other():
    both = joined(square(0.0, 1.0, RED), square(0.5, 0.5, BLUE))
    picture = drawn(both)
    assert middle(picture) == BLUE.tolist() and picture[:, 2, 2].tolist() == RED.tolist()
    assert torch.equal(picture, drawn(joined(square(0.5, 0.5, BLUE), square(0.0, 1.0, RED)))), "whatever the order"


def test_glass_tints_what_lies_behind_it():
    clear, half, solid = (np.full(2, opacity, dtype=np.float32) for opacity in (0.25, 0.5, 1.0))
    wall = square(0.0, 1.0, RED, face_opacity=solid)
    pane = square(0.5, 0.5, BLUE, face_opacity=clear)
    assert middle(drawn(joined(wall, pane))) == [0.75, 0.0, 0.25]
    assert middle(drawn(pane)) == [0.75, 0.75, 1.0], "and the white of the background"
    assert middle(drawn(joined(wall, square(-0.5, 0.5, BLUE, face_opacity=clear)))) == RED.tolist(), "hidden glass"
    assert middle(drawn(joined(wall, replace(pane, face_opacity=half)))) == BLUE.tolist(), "half is no glass"
    depth = images.style("depth", fit=False)
    there = render_mesh(joined(wall, pane), front(), depth, SIZE)[0, 0, 0, SIZE // 2, SIZE // 2]
    assert there == pytest.approx(depth.near), "to other styles glass is a surface"


def test_a_texture_is_read_between_its_pixels_and_repeats():
    image = np.zeros((2, 2, 3), dtype=np.uint8)
    image[0, 1] = image[1, 0] = 255  # white at the upper right and the lower left
    uv = np.array([[[0, 0], [1, 0], [1, 1]], [[0, 0], [1, 1], [0, 1]]], dtype=np.float32)
    known = {"corner_uv": uv, "face_texture": np.zeros(2, dtype=np.int32), "textures": (image,)}
    board = square(0.0, 1.0, WHITE, **known)
    picture = drawn(board)[0]
    quarter = SIZE // 4
    assert picture[quarter, quarter] < 0.1 < 0.9 < picture[quarter, -quarter]
    assert picture[-quarter, quarter] > 0.9 > 0.1 > picture[-quarter, -quarter]
    assert picture[SIZE // 2, SIZE // 2] == pytest.approx(0.5, abs=0.05), "between black and white"
    twice = drawn(replace(board, corner_uv=2 * uv))[0]
    torch.testing.assert_close(twice[: SIZE // 2, : SIZE // 2], twice[SIZE // 2 :, SIZE // 2 :], atol=1e-4, rtol=0)
    tinted = drawn(replace(board, corner_colors=np.broadcast_to(np.float32(GREEN), (2, 3, 3))))
    assert tinted[0].max() == 0 and torch.allclose(tinted[1], picture, atol=1e-6), "colour times texture"


def test_transparent_parts_of_a_texture_are_holes():
    image = np.zeros((2, 1, 4), dtype=np.uint8)
    image[..., 2], image[1, 0, 3] = 255, 255  # blue; the upper half is transparent
    uv = np.array([[[0, 0], [1, 0], [1, 1]], [[0, 0], [1, 1], [0, 1]]], dtype=np.float32)
    known = {"corner_uv": uv, "face_texture": np.zeros(2, dtype=np.int32), "textures": (image,)}
    card = square(0.5, 1.0, WHITE, **known)
    picture = drawn(card)
    assert picture[:, SIZE // 4, 5].tolist() == WHITE.tolist(), "the background is seen"
    assert picture[:, -SIZE // 4, 5].tolist() == BLUE.tolist()
    grey = drawn(card, "shaded", ambient=0.2)
    assert (grey[:, SIZE // 4, 5] == 1).all() and (grey[:, -SIZE // 4, 5] == 1).all(), "lit from the front: white"
    assert drawn(card, "shaded", ambient=0.2, light=(1.0, 0.0, 0.0))[0, -SIZE // 4, 5] == pytest.approx(0.2)


@pytest.mark.parametrize("turned", [False, True])
def test_both_sides_of_a_face_are_lit(turned):
    plate = square().flipped() if turned else square()
    tilted = replace(plate, vertices=plate.vertices @ turn_about_y(60.0).T)
    picture = drawn(tilted, "shaded", ambient=0.2)
    assert picture[0, SIZE // 2, SIZE // 2] == pytest.approx(0.2 + 0.8 * 0.5, abs=1e-5), "cos 60"


def turn_about_y(degrees: float) -> np.ndarray:
    angle = np.radians(degrees)
    return np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])


def test_a_ball_is_smooth_and_a_box_is_not():
    import trimesh

    ball = trimesh.creation.icosphere(2)
    normals = Mesh(ball.vertices, ball.faces).corner_normals
    true = ball.vertices[ball.faces]
    assert (normals * true).sum(-1).min() > np.cos(np.radians(3.0)), "as on a true ball"
    apart = Mesh(true.reshape(-1, 3), np.arange(3 * len(ball.faces)).reshape(-1, 3))
    np.testing.assert_allclose(apart.corner_normals, normals, atol=1e-5, err_msg="vertices repeated for each face")
    box = trimesh.creation.box()
    mesh = Mesh(np.asarray(box.vertices), np.asarray(box.faces))
    np.testing.assert_allclose(mesh.corner_normals, np.repeat(mesh.unit_normals[0][:, None], 3, 1), atol=1e-6)


def test_the_tip_of_a_wide_fan_is_drawn_alike_whatever_the_order_of_its_faces():
    import trimesh

    cone = trimesh.creation.cone(1, 2, sections=200)
    mesh = Mesh(np.asarray(cone.vertices), np.asarray(cone.faces))
    shuffled = mesh.with_faces(np.random.default_rng(0).permutation(len(mesh.faces)))
    pictures = [render_mesh(one, views("ring-2"), images.style("shaded"), 64) for one in (mesh, shuffled)]
    torch.testing.assert_close(*pictures, atol=1e-4, rtol=0)
    off = (mesh.corner_normals * mesh.unit_normals[0][:, None]).sum(-1)
    assert off.min() > np.cos(np.radians(3.0)), "no corner leans from its face by more than its neighbours do"


def test_corner_normals_without_numba(monkeypatch):
    import sys

    import trimesh

    for mesh in (trimesh.creation.icosphere(2), trimesh.creation.cone(1, 2, sections=200), trimesh.creation.box()):
        shape = Mesh(np.asarray(mesh.vertices), np.asarray(mesh.faces))
        compiled = replace(shape).corner_normals
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, "pointclip.meshes.creases_compiled", None)
            np.testing.assert_allclose(replace(shape).corner_normals, compiled, atol=1e-6)


@pytest.mark.parametrize("name", ["shaded", "color"])
def test_compiled_pictures_are_those_of_torch(name, monkeypatch):
    pytest.importorskip("numba")
    rng = np.random.default_rng(0)
    vertices, faces = rng.normal(size=(60, 3)), rng.integers(0, 60, (80, 3))
    image = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    known = {"corner_uv": rng.normal(size=(80, 3, 2)).astype(np.float32), "textures": (image, image[:3, :2])}
    which = rng.integers(-1, 2, 80).astype(np.int32)
    mesh = Mesh(vertices, faces, rng.random((80, 3, 3), dtype=np.float32), face_texture=which, **known)
    style = images.style(name, light=(0.3, -0.2, -1.0))
    fast = render_mesh(mesh, views("ring-2"), style, 48)
    monkeypatch.setattr("pointclip.ops.why_not", lambda *_: "told not to")
    slow = render_mesh(mesh, views("ring-2"), style, 48)
    assert fast.std() > 0.05
    torch.testing.assert_close(fast, slow, atol=2e-6, rtol=0)


def test_colour_without_colours_is_a_sentence():
    with pytest.raises(InputError, match="needs colours"):
        drawn(square(), "color")


def test_a_shape_is_drawn_by_its_triangles_or_by_samples():
    import trimesh

    ball = trimesh.creation.icosphere(3)
    shape = MeshCloud(Mesh(np.asarray(ball.vertices) * 9 + 4, np.asarray(ball.faces)), num_points=4000)
    rig, shaded = views("ring-2"), images.style("shaded")
    by_triangles = images.render_shape(shape, shaded, rig, 48)
    by_points = images.render_shape(shape, shaded, rig, 48, surface="points")
    placed = shape.normalized().mesh
    assert torch.equal(by_triangles, render_mesh(placed, rig, shaded, 48)), "the unit sphere is that of the vertices"
    bare = PointCloud(shape.points, shape.normals)
    assert torch.equal(by_points, images.render_shape(bare, shaded, rig, 48))
    assert (by_triangles - by_points).abs().max() > 0.01, "else this shows nothing"
    soft = images.style("soft")
    assert torch.equal(images.render_shape(shape, soft, rig, 48), images.render_shape(bare, soft, rig, 48))
    with pytest.raises(InputError, match="made of points"):
        images.render_shape(shape, soft, rig, 48, surface="triangles")
    assert images.fitting_style(shape) == shaded
    with pytest.raises(InputError, match="did you mean 'points'"):
        images.check_surface("point")


def test_auto_draws_materials_in_colour():
    assert images.fitting_style(MeshCloud(square(color=RED))) == images.style("color")
    assert images.fitting_style(MeshCloud(square(color=RED)), "points") == images.style("shaded")
    assert images.fitting_style(PointCloud(torch.rand(9, 3))) == images.style("depth")


@pytest.mark.parametrize("name", images.style_names()[1:])
def test_bad_meshes_make_pictures(name):
    """A face seen edge-on, one far beyond the frame, one behind the camera, slivers: a picture, never a crash."""
    corners = np.array(
        [[0, 0, 0], [1, 0, 0], [0, 0, 1], [0, 1e-9, 0], [1e9, 0, 0], [0, 0, 9], [0.5, 0.5, 0.5]], dtype=float
    )
    faces = np.array([[0, 1, 2], [0, 1, 3], [0, 4, 6], [0, 5, 6], [1, 1, 1], [0, 1, 6]])
    mesh = Mesh(corners, faces, np.full((6, 3, 3), 0.5, dtype=np.float32))
    picture = images.render_shape(MeshCloud(mesh, 500), images.style(name), views("ring-6"), SIZE)
    assert picture.shape == (1, 6, 3, SIZE, SIZE) and picture.isfinite().all()


def test_a_million_triangles_are_drawn_in_little_memory():
    side = 710
    x, y = np.meshgrid(np.linspace(-1, 1, side), np.linspace(-1, 1, side))
    vertices = np.stack([x, y, np.sin(5 * x) * np.cos(5 * y) / 5], axis=-1).reshape(-1, 3)
    corner = (np.arange(side - 1)[:, None] * side + np.arange(side - 1)).reshape(-1, 1)
    faces = np.concatenate([corner + np.array([0, 1, side + 1]), corner + np.array([0, side + 1, side])])
    assert len(faces) > 1_000_000
    picture = render_mesh(Mesh(vertices, faces), views("ring-2"), images.style("shaded"), 64)
    assert 0 < picture.min() < 0.9 and picture.max() == 1


def test_long_faces_are_split_and_nothing_else():
    rod = Mesh(
        np.array([[0, 0, 0], [10.0, 0, 0], [10, 0.01, 0]]), np.array([[0, 1, 2]]), np.eye(3, dtype=np.float32)[None]
    )
    parts = rod.split(1.0)
    edges = np.linalg.norm(np.diff(parts.vertices[parts.faces][:, [0, 1, 2, 0]], axis=1), axis=2)
    assert edges.max() <= 1.0 and len(parts.faces) < 100, "256 where all edges are halved"
    area = parts.unit_normals[1].sum() * parts.size**2
    assert area == pytest.approx(0.05) and np.allclose(parts.corner_colors.sum(2), 1)
    assert len(square(side=1000).split(0.1).faces) <= 200_000, "the cutting ends somewhere"


def test_realistic_leaves_broken_points_out():
    points = torch.rand(1, 50, 3)
    broken = torch.cat([torch.full((1, 3, 3), torch.nan), points], dim=1)
    style = images.style("realistic")
    whole, left = (images.render_points(p, style, views("realistic-10"), 32) for p in (points, broken))
    assert torch.equal(whole, left)

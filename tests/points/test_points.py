"""Point clouds: what they refuse, how they are sampled, thinned, placed and loaded."""

import math
import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

import pointclip as pc
from pointclip.errors import InputError
from pointclip.meshes import Mesh
from pointclip.points import (
    augment,
    estimate_normals,
    normalize_unit_sphere,
    sample_surface,
    turn_up,
)


def plates(*areas: float) -> Mesh:
    """One right triangle of each area, at heights 0, 1, 2, ..."""
    vertices, faces = [], []
    for height, area in enumerate(areas):
        side = math.sqrt(2 * area)
        faces.append([len(vertices) + k for k in range(3)])
        vertices += [[0, 0, height], [side, 0, height], [0, side, height]]
    return Mesh(np.array(vertices, dtype=float), np.array(faces))


def test_a_batch_of_one_holds_what_is_known_of_the_points():
    points = torch.rand(5, 3)
    facing = torch.nn.functional.normalize(torch.rand(5, 3), dim=1)
    for normals, colors in ((None, None), (facing, None), (None, points), (facing, points)):
        batch = pc.PointCloud(points, normals, colors).batched()
        for found, given in zip(batch, (points, normals, colors), strict=True):
            assert found is None if given is None else found.shape == (1, 5, 3) and torch.equal(found[0], given)


def test_density_follows_area():
    drawn = sample_surface(plates(1.0, 3.0, 0.0, 6.0), 10_000, seed=3)
    counts = [int((np.rint(drawn.points[:, 2]) == height).sum()) for height in range(4)]
    assert counts[2] == 0, "a face without area gets no point"
    assert counts == pytest.approx([1000, 3000, 0, 6000], abs=2)


def test_density_is_even_inside_a_face():
    drawn = sample_surface(plates(2.0), 40_000).points[:, :2]
    assert (drawn >= 0).all() and (drawn.sum(axis=1) <= 2 + 1e-9).all()
    inside = [(drawn[:, 0] < 1) & (drawn[:, 1] < 1), drawn[:, 0] > 1, drawn[:, 1] > 1]
    assert [share.mean() for share in inside] == pytest.approx([0.5, 0.25, 0.25], abs=0.01)


def test_samples_lie_on_the_surface_with_its_normals():
    box = trimesh.creation.box(extents=(1, 2, 3))
    drawn = sample_surface(Mesh(np.array(box.vertices), np.array(box.faces)), 5000)
    on_face = np.isclose(np.abs(drawn.points), [0.5, 1.0, 1.5], atol=1e-9)
    assert on_face.any(axis=1).all()
    axis = np.abs(drawn.normals).argmax(axis=1)
    rows = np.arange(5000)
    assert on_face[rows, axis].all()
    assert (drawn.normals[rows, axis] == np.sign(drawn.points[rows, axis])).all(), "outwards, of unit length"


def test_the_first_points_are_a_sample_too():
    drawn = sample_surface(plates(1.0, 1.0), 10_000)
    assert np.rint(drawn.points[:1000, 2]).mean() == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("size", [1e-160, 1e-30, 1.0, 1e30, 1e160])
def test_sampling_knows_no_units(size):
    mesh = plates(1.0, 3.0)
    drawn = sample_surface(Mesh(mesh.vertices * size, mesh.faces), 400)
    assert np.isfinite(drawn.points).all()
    assert (drawn.points[:, 2] > 0.5 * size).sum() == pytest.approx(300, abs=2)
    assert np.allclose(drawn.normals, [0, 0, 1])


def test_sampling_is_by_seed_and_leaves_global_generators_alone():
    np.random.seed(0)  # noqa: NPY002
    torch.manual_seed(0)
    random.seed(0)
    before = np.random.get_state()[1].copy(), torch.get_rng_state(), random.getstate()  # noqa: NPY002
    first, again, other = (sample_surface(plates(1.0, 2.0), 100, seed=seed).points for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    after = np.random.get_state()[1], torch.get_rng_state(), random.getstate()  # noqa: NPY002
    assert np.array_equal(before[0], after[0]) and torch.equal(before[1], after[1]) and before[2] == after[2]


def test_sampling_changes_nothing_passed_in():
    mesh = plates(1.0, 2.0)
    vertices, faces = mesh.vertices.copy(), mesh.faces.copy()
    sample_surface(mesh, 100)
    assert np.array_equal(mesh.vertices, vertices) and np.array_equal(mesh.faces, faces)


def test_twenty_thousand_samples_are_quick():
    ball = trimesh.creation.icosphere(5)
    mesh = Mesh(np.array(ball.vertices), np.array(ball.faces))
    best = math.inf
    for _ in range(10):
        start = time.perf_counter()
        sample_surface(mesh, 20_000)
        best = min(best, time.perf_counter() - start)
    assert best < 0.05, "10 ms on an idle machine, with room for a busy one"


def test_unit_sphere():
    generator = torch.Generator().manual_seed(0)
    clouds = torch.rand(5, 300, 3, generator=generator, dtype=torch.float64) * torch.tensor([1.0, 5.0, 0.1]) + 7
    placed = normalize_unit_sphere(clouds)
    assert torch.allclose(placed.norm(dim=-1).amax(dim=-1), torch.ones(5, dtype=torch.float64))
    assert torch.allclose(placed.amax(dim=1), -placed.amin(dim=1)), "the bounding box is centred"
    assert torch.allclose(normalize_unit_sphere(placed), placed), "twice changes nothing more"
    assert torch.allclose(normalize_unit_sphere(clouds * 100 - 5), placed), "units and place do not matter"
    assert torch.equal(normalize_unit_sphere(clouds[2]), placed[2]), "clouds do not see each other"
    for size in (1e-25, 1e25):
        assert torch.allclose(normalize_unit_sphere(clouds.float() * size), placed.float(), atol=1e-5)
    assert torch.autograd.gradcheck(normalize_unit_sphere, clouds[:2, :7].clone().requires_grad_())


def test_unit_sphere_of_one_place_is_zero_not_nan():
    assert normalize_unit_sphere(torch.full((4, 3), 7.0)).eq(0).all()
    with pytest.raises(InputError, match=r"\(N, 3\) or \(B, N, 3\)"):
        normalize_unit_sphere(torch.zeros(4, 2))
    with pytest.raises(InputError, match="floating-point"):
        normalize_unit_sphere(torch.zeros(4, 3, dtype=torch.int64))


@pytest.mark.parametrize("up", ["x", "y", "z", "-x", "-y", "-z"])
def test_up_is_a_rotation_that_lifts_its_axis(up):
    turned = turn_up(torch.eye(3, dtype=torch.float64), up)
    assert torch.linalg.det(turned) == pytest.approx(1.0), "never a mirror"
    sign, axis = (-1.0 if up.startswith("-") else 1.0), "xyz".index(up[-1])
    assert (sign * turned[axis]).tolist() == [0.0, 1.0, 0.0]


def test_up_z_is_the_usual_one_and_unknown_axes_are_refused():
    assert turn_up(torch.tensor([[1.0, 2.0, 3.0]]), "z").tolist() == [[1.0, 3.0, -2.0]]
    with pytest.raises(InputError, match="up='w' is no axis"):
        turn_up(torch.zeros(1, 3), "w")


def test_normals_of_a_ball_point_outwards():
    points = torch.nn.functional.normalize(torch.randn(3000, 3, generator=torch.Generator().manual_seed(0)), dim=1)
    normals = estimate_normals(points * 2 + 5)
    assert (normals * points).sum(dim=1).min() > 0.97
    assert torch.allclose(normals.norm(dim=1), torch.ones(3000), atol=1e-5)
    batched = estimate_normals(torch.stack([points, 3 * points]))
    assert torch.allclose(batched[0], batched[1], atol=1e-4)
    assert estimate_normals(points[:5]).shape == (5, 3)
    with pytest.raises(InputError, match="a plane needs 3 points"):
        estimate_normals(points[:2])


def test_augment_is_by_generator_and_per_cloud():
    points = torch.rand(4, 50, 3)
    kept = points.clone()
    first = augment(points, torch.Generator().manual_seed(1), yaw=3.14, jitter=0.01)
    again = augment(points, torch.Generator().manual_seed(1), yaw=3.14, jitter=0.01)
    assert torch.equal(first, again) and torch.equal(points, kept)
    same = augment(points[:1].expand(4, -1, -1), torch.Generator().manual_seed(1))
    assert not torch.allclose(same[0], same[1])


def test_augment_without_ranges_is_the_identity_and_each_range_does_its_own():
    points = torch.rand(64, 50, 3, generator=torch.Generator().manual_seed(0))
    still = {"yaw": 0.0, "scale": (1.0, 1.0), "jitter": 0.0, "shift": 0.0}
    assert torch.equal(augment(points, torch.Generator().manual_seed(0), **still), points)
    turned = augment(points, torch.Generator().manual_seed(0), **still | {"yaw": math.pi})
    assert torch.allclose(turned.norm(dim=-1), points.norm(dim=-1), atol=1e-5)
    assert torch.equal(turned[..., 1], points[..., 1])
    moved = augment(points, torch.Generator().manual_seed(0), **still | {"shift": 0.2}) - points
    assert moved.abs().max() <= 0.2 + 1e-6 and moved.std(dim=1).max() < 1e-6 and moved[:, 0].abs().amax() > 0.15
    scaled = augment(points, torch.Generator().manual_seed(0), **still | {"scale": (2 / 3, 3 / 2)}) / points
    assert scaled.std(dim=1).max() < 1e-4 and (scaled[:, 0].amax(dim=1) - scaled[:, 0].amin(dim=1)).max() > 0.3, (
        "per axis"
    )
    assert 2 / 3 - 1e-5 <= scaled.min() < 0.72 and 1.4 < scaled.max() <= 1.5 + 1e-5
    noisy = augment(points, torch.Generator().manual_seed(0), **still | {"jitter": 0.01}) - points
    assert noisy.std() == pytest.approx(0.01, rel=0.1) and noisy.abs().max() <= 0.03 + 1e-6
    with pytest.raises(InputError, match="augment needs"):
        augment(points, torch.Generator(), scale=(0.0, 1.0))


def test_augment_keeps_normals_square_to_the_surface():
    a, b = torch.rand(2, 3), torch.rand(2, 3)
    normal = torch.nn.functional.normalize(torch.linalg.cross(a[1] - a[0], b[1] - a[0]), dim=0)
    triangle = torch.stack([a[0], a[1], b[1]])
    moved, normals = augment(triangle, torch.Generator().manual_seed(0), yaw=3.0, normals=normal.expand(3, 3))
    edges = torch.stack([moved[1] - moved[0], moved[2] - moved[0]])
    assert (edges @ normals[0]).abs().max() < 1e-5
    assert normals.norm(dim=1).tolist() == pytest.approx([1, 1, 1])


def obj_box(folder: Path) -> Path:
    trimesh.creation.box(extents=(2, 4, 8)).export(folder / "box.obj")
    return folder / "box.obj"


def test_load_places_the_shape(tmp_path):
    cloud = pc.load(obj_box(tmp_path), num_points=5000)
    assert len(cloud) == 5000 and cloud.name == "box" and cloud.colors is None
    assert cloud.points.dtype == cloud.normals.dtype == torch.float32
    assert cloud.points.norm(dim=1).max().item() == pytest.approx(1.0, abs=1e-5)
    extent = cloud.points.amax(dim=0) - cloud.points.amin(dim=0)
    assert (extent / extent[0]).tolist() == pytest.approx([1, 2, 4], rel=0.01)
    upright = pc.load(obj_box(tmp_path), num_points=5000, up="z", normalize=False)
    extent = upright.points.amax(dim=0) - upright.points.amin(dim=0)
    assert extent.tolist() == pytest.approx([2, 8, 4], rel=0.01)
    face = upright.points[:, 1] > 4 - 1e-4
    assert (upright.normals[face][:, 1] > 0.99).float().mean() > 0.98, "normals turn along"


def test_load_is_by_seed_also_in_threads(tmp_path):
    path = obj_box(tmp_path)
    expected = [pc.load(path, num_points=500, seed=seed).points for seed in range(8)]
    assert not torch.equal(expected[0], expected[1])
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda seed: pc.load(path, num_points=500, seed=seed).points, range(8)))
    assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))


def test_load_keeps_or_thins_a_cloud(tmp_path):
    points = np.random.default_rng(0).normal(size=(500, 3))
    colors = np.linspace(0, 1, 1500).reshape(500, 3)
    np.savez(tmp_path / "a.npz", points=points, colors=colors)
    kept = pc.load(tmp_path / "a.npz", num_points=None, normalize=False)
    assert np.allclose(kept.points, points) and np.allclose(kept.colors, colors, atol=1e-6) and kept.normals is None
    assert len(pc.load(tmp_path / "a.npz", num_points=800)) == 500
    thin = pc.load(tmp_path / "a.npz", num_points=100, normalize=False)
    rows = [int(np.abs(points - p.numpy()).sum(axis=1).argmin()) for p in thin.points]
    assert len(set(rows)) == 100
    assert np.allclose(thin.points, points[rows], atol=1e-6) and np.allclose(thin.colors, colors[rows], atol=1e-6)


def test_load_keeps_the_detail_of_map_coordinates(tmp_path):
    unit = np.random.default_rng(0).normal(size=(200, 3))
    np.save(tmp_path / "a.npy", unit)
    np.save(tmp_path / "b.npy", unit * 0.01 + [500_000, 4_000_000, 100])
    near, far = (pc.load(tmp_path / name).points for name in ("a.npy", "b.npy"))
    assert torch.allclose(near, far, atol=1e-5)
    np.save(tmp_path / "c.npy", unit * 1e200)
    assert torch.allclose(pc.load(tmp_path / "c.npy").points, near, atol=1e-5)
    with pytest.raises(InputError, match="too large for float32"):
        pc.load(tmp_path / "c.npy", normalize=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_points": 1}, "num_points must be a whole number of at least 2, got 1"),
        ({"num_points": 10.5}, "num_points must be a whole number"),
        ({"num_points": True}, "num_points must be a whole number"),
        ({"seed": -1}, "seed must be a whole number of at least 0"),
        ({"up": "Y"}, "up='Y' is no axis"),
    ],
)
def test_load_refuses_senseless_arguments(tmp_path, arguments, message):
    with pytest.raises(InputError, match=message):
        pc.load(obj_box(tmp_path), **arguments)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"points": torch.zeros(3, 2)}, r"points must have shape \(N, 3\), got \(3, 2\)"),
        ({"points": torch.zeros(2, 5, 3)}, r"points must have shape"),
        ({"points": [[0, 0, 0]]}, "must be a torch.Tensor"),
        ({"points": torch.zeros(3, 3, dtype=torch.int64)}, "floating-point"),
        ({"points": torch.zeros(0, 3)}, "at least one point"),
        ({"points": torch.full((3, 3), torch.nan)}, "points must be finite"),
        ({"normals": torch.zeros(2, 3)}, r"normals must have shape \(4, 3\), got \(2, 3\)"),
        ({"normals": torch.ones(4, 3)}, "unit length"),
        ({"colors": torch.full((4, 3), 255.0)}, r"colors must be in \[0, 1\]"),
    ],
)
def test_a_point_cloud_refuses_what_does_not_fit(fields, message):
    with pytest.raises(InputError, match=message):
        pc.PointCloud(**{"points": torch.rand(4, 3)} | fields)


def test_a_point_cloud_is_float32_and_frozen():
    cloud = pc.PointCloud(torch.rand(4, 3, dtype=torch.float64), name="a")
    assert cloud.points.dtype == torch.float32 and len(cloud) == 4
    assert repr(cloud) == "PointCloud(4 points, name='a')"
    with pytest.raises(AttributeError):
        cloud.name = "b"

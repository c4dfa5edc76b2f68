"""Stray points far from a shape: found, ignored for centre, scale and frame, and nothing else is."""

import numpy as np
import pytest
import torch
from support.solids import box, letter_f

import pointclip as pc
from pointclip import images
from pointclip.clip.frozen import FrozenClip
from pointclip.points import far_outliers, load
from pointclip.weights import loading as weights


def pendant_lamp(num_points=2048, on_cord=6):
    """A flat shade on a cord twice as long as it is wide, which few samples fall on."""
    shade = box(num_points - on_cord, (1.0, 0.3, 1.0))[0]
    cord = torch.tensor([0.0, 2.0, 0.0]) * torch.linspace(0.1, 1, on_cord)[:, None]
    return torch.cat([shade, cord])


def two_parts(num_points=2000):
    """A large box, and a small one with 2 % of the points, five widths away."""
    few = num_points // 50
    return torch.cat([box(num_points - few)[0], box(few, (0.1, 0.1, 0.1))[0] + torch.tensor([5.0, 0.0, 0.0])])


CLEAN = {
    "box": lambda: box(2048)[0],
    "flat letter": letter_f,
    "stick": lambda: box(1000, (0.01, 3.0, 0.01))[0],
    "lamp on a thin cord": pendant_lamp,
    "two parts": two_parts,
    "line": lambda: torch.linspace(0, 1, 500)[:, None] * torch.tensor([1.0, 2.0, 3.0]),
    "cube's corners": lambda: torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 3),
    "one place but for one point": lambda: torch.cat([torch.zeros(999, 3), torch.ones(1, 3)]),
    "99 points and one far": lambda: torch.cat([box(98)[0], torch.full((1, 3), 50.0)]),
}


@pytest.mark.parametrize("name", CLEAN)
def test_a_clean_shape_has_none(name):
    cloud = CLEAN[name]()
    assert not far_outliers(cloud).any()
    assert not far_outliers(cloud.double() * 1e-200).any()


def with_strays(cloud, distance, count, seed=0):
    """Put points at so many radii in random directions among the others; give the cloud and where they are."""
    generator = torch.Generator().manual_seed(seed)
    middle = (cloud.amax(0) + cloud.amin(0)) / 2
    radius = (cloud - middle).norm(dim=1).max()
    far = middle + radius * distance * torch.nn.functional.normalize(torch.randn(count, 3, generator=generator), dim=1)
    order = torch.randperm(len(cloud) + count, generator=generator)
    return torch.cat([cloud, far])[order], (torch.arange(len(cloud) + count) >= len(cloud))[order], order


@pytest.mark.parametrize("name", ["box", "flat letter", "stick", "lamp on a thin cord", "two parts"])
@pytest.mark.parametrize("distance", [3.0, 10.0, 100.0, 1e25])
def test_strays_are_found_wherever_they_are_and_nothing_else(name, distance):
    for seed, count in ((0, 1), (1, 1), (2, 4)):
        cloud, stray, _ = with_strays(CLEAN[name](), distance, count, seed)
        assert torch.equal(far_outliers(cloud), stray)
        assert torch.equal(far_outliers(cloud * 1e-3 + 5), stray) or distance > 100
        other = torch.randperm(len(cloud), generator=torch.Generator().manual_seed(seed))
        assert torch.equal(far_outliers(cloud[other]), stray[other])


def test_clouds_of_a_batch_do_not_know_each_other():
    cloud = box(1000)[0]
    strayed = cloud.clone()
    strayed[[3, 500]] = torch.tensor([[9.0, 0, 0], [0, -7.0, 1]])
    unknown = strayed.clone()
    unknown[5] = torch.tensor([1.0, torch.nan, 0])
    unknown[6] = torch.inf
    batch = torch.stack([cloud, strayed, unknown, torch.full_like(cloud, torch.nan)])
    found = far_outliers(batch)
    assert found.any(1).tolist() == [False, True, True, False]
    assert found[1].nonzero()[:, 0].tolist() == found[2].nonzero()[:, 0].tolist() == [3, 500]
    assert all(torch.equal(found[row], far_outliers(batch[row])) for row in range(4))


def test_a_whole_share_of_far_points_is_a_part_of_the_shape():
    cloud = box(990)[0]
    assert far_outliers(with_strays(cloud, 5.0, 10)[0]).sum() == 10
    assert not far_outliers(with_strays(cloud, 5.0, 30)[0]).any()


@pytest.mark.parametrize("num_points", [None, 400])
def test_load_leaves_them_out_before_it_thins(tmp_path, num_points):
    cloud, stray, _ = with_strays(box(1000)[0], 10.0, 2)
    colors = torch.rand(len(cloud), 3, generator=torch.Generator().manual_seed(0))
    rows = torch.cat([cloud, (colors * 255).round()], dim=1).numpy()
    np.savetxt(tmp_path / "all.xyz", rows)
    np.savetxt(tmp_path / "clean.xyz", rows[~stray.numpy()])
    found, clean = (load(tmp_path / name, num_points) for name in ("all.xyz", "clean.xyz"))
    assert torch.equal(found.points, clean.points)
    assert (found.colors is None) == (clean.colors is None)
    assert found.colors is None or torch.equal(found.colors, clean.colors)
    kept = load(tmp_path / "all.xyz", num_points, drop_outliers=False)
    assert len(kept) == (num_points or len(cloud))
    assert kept.points.std(dim=0).max() < 0.5 * clean.points.std(dim=0).max(), "the shape has shrunk"


def test_load_leaves_out_a_far_splinter_of_a_mesh(tmp_path):
    import trimesh

    body = trimesh.creation.icosphere(3)
    splinter = trimesh.Trimesh([[30, 0, 0], [30.01, 0, 0], [30, 0.5, 0]], [[0, 1, 2]])
    trimesh.util.concatenate([body, splinter]).export(tmp_path / "ball.obj")
    cloud = load(tmp_path / "ball.obj", 5000)
    assert len(cloud.mesh.faces) == 1280 and "1 face far" in cloud.notes[0]
    assert cloud.normals is not None
    assert len(cloud.normals) == len(cloud)
    assert cloud.points.norm(dim=1).min() > 0.9
    assert len(load(tmp_path / "ball.obj", 5000, drop_outliers=False)) == 5000


@pytest.fixture(scope="module")
def model(tiny_file):
    return FrozenClip(weights.load(tiny_file), device="cpu", precision="fp32")


@pytest.mark.parametrize("style", ["depth", "shaded", "contour", "soft", "fit"])
def test_pictures_are_those_of_the_cloud_without_it(model, style):
    drawn = images.Shaded(normals_from="fit") if style == "fit" else style
    points, normals = box(1500, (1.0, 0.6, 0.3))
    cloud, stray, order = with_strays(points, 10.0, 1)
    facing = torch.cat([normals, torch.tensor([[0.0, 1.0, 0.0]])])[order]
    network = pc.PointCLIP(model, "ring-2", drawn)
    clean = network.render(cloud[~stray][None], facing[~stray][None])
    found = network.render(cloud[None], facing[None])
    kept = pc.PointCLIP(model, "ring-2", drawn, drop_outliers=False).render(cloud[None], facing[None])
    assert torch.equal(found, clean)
    assert (kept - clean).abs().mean() > 0.01


@pytest.mark.parametrize("style", ["pointclip", "realistic"])
def test_the_published_styles_take_points_as_they_are(model, style):
    cloud = with_strays(box(1500)[0], 10.0, 1)[0][None]
    pictures = [pc.PointCLIP(model, "ring-2", style, drop_outliers=drop).render(cloud) for drop in (True, False)]
    assert torch.equal(*pictures)


def test_gradients_reach_the_points_that_stay(model):
    points, normals = box(600, (1.0, 0.6, 0.3))
    cloud, stray, order = with_strays(points, 10.0, 1)
    facing = torch.cat([normals, torch.tensor([[0.0, 1.0, 0.0]])])[order]
    network = pc.PointCLIP(model, "ring-2", "soft")
    slopes = []
    for keep in (torch.ones_like(stray), ~stray):
        leaf = cloud[keep].clone().requires_grad_()
        network.render(leaf[None], facing[keep][None]).square().sum().backward()
        slopes.append(leaf.grad)
    assert slopes[0].isfinite().all()
    assert not slopes[0][stray].any()
    assert torch.equal(slopes[0][~stray], slopes[1])
    assert slopes[1].abs().max() > 0


def test_features_with_and_without_do_not_share_a_cache(model):
    from pointclip.encoding.store import store_folder

    paths = {store_folder(pc.PointCLIP(model, "ring-2", drop_outliers=drop), "x") for drop in (True, False)}
    assert len(paths) == 2


def test_occlusion_is_that_of_the_points_that_are_drawn(model):
    from pointclip.explain import occlusion

    cloud, stray, _ = with_strays(box(800, (1.0, 0.6, 0.3))[0], 10.0, 1)
    network = pc.PointCLIP(model, "ring-1")
    found = occlusion(network, pc.PointCloud(cloud), ["ball", "box"], "box", patches=3)
    alone = occlusion(network, pc.PointCloud(cloud[~stray]), ["ball", "box"], "box", patches=3)
    assert torch.equal(found[~stray], alone)
    assert found[stray].tolist() == [0.0]


def test_the_command_line_drops_them_unless_told_to_keep_them(classify, shapes):
    cloud, stray, _ = with_strays(box(250, (1.0, 0.6, 0.3))[0], 10.0, 1)
    np.savetxt(shapes / "all.xyz", cloud.numpy())
    np.savetxt(shapes / "clean.xyz", cloud[~stray].numpy())
    told = [
        classify(*arguments, "--labels", "ball,box", "--json").json
        for arguments in (("all.xyz",), ("clean.xyz",), ("all.xyz", "--keep-outliers"))
    ]
    assert [document["drop_outliers"] for document in told] == [True, True, False]
    dropped, clean, kept = ([p["probability"] for p in one["shapes"][0]["predictions"]] for one in told)
    assert dropped == clean != kept

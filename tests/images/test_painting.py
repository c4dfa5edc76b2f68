"""The front surface of clouds: no sample of the far side shows, and compiled loops paint what torch paints."""

import sys

import pytest
import torch

from pointclip import images, ops
from pointclip.cameras.projection import fit_to_frame, project
from pointclip.cameras.rigs import views
from pointclip.images.surface import close_gaps, front_surface, paint
from pointclip.images.windows import corner_cut


def ball(num_points, seed=0):
    """Points of the unit sphere (1, N, 3), which are their own normals."""
    points = torch.randn(1, num_points, 3, generator=torch.Generator().manual_seed(seed))
    return points / points.norm(dim=-1, keepdim=True)


def cast(uvz, centre, size):
    """Normals in camera axes of the points (B, V, N, 3), and of the unit sphere behind each pixel (B, V, H, W, 3).

    A point at distance k from the middle, in focal lengths, is k z beside the axis: k is found from the points, which
    lie on the sphere. Pixels beside it hold nan.
    """
    middle, z0 = centre[..., :2], centre[..., 2:]
    away, z = uvz[..., :2] - middle, uvz[..., 2:]
    beside = (1 - (z - z0) ** 2).clamp_min(0).sqrt()
    focal = (away.norm(dim=-1, keepdim=True) * z).sum(2, keepdim=True) / beside.sum(2, keepdim=True)
    rows, columns = torch.meshgrid(*(torch.arange(side) + 0.5 for side in size), indexing="ij")
    k = (torch.stack([columns, rows], -1) - middle[:, :, :, None]) / focal[:, :, :, None]
    square, far = 1 + k.square().sum(-1, keepdim=True), z0[:, :, :, None]
    depth = (far - (far**2 - square * (far**2 - 1)).sqrt()) / square
    return torch.cat([away * z / focal, z - z0], -1), torch.cat([k * depth, depth - far], -1)


@pytest.mark.parametrize(("num_points", "largest_deg"), [(2_048, 20), (10_000, 15), (20_000, 15)])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_sample_of_the_far_side_of_a_ball_shows(num_points, largest_deg, seed):
    """Every painted normal is near the true one; a sample of the far side would be tens of degrees off."""
    points, rig, size = ball(num_points, seed), views("ring-6"), (448, 448)
    whole = project(points, rig, size)
    centre = fit_to_frame(project(torch.zeros(1, 1, 3), rig, size), size, 0.06, whole)
    uvz = fit_to_frame(whole, size, 0.06)
    normals, expected = cast(uvz, centre, size)
    painted, covered = front_surface(uvz, size, normals, 1.0, 1.5)
    hit = expected.isfinite().all(-1)
    assert (covered & hit).sum() > 0.98 * hit.sum()
    assert (covered & ~hit).sum() < 0.05 * hit.sum()
    angle_deg = torch.cosine_similarity(painted, expected, dim=-1).clamp(-1, 1).arccos().rad2deg()
    assert angle_deg[covered & hit].max() < largest_deg


CASES = [((101, 90), 300, 2), ((101, 90), 300, 9), ((448, 448), 5_000, 13), ((77, 448), 800, 30), ((30, 31), 2_000, 5)]


@pytest.mark.parametrize(("size", "num_points", "reach"), CASES)
@pytest.mark.parametrize("channels", [1, 3])
def test_compiled_loops_paint_what_torch_paints(size, num_points, reach, channels):
    generator = torch.Generator().manual_seed(0)
    uvz = torch.rand(2, 2, num_points, 3, generator=generator) * torch.tensor([size[1], size[0], 1.0])
    buffer = ops.zbuffer(uvz + torch.tensor([0.0, 0.0, 1.0]), size, 1.0)
    values = torch.rand(2, 2, num_points, channels, generator=generator)
    tolerance = torch.tensor([0.3, 0.1])
    painted, known = paint(buffer, values, reach, tolerance)
    expected, seen = paint(buffer, values.requires_grad_(), reach, tolerance)
    assert expected.requires_grad and not painted.requires_grad
    assert torch.equal(known, seen)
    assert seen.sum() > 0
    torch.testing.assert_close(painted, expected.detach(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("reach", [1, 3, 8, 12])
def test_gaps_are_closed_to_the_same_bits(reach):
    from pointclip.images import painting

    nearness = torch.randn(40, 57, generator=torch.Generator().manual_seed(1))
    nearness[torch.rand(40, 57, generator=torch.Generator().manual_seed(2)) < 0.9] = -torch.inf
    for cut in (0, corner_cut(reach)):
        found = painting._close_gaps(nearness.numpy(), reach, cut)
        assert torch.equal(torch.from_numpy(found), close_gaps(nearness, reach, cut))


def test_without_numba_the_picture_is_the_same(monkeypatch):
    points = ball(3_000)
    compiled = images.render(points, views("ring-2"), images.style("shaded"), 96, points)
    monkeypatch.setitem(sys.modules, "numba", None)
    assert ops.why_not("numba") is not None
    plain = images.render(points, views("ring-2"), images.style("shaded"), 96, points)
    torch.testing.assert_close(compiled, plain, atol=1e-5, rtol=0)

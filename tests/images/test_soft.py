"""The soft style: gradients to points, normals and cameras, and pictures that show the shape."""

from dataclasses import replace

import pytest
import torch
from support.solids import box

import pointclip as pc
from pointclip import images
from pointclip.cameras.projection import project
from pointclip.cameras.rigs import euler_xyz, views
from pointclip.clip.frozen import FrozenClip
from pointclip.weights import loading as weights


def soft(points, rig=None, normals=None, size=32, **settings):
    return images.render(points, rig or views("ring-2"), images.style("soft", **settings), size, normals)


@pytest.mark.parametrize("arch", ["tiny-vit", "tiny-rn"])
def test_gradients_reach_the_points_through_the_whole_model(arch, tiny, own_cache):
    model = pc.PointCLIP(FrozenClip(weights.random(arch, seed=1), "cpu", "fp32"), views="ring-2", style="soft")
    points = box(300, (1.0, 0.6, 0.3))[0][None].requires_grad_()
    text = model.encode_labels(["chair", "table"])
    (model(points, text) * torch.tensor([1.0, -1.0])).sum().backward()
    assert points.grad.isfinite().all()
    assert (points.grad.abs().sum(-1) > 0).float().mean() > 0.5
    assert all(parameter.grad is None for parameter in model.parameters())


def test_gradients_of_pictures_are_those_of_differences():
    """Along a smooth stretch, slopes equal divided differences; the ends of the depths, a constant, stay."""
    points = box(60, (1.0, 0.6, 0.3))[0].double()[None] * 0.5
    target = torch.rand(1, 2, 3, 24, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    turn = torch.randn(1, 60, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 0.1
    z = project(points, views("ring-2"))[0, :, :, 2]
    turn[0, torch.cat([z.argmin(1), z.argmax(1)])] = 0

    def loss(step):
        return (soft(points + step * turn, size=24, fit=False, footprint=1.0) * target).sum()

    at = torch.zeros((), dtype=torch.float64, requires_grad=True)
    slope = torch.autograd.grad(loss(at), at)[0]
    difference = (loss(at.detach() + 1e-5) - loss(at.detach() - 1e-5)) / 2e-5
    assert slope.abs() > 0.1
    torch.testing.assert_close(slope, difference, rtol=2e-3, atol=1e-3)


def test_gradients_reach_the_viewpoint():
    """Turning a camera back towards a picture taken a few degrees aside follows the slope."""
    points = box(800, (1.0, 0.6, 0.3))[0][None]
    rig = views("ring-1")
    with torch.no_grad():
        target = soft(points, rig.rotated(euler_xyz((0, 6, 0))), footprint=2.0)
    axis = torch.tensor([[0.0, 0, 1], [0, 0, 0], [-1, 0, 0]])
    angle = torch.zeros((), requires_grad=True)

    def loss(angle):
        turned = replace(rig, rotations=rig.rotations @ torch.matrix_exp(angle * axis).mT)
        return (soft(points, turned, footprint=2.0) - target).square().mean()

    slope = torch.autograd.grad(loss(angle), angle)[0]
    assert slope.isfinite() and slope != 0
    with torch.no_grad():
        assert loss(-0.05 * slope.sign()) < loss(torch.zeros(()))


def test_gradients_reach_normals():
    points, normals = box(200)
    normals = normals[None].requires_grad_()
    soft(points[None], normals=normals).square().sum().backward()
    assert normals.grad.isfinite().all() and normals.grad.abs().sum() > 0


def test_a_near_wall_hides_a_far_one():
    """Depths run from 0.6 (the far wall seen from behind) to 2.6; the near wall lies at 1.6, in the middle."""
    near, _ = box(4000, (1.0, 1.0, 0.001))
    far = near - torch.tensor([0.0, 0.0, 1.0])
    front = views("pointclip-6").names.index("from +z")
    picture = soft(torch.cat([near, far])[None], views("pointclip-6"), size=64, near=0.0, far=1.0, background=1.0)
    middle = picture[0, front, 0, 24:40, 24:40]
    torch.testing.assert_close(middle, torch.full_like(middle, 0.5), atol=0.01, rtol=0)


def test_it_looks_like_the_depth_style():
    points = box(4000, (1.0, 0.6, 0.3))[0][None]
    hard = images.render(points, views("ring-2"), images.style("depth"), 64)
    found = soft(points, size=64)
    outline, expected = found < 0.9, hard < 0.9
    assert (expected & ~outline).float().mean() < 0.005
    assert outline.sum() < 1.4 * expected.sum()
    inside = outline & expected
    assert torch.corrcoef(torch.stack([found[inside], hard[inside]]))[0, 1] > 0.8

"""Cameras and projection: hand-computed pixels, no mirror, gradients."""

import math

import pytest
import torch

from pointclip.cameras.projection import fit_to_frame, project
from pointclip.cameras.rigs import POINTCLIP_6_DEG, Views, euler_xyz, look_at, rig_names, views
from pointclip.errors import InputError

ALL_RIGS = ["pointclip-6", "ring-1", "ring-6", "orbit-12"]


def front_camera(distance: float = 2.0, focal: float = 1.0, perspective: bool = True) -> Views:
    rotation = look_at(torch.tensor([[0.0, 0.0, 1.0]]))
    return Views(rotation, torch.tensor([[0.0, 0.0, distance]]), torch.tensor([focal]), perspective, ("front",))


def cube() -> torch.Tensor:
    return torch.cartesian_prod(*[torch.tensor([-0.5, 0.5])] * 3)[None]


def test_cube_corners_land_on_hand_computed_pixels():
    """Camera at z=2, focal 1, 100 px: the front face (z=0.5, 1.5 away) is at 50 +- 50*0.5/1.5 = 33.3 and 66.7."""
    uvz = project(cube(), front_camera(), size=(100, 100))[0, 0]
    near, far = 50 * 0.5 / 1.5, 50 * 0.5 / 2.5
    for corner, (u, v, z) in zip(cube()[0].tolist(), uvz.tolist(), strict=True):
        reach = near if corner[2] > 0 else far
        assert u == pytest.approx(50 + math.copysign(reach, corner[0]), abs=1e-4)
        assert v == pytest.approx(50 - math.copysign(reach, corner[1]), abs=1e-4)
        assert z == pytest.approx(2 - corner[2], abs=1e-6)


def test_orthographic_ignores_depth():
    uvz = project(cube(), front_camera(focal=0.8, perspective=False), size=(100, 100))[0, 0]
    assert set(uvz[:, 0].round(decimals=4).tolist()) == {30.0, 70.0}


def test_wide_picture_keeps_square_pixels_and_its_centre():
    uvz = project(torch.tensor([[[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [0.0, 0.5, 0.0]]]), front_camera(), size=(100, 300))
    (u0, v0, _), (u1, _, _), (_, v2, _) = uvz[0, 0].tolist()
    assert (u0, v0) == (150, 50)
    assert u1 - u0 == pytest.approx(v0 - v2)


@pytest.mark.parametrize("rig", ALL_RIGS)
def test_no_rig_mirrors(rig):
    """Right x down = forward in every camera: a mirror image would have the opposite sign."""
    right, down, forward = views(rig).rotations.unbind(1)
    torch.testing.assert_close(torch.linalg.cross(right, down), forward, atol=1e-5, rtol=0)


@pytest.mark.parametrize("rig", ALL_RIGS)
def test_up_is_up_in_the_picture(rig):
    """The world's +y is never below the centre, and above it wherever the camera does not look straight down or up."""
    uvz = project(torch.tensor([[[0.0, 0.3, 0.0]]]), views(rig), size=(100, 100))[0, :, 0]
    looks_level = views(rig).rotations[:, 2, 1].abs() < 0.99
    assert (uvz[looks_level, 1] < 50).all()


def test_front_view_shows_right_on_the_right():
    front = views("pointclip-6").names.index("from +z")
    uvz = project(torch.tensor([[[0.5, 0.0, 0.0]]]), views("pointclip-6"), size=(100, 100))
    assert uvz[0, front, 0, 0] > 50


def test_pointclip_6_looks_along_the_papers_axes():
    """The camera's forward axis is the third row of the paper's own Rx Ry Rz."""
    for rotation, angles in zip(views("pointclip-6").rotations, POINTCLIP_6_DEG, strict=True):
        torch.testing.assert_close(rotation[2], euler_xyz(angles)[2])


def test_orbit_covers_the_sphere_evenly():
    forward = views("orbit-64").rotations[:, 2]
    assert forward.mean(0).norm() < 0.02
    torch.testing.assert_close(forward.T @ forward / 64, torch.eye(3) / 3, atol=0.02, rtol=0)


def test_turning_shape_and_cameras_together_changes_no_pixel():
    points, turn = torch.randn(2, 50, 3, generator=torch.Generator().manual_seed(0)) * 0.4, euler_xyz((20, 70, -130))
    rig = views("ring-6")
    turned = project(points @ turn.T, rig.rotated(turn))
    torch.testing.assert_close(turned, project(points, rig), atol=2e-3, rtol=1e-5)


def test_points_behind_the_camera_keep_their_z_and_finite_gradients():
    points = torch.tensor([[[0.1, 0.1, 2.0], [0.1, 0.1, 3.0], [0.1, 0.2, 0.0]]], requires_grad=True)
    uvz = project(points, front_camera())
    assert uvz[0, 0, :, 2].tolist() == [0, -1, 2]
    uvz.sum().backward()
    assert points.grad.isfinite().all()


def test_gradcheck_of_points_and_cameras():
    points = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    rig = views("ring-2")
    rotations = rig.rotations.double()

    def pixels(points, translations, focal):
        moved = Views(rotations, translations, focal, True, rig.names)
        return fit_to_frame(project(points * 0.3, moved, (32, 32)), (32, 32))

    translations = rig.translations.double().requires_grad_()
    focal = rig.focal.double().requires_grad_()
    assert torch.autograd.gradcheck(pixels, (points, translations, focal))


def test_fit_fills_the_frame_and_cuts_nothing():
    points = torch.randn(3, 200, 3) * torch.tensor([0.02, 1.0, 0.1])
    uvz = fit_to_frame(project(points * 0.2, views("ring-6"), (224, 224)), (224, 224), margin=0.05)
    low, high = uvz[..., :2].amin(dim=(1, 2, 3)), uvz[..., :2].amax(dim=(1, 2, 3))
    torch.testing.assert_close(low, torch.full((3,), 224 * 0.05), atol=1e-2, rtol=0)
    torch.testing.assert_close(high, torch.full((3,), 224 * 0.95), atol=1e-2, rtol=0)


def test_fit_uses_one_zoom_for_all_views_of_a_cloud():
    points = torch.randn(1, 100, 3) * 0.2
    before = project(points, views("ring-6"))
    after = fit_to_frame(before, (224, 224))
    zoom = (after[0, :, 1:, :2] - after[0, :, :-1, :2]) / (before[0, :, 1:, :2] - before[0, :, :-1, :2])
    torch.testing.assert_close(zoom, zoom.median().expand_as(zoom), atol=0.02, rtol=0.02)


def test_fit_does_not_count_lost_points():
    uvz = torch.tensor([[[[4.0, 5.0, 1.0], [6.0, 5.0, 1.0], [math.nan, 0.0, 1.0], [90.0, 90.0, -1.0]]]])
    assert fit_to_frame(uvz, (10, 10), margin=0.1)[0, 0, :2, 0].tolist() == [1, 9]


@pytest.mark.parametrize("name", ["ring-0", "ring-257", "ring-x", "rings-6", "", "ring--1", "orbit-²"])
def test_unknown_rigs_are_refused_with_the_known_ones(name):
    with pytest.raises(InputError, match="ring|number of views"):
        views(name)


def test_known_rig_names_are_told():
    assert {"pointclip-6", "ring-K", "orbit-K"} <= set(rig_names())
    with pytest.raises(InputError, match="did you mean 'pointclip-6'"):
        views("pointclip6")


def test_a_mirror_is_no_rotation():
    mirror = torch.diag(torch.tensor([-1.0, 1.0, 1.0]))[None]
    with pytest.raises(InputError, match="no mirror"):
        Views(mirror, torch.tensor([[0.0, 0.0, 2.0]]), torch.ones(1), True, ("mirror",))


@pytest.mark.parametrize(
    ("points", "size"),
    [(torch.zeros(2, 4), (8, 8)), (torch.zeros(1, 2, 3, dtype=torch.int64), (8, 8)), (torch.zeros(1, 2, 3), (0, 8))],
)
def test_bad_input_is_one_sentence(points, size):
    with pytest.raises(InputError):
        project(points, views("ring-2"), size=size)

"""Pictures: what may change nothing, what must be seen, and what is refused."""

import pytest
import torch
from support.solids import box, letter_f

from pointclip import images
from pointclip.cameras.rigs import euler_xyz, views
from pointclip.errors import InputError
from pointclip.images.windows import window_max, window_sum

STYLES = ["depth", "shaded", "color"]


def draw(points, style, rig="ring-2", normals=None, colors=None, size=64, **settings):
    rig = views(rig) if isinstance(rig, str) else rig
    many = [None if x is None else x[None] for x in (normals, colors)]
    return images.render(points[None], rig, images.style(style, **settings), size, *many)[0]


def scene(style, num_points=3000):
    points, normals = box(num_points, (1.0, 0.6, 0.3))
    colors = (points - points.amin(0)) / (points.amax(0) - points.amin(0))
    return points, {"normals": None if style == "depth" else normals, "colors": colors if style == "color" else None}


@pytest.mark.parametrize("style", STYLES)
def test_permuting_points_changes_no_pixel(style):
    points, known = scene(style)
    order = torch.randperm(len(points), generator=torch.Generator().manual_seed(1))
    moved = {name: None if x is None else x[order] for name, x in known.items()}
    assert torch.equal(draw(points, style, **known), draw(points[order], style, **moved))


@pytest.mark.parametrize("style", STYLES)
def test_turning_shape_and_cameras_together_changes_no_image(style):
    """Rounding may move a sample at a pixel's edge: a pixel in two hundred may differ, the mean must not."""
    points, known = scene(style)
    turn = euler_xyz((35, -50, 120))
    turned = dict(known)
    if turned["normals"] is not None:
        turned["normals"] = turned["normals"] @ turn.T
    before = draw(points, style, **known)
    after = draw(points @ turn.T, style, rig=views("ring-2").rotated(turn), **turned)
    difference = (before - after).abs()
    assert (difference > 0.02).float().mean() < 0.005
    assert difference.mean() < 5e-4


@pytest.mark.parametrize("style", STYLES)
def test_a_batch_draws_each_cloud_as_alone(style):
    points, known = scene(style, 500)
    others = points * torch.tensor([0.2, 1.0, 1.0])
    batch = images.render(
        torch.stack([points, others]),
        views("ring-2"),
        images.style(style),
        64,
        *(None if x is None else torch.stack([x, x]) for x in (known["normals"], known["colors"])),
    )
    torch.testing.assert_close(batch[0], draw(points, style, **known))
    torch.testing.assert_close(batch[1], draw(others, style, **known))


@pytest.mark.parametrize("style", STYLES)
def test_shape_pixels_are_between_0_and_1_on_a_white_ground(style):
    points, known = scene(style)
    picture = draw(points, style, **known)
    assert picture.min() >= 0 and picture.max() <= 1
    assert (picture[:, :, 0] == 1).all() and (picture[:, :, :, 0] == 1).all()


def test_an_f_reads_as_an_f():
    """From the front the stem is on the left and the long bar on top; a mirrored picture has them elsewhere."""
    front = views("pointclip-6").names.index("from +z")
    ink = (1 - draw(letter_f(), "depth", rig="pointclip-6", near=0.0, far=0.0)[front, 0]) > 0.5
    rows, cols = ink.nonzero().unbind(1)
    left, right = ink[:, : cols.min() + 6].sum(), ink[:, cols.max() - 5 :].sum()
    top, bottom = ink[: rows.min() + 6].sum(), ink[rows.max() - 5 :].sum()
    assert left > 2 * right and top > 2 * bottom


@pytest.mark.parametrize("num_points", [600, 5000, 20_000])
def test_a_wall_has_no_pinholes(num_points):
    """Behind a front wall of one tone lies a far one: no far tone and no background may show inside the front."""
    front, _ = box(num_points, (1.0, 1.0, 0.001), seed=3)
    back = front * 0.8 - torch.tensor([0.0, 0.0, 0.5])
    colors = torch.cat([torch.full_like(front, 0.25), torch.full_like(back, 0.75)])
    view = views("pointclip-6").names.index("from +z")
    picture = draw(torch.cat([front, back]), "color", rig="pointclip-6", colors=colors, size=224)[view, 0]
    ink = (picture < 0.99).nonzero()
    (top, left), (bottom, right) = ink.amin(0).tolist(), ink.amax(0).tolist()
    edge = 6 if num_points > 600 else 14  # the outline of a few samples is ragged
    inside = picture[top + edge : bottom - edge, left + edge : right - edge]
    assert (inside - 0.25).abs().max() < 0.01


def test_without_closing_the_same_wall_is_full_of_holes():
    front, _ = box(600, (1.0, 1.0, 0.001))
    picture = draw(front, "depth", size=224, closing=0.0, dot_px=0.0)
    assert (picture < 0.99).float().mean() < 0.1


def test_closing_leaves_wide_openings_open():
    """A frame with a hole of 0.6 must keep it."""
    points, _ = box(40_000, (1.0, 1.0, 0.01))
    frame = points[(points[:, 0].abs() > 0.3) | (points[:, 1].abs() > 0.3)]
    view = views("pointclip-6").names.index("from +z")
    picture = draw(frame, "depth", rig="pointclip-6", size=64)[view, 0]
    left = (picture < 0.9).any(0).nonzero().min()
    assert picture[32, 32] == 1 and (picture[32, left + 1 : left + 5] < 0.9).all()


def test_headlight_shading_follows_the_cosine():
    """A wall turned by 60 degrees from the camera reflects half the light of one that faces it."""
    wall, normals = box(20_000, (1.0, 1.0, 0.001))
    keep = normals[:, 2] > 0
    wall, normals = wall[keep], normals[keep]
    rig = views("ring-1")
    forward = rig.rotations[0, 2]
    yaw = torch.atan2(-forward[0], -forward[2]).rad2deg().item()
    turn = euler_xyz((0, yaw + 60, 0))
    seen = draw(wall @ turn.T, "shaded", rig=rig, normals=normals @ turn.T, ambient=0.0, background=0.0)
    cosine = (turn @ torch.tensor([0.0, 0.0, 1.0]) @ -forward).clamp(0, 1)
    torch.testing.assert_close(seen[0, 0][seen[0, 0] > 0].median(), cosine, atol=0.01, rtol=0)


def test_flipped_normals_draw_the_same_picture():
    points, normals = box(3000)
    assert torch.equal(draw(points, "shaded", normals=normals), draw(points, "shaded", normals=-normals))


def test_shading_without_normals_finds_the_faces_of_a_box():
    points, normals = box(30_000)
    known, found = draw(points, "shaded", normals=normals), draw(points, "shaded")
    inside = (known < 0.95) & (found < 0.95)
    assert (known - found).abs()[inside].median() < 0.05


def test_nearer_is_darker_over_all_views_together():
    """A long box: the view along its axis must show its near end as dark as any other view shows its nearest point."""
    points, _ = box(20_000, (0.2, 0.2, 2.0))
    picture = draw(points, "depth", rig="pointclip-6", near=0.0, far=0.8)
    end_on = picture[views("pointclip-6").names.index("from +z")]
    side_on = picture[views("pointclip-6").names.index("from +x")]
    assert end_on.min() < 0.02 and side_on.min() > 0.2


@pytest.mark.parametrize("reach", [0, 1, 2, 3, 5, 8])
def test_windows_equal_brute_force(reach):
    image = torch.randn(2, 13, 17, generator=torch.Generator().manual_seed(0))
    for row, col in [(0, 0), (6, 8), (12, 16), (3, 15)]:
        part = image[:, max(0, row - reach) : row + reach + 1, max(0, col - reach) : col + reach + 1]
        torch.testing.assert_close(window_max(image, reach)[:, row, col], part.amax((1, 2)))
        torch.testing.assert_close(window_sum(image, reach)[:, row, col], part.sum((1, 2)), atol=1e-4, rtol=1e-4)


def test_unknown_settings_and_styles_suggest_the_nearest():
    with pytest.raises(InputError, match="did you mean 'shaded'"):
        images.style("shadde")
    with pytest.raises(InputError, match="did you mean 'background'"):
        images.style("depth", backgroud=0.5)
    with pytest.raises(InputError, match="needs colours"):
        draw(torch.rand(10, 3), "color")


@pytest.mark.parametrize("setting", [{"supersample": 9}, {"background": 2.0}, {"dot_px": -1}, {"closing": -1.0}])
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(InputError):
        images.style("depth", **setting)

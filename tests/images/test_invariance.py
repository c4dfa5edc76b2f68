"""What each style and rig promises not to change: permutation, a common turn, scale and place."""

import pytest
import torch
from support.solids import box

import pointclip as pc
from pointclip import images
from pointclip.cameras.rigs import euler_xyz, views
from pointclip.points import normalize_unit_sphere

FRAMED = ["shaded", "depth", "color", "contour", "soft"]
ALL = [*FRAMED, "realistic", "pointclip"]
RIGS = ["pointclip-6", "pointclip-10", "ring-6", "realistic-10", "orbit-12"]


def cloud(style, num_points=1500):
    """A box that stands askew: two samples at one depth would make the order of points matter."""
    turn = euler_xyz((8, 17, -5))
    points, normals = (rows @ turn.T for rows in box(num_points, (1.0, 0.6, 0.3)))
    colors = (points + 1) / 2
    return points, normals if style in ("shaded", "color") else None, colors if style == "color" else None


def draw(style, rig, points, normals, colors):
    """Draw as the model does: on the unit sphere where the style says so."""
    style = images.style(style)
    many = [None if x is None else x[None] for x in (points, normals, colors)]
    many[0] = normalize_unit_sphere(many[0]) if style.unit_sphere else many[0]
    return images.render(many[0], views(rig), style, 32, *many[1:])[0]


def nearly(before, after, share=0.02, mean=2e-3):
    """Rounding moves a few samples over the edge of a pixel."""
    scale = max(1.0, before.amax().item())
    difference = (before - after).abs() / scale
    return (difference > 0.05).float().mean() < share and difference.mean() < mean


@pytest.mark.parametrize("rig", RIGS)
@pytest.mark.parametrize("style", ALL)
def test_permuting_points_changes_no_image(style, rig):
    order = torch.randperm(1500, generator=torch.Generator().manual_seed(1))
    known = cloud(style)
    before, after = draw(style, rig, *known), draw(style, rig, *(None if x is None else x[order] for x in known))
    if style in ("soft", "pointclip"):  # sums of floats
        torch.testing.assert_close(before, after, atol=1e-5, rtol=0)
    else:
        assert torch.equal(before, after)


@pytest.mark.parametrize("rig", RIGS)
@pytest.mark.parametrize("style", ALL)
def test_turning_shape_and_cameras_together_changes_no_image(style, rig):
    points, normals, colors = cloud(style)
    turn = euler_xyz((35, -50, 120))
    style_ = images.style(style)
    points = normalize_unit_sphere(points) if style_.unit_sphere else points

    def seen(points, normals, rig):
        many = [None if x is None else x[None] for x in (points, normals, colors)]
        return images.render(many[0], rig, style_, 32, *many[1:])[0]

    turned = None if normals is None else normals @ turn.T
    before = seen(points, normals, views(rig))
    assert nearly(before, seen(points @ turn.T, turned, views(rig).rotated(turn)))
    if views(rig).num_views < 7:  # and the cameras' turn does matter
        assert not nearly(before, seen(points, normals, views(rig).rotated(turn)))


@pytest.mark.parametrize("rig", RIGS)
@pytest.mark.parametrize("style", [name for name in ALL if name != "pointclip"])
def test_scale_and_place_change_no_image(style, rig):
    points, normals, colors = cloud(style)
    before = draw(style, rig, points, normals, colors)
    moved = points * 4 + torch.tensor([8.0, -4.0, 2.0])
    assert nearly(before, draw(style, rig, moved, normals, colors))


def test_the_papers_style_depends_on_scale_and_place_as_documented():
    points, *_ = cloud("pointclip")
    before = draw("pointclip", "pointclip-6", points, None, None)
    for moved in (points * 2, points + 0.3):
        assert not nearly(before, draw("pointclip", "pointclip-6", moved, None, None), share=0.1, mean=0.02)
    assert "as it is" in images.PaperDepth.__doc__


@pytest.mark.parametrize("style", ALL)
def test_double_precision_stays_double(style):
    points, normals, colors = (None if x is None else x.double() for x in cloud(style, 200))
    assert draw(style, "ring-2", points, normals, colors).dtype == torch.float64


@pytest.mark.parametrize("style", ALL)
@pytest.mark.parametrize("num_points", [1, 2, 3])
def test_clouds_of_few_points_are_drawn(style, num_points):
    picture = draw(style, "ring-2", *cloud(style, num_points))
    assert picture.isfinite().all()


@pytest.mark.parametrize("style", ALL)
def test_nothing_given_is_changed(style):
    known = cloud(style)
    copies = [None if x is None else x.clone() for x in known]
    draw(style, "ring-2", *known)
    assert all(a is None or torch.equal(a, b) for a, b in zip(known, copies, strict=True))


def test_top_level_names_the_styles_of_the_table():
    assert set(images.style_names()) == {"auto", *ALL}
    assert pc.views("realistic-10").num_views == 10

"""From 500 points to many: the default styles show the same shape."""

import pytest
import torch
from support.solids import box

from pointclip import images
from pointclip.cameras.rigs import views
from pointclip.images.surface import close_gaps
from pointclip.images.windows import corner_cut, octagon_max


def table(num_points, seed=0):
    """A board on four legs, sampled by area."""
    parts = [((1.0, 0.06, 0.7), (0.0, 0.3, 0.0))]
    parts += [((0.08, 0.6, 0.08), (x, 0.0, z)) for x in (-0.45, 0.45) for z in (-0.3, 0.3)]
    areas = torch.tensor([2 * (x * y + y * z + z * x) for (x, y, z), _ in parts])
    shares = (areas / areas.sum() * num_points).round().int().tolist()
    sampled = [
        (points + torch.tensor(at), normals)
        for number, (share, (sides, at)) in enumerate(zip(shares, parts, strict=True))
        for points, normals in [box(share, sides, seed + number)]
    ]
    points, normals = (torch.cat(rows) for rows in zip(*sampled, strict=True))
    return points, normals


def draw(num_points, style, size=224):
    points, normals = table(num_points)
    normals = normals[None] if style == "shaded" else None
    return images.render(points[None], views("ring-6"), images.style(style), size, normals)[0, :, 0]


@pytest.mark.parametrize("style", ["shaded", "depth"])
@pytest.mark.parametrize(("num_points", "overlap"), [(500, 0.75), (10_000, 0.9)])
def test_few_points_show_the_shape_that_many_show(style, num_points, overlap):
    few, many = draw(num_points, style), draw(200_000, style)
    seen, expected = few < 0.95, many < 0.95
    assert (seen & expected).sum() / (seen | expected).sum() > overlap
    both = seen & expected
    assert (few - many).abs()[both].mean() < 0.12


@pytest.mark.parametrize("style", ["shaded", "depth"])
@pytest.mark.parametrize("num_points", [60, 500, 10_000])
def test_no_picture_touches_the_frame(style, num_points):
    """Closing must not bridge from the shape to the edge of the picture."""
    rim = draw(num_points, style).clone()
    rim[:, 6:-6, 6:-6] = 1
    assert (rim > 0.95).all()


def test_closing_keeps_what_is_there_and_does_not_lean_on_the_edge():
    picture = torch.full((30, 30), -torch.inf)
    picture[2, 4], picture[25, 20] = -1.0, -2.0
    for reach in (3, 12):
        assert torch.equal(close_gaps(picture, reach), picture)
    picture[2, 9] = -3.0
    closed = close_gaps(picture, 3)
    assert (closed[2, 4:10] == torch.tensor([-1.0, -3, -3, -3, -3, -3])).all()
    assert (closed >= picture).all()


@pytest.mark.parametrize("reach", [0, 1, 2, 5, 12])
def test_an_octagon_is_a_square_with_its_corners_cut(reach):
    dot = torch.full((41, 41), -torch.inf)
    dot[20, 20] = 1.0
    cut = corner_cut(reach)
    found = octagon_max(dot, reach, cut) == 1
    rows, columns = torch.meshgrid(torch.arange(41) - 20, torch.arange(41) - 20, indexing="ij")
    flat = reach - 2 * cut
    expected = (rows.abs() <= reach) & (columns.abs() <= reach) & (rows.abs() + columns.abs() <= 2 * flat + 2 * cut)
    if cut == 0 or flat > 0:
        assert torch.equal(found, expected)


def test_octagons_know_the_edge():
    image = torch.randn(2, 13, 17, generator=torch.Generator().manual_seed(0))
    larger = torch.nn.functional.pad(image, (20,) * 4, value=-torch.inf)
    assert torch.equal(octagon_max(image, 6, 2), octagon_max(larger, 6, 2)[:, 20:-20, 20:-20])

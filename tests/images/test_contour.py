"""The contour style and fitted normals: against brute force, and by what they keep."""

import math

import numpy as np
import pytest
import torch
from support.solids import box

from pointclip import images
from pointclip.cameras.projection import fit_to_frame, project
from pointclip.cameras.rigs import views
from pointclip.errors import InputError
from pointclip.images.depth import MAX_BILATERAL_PX, bilateral
from pointclip.images.surface import closing_radius


def draw(points, style, rig="ring-2", normals=None, size=64, **settings):
    normals = None if normals is None else normals[None]
    return images.render(points[None], views(rig), images.style(style, **settings), size, normals)[0]


def contour_by_loops(uvz, size, reach, sigma_z, near, far):
    """Nearest point per pixel, nearest in a square, bilateral mean, tone over all views."""
    maps = []
    for view in uvz:
        depth = np.full((size, size), np.inf)
        for u, v, z in view:
            r, c = math.floor(v), math.floor(u)
            depth[r, c] = min(depth[r, c], z)
        wide = np.full((size, size), np.inf)
        for r in range(size):
            for c in range(size):
                wide[r, c] = depth[max(0, r - reach) : r + reach + 1, max(0, c - reach) : c + reach + 1].min()
        smooth = np.full((size, size), np.inf)
        k = min(reach, MAX_BILATERAL_PX)
        for r in range(size):
            for c in range(size):
                if wide[r, c] == np.inf:
                    continue
                total = weights = 0.0
                for i in range(max(0, r - k), min(size, r + k + 1)):
                    for j in range(max(0, c - k), min(size, c + k + 1)):
                        if wide[i, j] < np.inf:
                            apart = ((i - r) ** 2 + (j - c) ** 2) / (2 * (k / 2) ** 2)
                            weight = math.exp(-apart - (wide[i, j] - wide[r, c]) ** 2 / (2 * sigma_z**2))
                            total, weights = total + weight * wide[i, j], weights + weight
                smooth[r, c] = total / weights
        maps.append(smooth)
    maps = np.stack(maps)
    seen = maps < np.inf
    low, high = maps[seen].min(), maps[seen].max()
    return np.where(seen, near + (far - near) * (np.where(seen, maps, low) - low) / (high - low), 1.0)


@pytest.mark.parametrize("num_points", [60, 400])
def test_contour_is_dilation_bilateral_filter_and_tone(num_points):
    points = box(num_points, (1.0, 0.6, 0.3), seed=2)[0].double()
    size = 48
    uvz = fit_to_frame(project(points[None], views("ring-2"), (size, size)), (size, size), 0.06)
    (reach,) = closing_radius(uvz, (size, size), 1.0)
    extent = (uvz[0, :, :, 2].amax(1) - uvz[0, :, :, 2].amin(1)).max().item()
    expected = contour_by_loops(uvz[0].tolist(), size, reach, 0.05 * extent, 0.1, 0.8)
    found = draw(points, "contour", size=size)
    assert np.abs(found[:, 0].numpy() - expected).max() < 1e-6


def test_contour_keeps_an_edge_that_a_gaussian_would_lose():
    """Two walls, one half in front of the other: the step is one pixel wide; the wide smoothing of V2's picture is
    not."""
    step = torch.full((9, 12), 2.0)
    step[:, :6] = 1.0
    kept = bilateral(step, step > 0, reach=4, depth_sigma=0.1)
    torch.testing.assert_close(kept, step, atol=1e-5, rtol=0)
    lost = bilateral(step, step > 0, reach=4, depth_sigma=1e6)
    assert (lost - step).abs().max() > 0.3


def test_contour_smooths_noise_within_a_surface():
    generator = torch.Generator().manual_seed(0)
    rough = 2 + 0.02 * torch.randn(20, 20, generator=generator)
    smooth = bilateral(rough, rough > 0, reach=4, depth_sigma=0.1)
    assert smooth.std() < 0.4 * rough.std()


def test_fitted_normals_draw_nearly_the_given_ones():
    points, normals = box(8000)
    given, fitted = draw(points, "shaded", normals=normals), draw(points, "shaded", normals_from="fit")
    inside = (given < 0.95) & (fitted < 0.95)
    assert (given - fitted).abs()[inside].median() < 0.02
    again = draw(points, "shaded", normals=torch.roll(normals, 1, 1), normals_from="fit")
    assert torch.equal(again, fitted)


def test_normals_from_chooses():
    points, normals = box(3000)
    wrong = torch.roll(normals, 1, 1)
    none = draw(points, "shaded")
    assert torch.equal(draw(points, "shaded", normals=wrong, normals_from="depth"), none)
    assert not torch.equal(draw(points, "shaded", normals=wrong), none)
    with pytest.raises(InputError, match="normals_from='given' needs normals"):
        draw(points, "shaded", normals_from="given")
    assert draw(points[:2], "shaded", normals_from="fit").isfinite().all()


@pytest.mark.parametrize(
    ("style", "setting", "message"),
    [
        ("shaded", {"normals_from": "dept"}, "did you mean 'depth'"),
        ("shaded", {"neighbours": 2}, "at least 3"),
        ("shaded", {"light": (0, 0, 0)}, "not all zero"),
        ("shaded", {"ambient": 2}, "between 0 and 1"),
        ("depth", {"near": -0.5}, "between 0 and 1"),
        ("depth", {"margin": 0.5}, "below 0.5"),
        ("contour", {"depth_sigma": 0.0}, "above 0"),
        ("soft", {"tau": 0.0}, "above 0"),
        ("pointclip", {"distance": -1.0}, "above 0"),
        ("pointclip", {"resolution": 0}, "at least 1"),
        ("realistic", {"margin": 0.1}, "Realistic has no setting 'margin'"),
    ],
)
def test_settings_out_of_range_are_refused(style, setting, message):
    with pytest.raises(InputError, match=message):
        images.style(style, **setting)


def test_light_from_the_right_darkens_what_faces_left():
    points, normals = box(20_000)
    right = draw(points, "shaded", rig="ring-1", normals=normals, light=(1.0, 0.0, 0.0), ambient=0.0)
    left = draw(points, "shaded", rig="ring-1", normals=normals, light=(-1.0, 0.0, 0.0), ambient=0.0)
    columns = (right[0, 0] < 1).any(0).nonzero()
    start, end = columns.min() + 4, columns.max() - 4
    row = 40
    assert right[0, 0, row, end] > right[0, 0, row, start]
    assert left[0, 0, row, start] > left[0, 0, row, end]


def test_unfitted_pictures_show_the_cloud_where_the_camera_sees_it():
    points, _ = box(2000)
    small, large = (draw(points * scale, "depth", fit=False, near=0.0, far=0.0) for scale in (0.2, 0.4))
    assert 3 < (large < 0.5).sum() / (small < 0.5).sum() < 5
    fitted = [draw(points * scale, "depth", near=0.0, far=0.0) for scale in (0.2, 0.4)]
    assert 0.8 < (fitted[1] < 0.5).sum() / (fitted[0] < 0.5).sum() < 1.25


def test_contour_of_two_clouds_has_the_gradients_of_each_alone():
    clouds = torch.stack([box(500, (1.0, 0.6, 0.3), seed=seed)[0] for seed in (0, 1)])

    def gradient(points):
        points = points.clone().requires_grad_()
        images.render(points, views("ring-2"), images.style("contour"), 32).square().sum().backward()
        return points.grad

    torch.testing.assert_close(gradient(clouds), torch.cat([gradient(clouds[:1]), gradient(clouds[1:])]))

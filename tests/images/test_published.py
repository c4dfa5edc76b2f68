"""The published projections against transcriptions of their description, pixel by pixel."""

import numpy as np
import pytest
import torch
from support.papers import SIX, TEN, V2, paper_depth, resize, v2_picture
from support.solids import box, letter_f

import pointclip as pc
from pointclip import images
from pointclip.cameras.rigs import views
from pointclip.clip.frozen import FrozenClip
from pointclip.weights import loading as weights


def cloud(seed, count=300):
    """Random points; one corner lies behind the paper's camera and several outside its frame."""
    points = torch.randn(count, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * 0.5
    points[0] = torch.tensor([2.0, 2.0, 2.0])
    return points


def render(points, rig, style, size=224, **settings):
    return images.render(points[None], views(rig), images.style(style, **settings), size)[0]


@pytest.mark.parametrize(
    ("rig", "angles", "resolution", "distance"),
    [("pointclip-6", SIX, 128, 1.6), ("pointclip-10", TEN, 224, 1.4)],
)
def test_pointclip_is_the_papers_depth_map(rig, angles, resolution, distance):
    points = cloud(0)
    found = render(points, rig, "pointclip", resolution)
    assert found.shape == (len(angles), 3, resolution, resolution)
    for picture, triple in zip(found, angles, strict=True):
        expected = paper_depth(points.numpy(), triple, resolution, distance)
        assert (expected > 0).sum() > 100
        for channel in picture:
            assert np.abs(channel.numpy() - expected).max() < 1e-6


def test_pointclip_is_resized_with_corners_on_corners():
    points = cloud(1)
    found = render(points, "pointclip-6", "pointclip", 224)[2, 0]
    expected = resize(paper_depth(points.numpy(), SIX[2], 128, 1.6), 224)
    assert np.abs(found.numpy() - expected).max() < 1e-6


def test_pointclip_takes_other_constants():
    points = cloud(2)
    found = render(points, "pointclip-10", "pointclip", 32, resolution=32, distance=2.0)[5, 0]
    assert np.abs(found.numpy() - paper_depth(points.numpy(), TEN[5], 32, 2.0)).max() < 1e-6


def test_realistic_is_v2s_picture():
    points = cloud(3)
    found = render(points, "realistic-10", "realistic", 110)
    for picture, angles in zip(found, V2, strict=True):
        assert np.abs(picture[0].numpy() - v2_picture(points.numpy(), angles)).max() < 1e-6


def test_realistic_is_resized_with_corners_on_corners():
    points = cloud(4)
    found = render(points, "realistic-10", "realistic", 224)[8, 1]
    assert np.abs(found.numpy() - resize(v2_picture(points.numpy(), V2[8]), 224)).max() < 1e-6


def stem_is_left(picture):
    """Tell whether a letter F has its stem, the fullest columns, on the left."""
    ink = (picture - picture[0, 0]).abs() > 0.05
    columns = ink.any(0).nonzero()
    first, last = columns.min().item(), columns.max().item()
    return ink[:, first : first + 6].sum() > ink[:, last - 5 : last + 1].sum()


def test_the_papers_picture_is_mirrored_and_v2s_is_not():
    """Both are documented: the F of the front view reads backwards in the paper's depth map alone."""
    points, front = letter_f(), views("pointclip-6").names.index("from +z")
    assert not stem_is_left(render(points, "pointclip-6", "pointclip", 128)[front, 0])
    assert stem_is_left(render(points, "pointclip-6", "realistic", 110)[front, 0])


def test_the_papers_picture_sees_through_a_wall():
    near, _ = box(3000, (1.0, 1.0, 0.001))
    far = near - torch.tensor([0.0, 0.0, 0.5])
    front = views("pointclip-6").names.index("from +z")
    one, both = (render(points, "pointclip-6", "pointclip", 128)[front, 0] for points in (near, torch.cat([near, far])))
    assert (both > one + 0.05)[40:88, 40:88].float().mean() > 0.1


def test_the_model_feeds_the_papers_depths_as_they_are(tiny, own_cache):
    """Neither the cloud nor the picture is normalised: features equal the bare tower's on the bare depth map."""
    loaded = weights.random("tiny-vit", seed=1)
    model = pc.PointCLIP(FrozenClip(loaded, "cpu", "fp32"), views="pointclip-6", style="pointclip")
    points = box(500)[0][None] * 0.7 + 0.1
    depth = images.render(points, views("pointclip-6"), images.style("pointclip"), 32)
    assert torch.equal(model.render(points), depth) and depth.max() > 1
    with torch.inference_mode():
        expected = loaded.model.encode_image(depth[0], normalize=True)
    torch.testing.assert_close(model.encode_views(points)[0], expected, atol=1e-5, rtol=1e-4)
    both = pc.PointCLIP(model.clip, "pointclip-6", images.style("pointclip", unit_sphere=True, clip_normalized=True))
    scaled = both.render(points * 9 + 5)
    torch.testing.assert_close(scaled, both.render(points), atol=1e-3, rtol=1e-3)
    assert not torch.allclose(both.encode_views(points), model.encode_views(points), atol=1e-2)


def test_the_model_feeds_v2s_pictures_without_mean_and_deviation(tiny, own_cache):
    """Features are the bare tower's on the transcription's picture, however large and wherever the cloud."""
    loaded = weights.random("tiny-vit", seed=1)
    model = pc.PointCLIP(FrozenClip(loaded, "cpu", "fp32"), views="realistic-10", style="realistic")
    points = cloud(5).float()
    pictures = np.stack([resize(v2_picture(points.numpy(), angles), 32) for angles in V2])
    with torch.inference_mode():
        grey = torch.from_numpy(pictures).float()[:, None].expand(-1, 3, -1, -1)
        expected = loaded.model.encode_image(grey, normalize=True)
    for moved in (points, 8 * points + 4):
        assert torch.nn.functional.cosine_similarity(model.encode_views(moved[None])[0], expected).min() > 1 - 1e-5


@pytest.mark.parametrize("channels", [1, 3])
def test_the_encoder_leaves_mean_and_deviation_out_when_told(channels, tiny, own_cache):
    loaded = weights.random("tiny-rn", seed=1)
    clip = FrozenClip(loaded, "cpu", "fp32")
    pictures = torch.rand(3, channels, 64, 64) * 3
    with torch.inference_mode():
        expected = loaded.model.encode_image(pictures.expand(-1, 3, -1, -1), normalize=True)
    torch.testing.assert_close(clip.encode_images(pictures, normalized=False), expected, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(clip.encode_images(pictures), expected, atol=1e-3)

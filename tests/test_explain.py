"""Explanations add up to the logits, and occlusion finds the part that counts."""

import numpy as np
import pytest
import torch
from support.solids import box

import pointclip as pc
from pointclip import images
from pointclip.cameras.projection import fit_to_frame, project
from pointclip.cameras.rigs import views
from pointclip.clip.frozen import FrozenClip
from pointclip.errors import InputError
from pointclip.explain import Explanation, occlusion, saliency_colors, write_saliency
from pointclip.weights import loading as weights

LABELS = ["chair", "table", "lamp"]


@pytest.fixture
def model(tiny, own_cache):
    clip = FrozenClip(weights.random("tiny-vit", seed=1), "cpu", "fp32")
    return pc.PointCLIP(clip, views="ring-3", style="depth", view_weights=torch.tensor([1.0, 3.0, 0.0]))


def cloud(num_points=600):
    points, normals = box(num_points, (1.0, 0.6, 0.3))
    return pc.PointCloud(points, normals, name="box")


def test_contributions_sum_to_the_logits(model):
    prediction = model.classify(cloud(), LABELS, top_k=1)
    found = prediction.explain()
    assert found.contributions.shape == (3, 3) and found.view_names == views("ring-3").names
    torch.testing.assert_close(found.logits, prediction.logits, atol=1e-4, rtol=1e-5)
    assert (found.contributions[2] == 0).all() and (found.contributions[1] != 0).all()
    torch.testing.assert_close(found.contributions[1], prediction.view_logits[1] * 0.75)
    margins = found.margins(prediction.label)
    ranked = prediction.logits.sort(descending=True).values
    torch.testing.assert_close(margins.sum(), ranked[0] - ranked[1], atol=1e-4, rtol=0)
    assert found.rival(prediction.label) != prediction.label
    with pytest.raises(InputError, match="did you mean 'chair'"):
        found.of_label("chairs")


def test_explanations_of_one_class_and_of_nameless_views():
    alone = Explanation.of(torch.tensor([[4.0], [2.0]]), ("chair",))
    assert alone.margins("chair").tolist() == [2, 1] and alone.rival("chair") == "chair"
    assert alone.view_names == ("view 1", "view 2")
    with pytest.raises(InputError):
        Explanation.of(torch.zeros(2, 3), ("chair",))


def test_what_an_adapter_adds_is_told_apart():
    views_say = torch.tensor([[4.0, 1.0], [2.0, 1.0]])
    found = Explanation.of(views_say, ("a", "b"), logits=torch.tensor([5.0, 0.0]))
    assert found.contributions.tolist() == [[2, 0.5], [1, 0.5]] and found.shared.tolist() == [2, -1]
    assert found.logits.tolist() == [5, 0]
    rounded = Explanation.of(views_say, ("a", "b"), logits=torch.tensor([3.00001, 1.0]))
    assert (rounded.shared == 0).all()


class ByRight(torch.nn.Module):
    """A stand-in for a model whose first class is the ink in the right half of the picture, its second a constant."""

    def __init__(self):
        super().__init__()
        self.views, self.style, self.device = views("pointclip-6"), images.style("depth"), torch.device("cpu")
        self.clip, self.head, self.image_size = self, None, 32

    def style_for(self, normals):
        return self.style

    def encode_labels(self, labels):
        return torch.eye(2)

    def encode_images(self, pictures, normalized=True):
        ink = (pictures[:, 0, :, 16:] < 0.95).float().mean((1, 2))
        return torch.stack([ink, torch.zeros_like(ink)], dim=1)

    def logits(self, features, text):
        return features[:, 2]


def test_occlusion_finds_the_half_that_counts():
    """Seen from the front, only what lies at x > 0 is in the right half; the frame must not move when it goes."""
    shape = cloud(2000)
    found = occlusion(ByRight(), shape, ["ink", "none"], "ink", patches=16)
    assert found.shape == (2000,)
    right, left = shape.points[:, 0] > 0.15, shape.points[:, 0] < -0.15
    assert found[right].mean() > 0.005
    assert found[left].abs().mean() < 0.1 * found[right].mean()


def test_occlusion_of_the_whole_model(model):
    shape = cloud(300)
    before = shape.points.clone()
    found = occlusion(model, shape, LABELS, "table", patches=5)
    assert found.isfinite().all() and len(found.unique()) <= 5 and found.abs().max() > 0
    assert torch.equal(shape.points, before)
    assert torch.equal(found, occlusion(model, shape, LABELS, "table", patches=5))
    with pytest.raises(InputError, match="did you mean"):
        occlusion(model, shape, LABELS, "tables")
    with pytest.raises(InputError, match="at least 2"):
        occlusion(model, shape, LABELS, "table", patches=1)


def test_fit_to_another_frame():
    """Half of a cloud, drawn in the whole cloud's frame, lands where it lies in the whole picture."""
    points = cloud(400).points[None]
    rig, size = views("ring-2"), (64, 64)
    whole = project(points, rig, size)
    expected = fit_to_frame(whole, size)[:, :, :200]
    torch.testing.assert_close(fit_to_frame(whole[:, :, :200], size, frame=whole), expected)


def test_colours_of_saliency():
    rgb = saliency_colors(torch.tensor([2.0, 1.0, 0.0, -1.0, -2.0]))
    assert rgb.min() >= 0 and rgb.max() <= 1
    assert rgb[0, 0] > rgb[0, 2] and rgb[4, 2] > rgb[4, 0] and len(set(rgb[2].tolist())) == 1
    assert (saliency_colors(torch.zeros(3)) == rgb[2]).all()


def test_saliency_is_written_and_read_back(tmp_path):
    import trimesh

    points, values = torch.rand(50, 3), torch.randn(50)
    write_saliency(tmp_path / "s.ply", points, values)
    back = trimesh.load(tmp_path / "s.ply")
    assert np.allclose(back.vertices, points.numpy())
    assert np.abs(back.colors[:, :3] / 255 - saliency_colors(values).numpy()).max() < 0.003
    raw = (tmp_path / "s.ply").read_bytes()
    rows = np.frombuffer(raw[raw.index(b"end_header\n") + 11 :], dtype=[("a", "V15"), ("s", "<f4")])
    assert np.array_equal(rows["s"], values.numpy())
    again = pc.load(tmp_path / "s.ply", normalize=False)
    assert len(again) == 50 and again.colors is not None
    with pytest.raises(InputError, match="no folder"):
        write_saliency(tmp_path / "no" / "s.ply", points, values)

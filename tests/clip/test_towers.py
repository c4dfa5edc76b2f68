"""The fast form of an image tower gives open_clip's own numbers, and every patch that sees something is looked at."""

import copy
import logging
from functools import partial
from unittest.mock import Mock

import open_clip
import pytest
import timm
import torch
from support.next_open_clip import with_next_attention, with_unknown_attention
from torch import nn

from pointclip.clip import folding, precision, towers
from pointclip.clip import patches as background
from pointclip.clip.frozen import FrozenClip
from pointclip.errors import InputError
from pointclip.model import PointCLIP
from pointclip.weights import loading as weights


@pytest.fixture(autouse=True)
def kept(own_cache):
    """Use an empty cache folder in every test here."""
    return own_cache


def stirred(tower: nn.Module, seed: int = 0) -> nn.Module:
    """Give every parameter and running statistic a value that plays a part; fresh networks have zeros and ones."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in (*tower.parameters(), *tower.buffers()):
            if tensor.is_floating_point() and tensor.ndim == 1:
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
    return tower.eval()


def images(side: int, count: int = 3) -> torch.Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("arch", ["tiny-vit", "tiny-vit-quickgelu", "tiny-rn"])
def test_the_fast_form_is_open_clips_forward(arch, tiny):
    loaded = weights.random(arch, seed=2)
    tower = stirred(loaded.model.visual)
    before = {name: tensor.clone() for name, tensor in tower.state_dict().items()}
    quick = towers.quickened(tower)
    batch = images(loaded.image_size)
    with torch.no_grad():
        assert torch.allclose(quick(batch), tower(batch), rtol=1e-4, atol=1e-5)
    assert all(torch.equal(before[name], tensor) for name, tensor in tower.state_dict().items())
    if arch == "tiny-rn":
        assert not any(isinstance(module, nn.BatchNorm2d) for module in quick.modules())
        assert any(isinstance(module, towers.OneQueryPool) for module in quick.modules())
    else:
        assert isinstance(quick, towers.VisionTower)


def test_the_fast_form_of_embedded():
    loaded = weights.load("embedded")
    tower = loaded.model.visual
    quick = towers.quickened(tower)
    assert any(isinstance(module, nn.BatchNorm2d) for module in tower.modules())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in quick.modules())
    batch = images(loaded.image_size, 1)
    with torch.no_grad():
        assert torch.allclose(quick(batch), tower(batch), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("bias", [True, False])
def test_folding_keeps_scale_shift_and_bias(bias):
    pair = stirred(nn.Sequential(nn.Conv2d(3, 6, 3, groups=3, bias=bias), nn.BatchNorm2d(6, eps=0.1), nn.ReLU()), 3)
    quick = towers.quickened(pair)
    assert [type(step) for step in quick] == [nn.Conv2d, nn.Sequential, nn.ReLU]
    assert torch.allclose(quick(images(8)), pair(images(8)), atol=1e-5)
    assert towers.quickened(nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU())) is None


def test_a_norm_that_follows_no_convolution_stays():
    net = stirred(nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 1), nn.ReLU(), nn.BatchNorm2d(4)))
    assert towers.quickened(net) is None


@pytest.mark.parametrize("sides", [(12, 12), (13, 13), (12, 9), (2, 1)])
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("groups", [1, 3])
def test_tensorflows_padding_is_folded_for_even_and_odd_sides(sides, kernel, groups):
    same = timm.layers.Conv2dSame(3, 6, kernel, stride=2, groups=groups)
    quick = towers.quickened(nn.Sequential(same).eval())
    assert isinstance(quick[0], folding.EvenStride)
    batch = torch.randn(2, 3, *sides, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(quick(batch), same(batch), atol=1e-5)
    assert same.weight.shape[-1] == kernel, "the original was changed"


@pytest.mark.parametrize("how", [{"stride": 1}, {"dilation": 2}, {"kernel_size": (3, 5)}, {"kernel_size": 1}])
def test_another_padding_stays(how):
    conv = timm.layers.Conv2dSame(3, 6, **{"kernel_size": 3, "stride": 2} | how)
    assert towers.quickened(nn.Sequential(conv).eval()) is None


def test_one_query_is_one_row_of_full_attention():
    generator = torch.Generator().manual_seed(1)
    attention = nn.MultiheadAttention(12, 3, batch_first=True).eval()
    with torch.no_grad():
        attention.in_proj_bias.normal_(generator=generator)
        tokens = torch.randn(2, 5, 12, generator=generator)
        expected = attention(tokens[:, 3:4], tokens, tokens, need_weights=False)[0][:, 0]
        (q, k, v), (q_bias, _, v_bias) = attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3)
        found = towers.attend_once(nn.functional.linear(tokens[:, 3], q, q_bias), tokens, k, v, v_bias, 3)
        assert torch.allclose(attention.out_proj(found), expected, atol=1e-6)


def test_another_structure_runs_open_clips_own_forward(tiny, caplog):
    loaded = weights.random("tiny-vit")
    loaded.model.visual.pool_type = "avg"
    with caplog.at_level(logging.INFO, "pointclip"):
        clip = FrozenClip(loaded, "cpu", "fp32")
    assert "its pool differ" in caplog.text
    assert isinstance(clip.image_tower, open_clip.transformer.VisionTransformer)


def test_the_attention_of_the_next_release_is_known(tiny):
    today = weights.random("tiny-vit", seed=2).model.visual
    tower = stirred(with_next_attention(copy.deepcopy(today)))
    batch = images(32)
    with torch.no_grad():
        assert torch.allclose(tower(batch), stirred(today)(batch), atol=1e-5), "the stand-in is no attention of CLIP"
        assert isinstance(towers.quickened(tower), towers.VisionTower)
        assert torch.allclose(towers.quickened(tower)(batch), tower(batch), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("change", [partial(with_next_attention, qk_norm=True), with_unknown_attention])
def test_an_attention_with_more_than_clips_tensors_runs_open_clips_own_forward(tiny, change):
    loaded = weights.random("tiny-vit")
    change(loaded.model.visual)
    clip = FrozenClip(loaded, "cpu", "fp32")
    assert isinstance(clip.image_tower, open_clip.transformer.VisionTransformer)
    assert clip.encode_images(torch.rand(1, 3, 32, 32)).shape == (1, 16)


@pytest.mark.parametrize("place", ["quickened", "forward"])
def test_no_surprise_in_a_tower_becomes_an_exception(tiny, monkeypatch, caplog, place):
    loaded = weights.random("tiny-vit")
    owner = towers if place == "quickened" else towers.VisionTower
    monkeypatch.setattr(owner, place, Mock(side_effect=AttributeError("no bias_k")))
    with caplog.at_level(logging.WARNING, "pointclip"):
        clip = FrozenClip(loaded, "cpu", "fp32")
    assert "the image tower has no fast form here (AttributeError: no bias_k)" in caplog.text
    assert isinstance(clip.image_tower, open_clip.transformer.VisionTransformer)


def test_a_fast_form_with_other_answers_is_refused(tiny, monkeypatch, caplog):
    loaded = weights.random("tiny-vit")
    wrong = copy.deepcopy(loaded.model.visual)
    nn.init.normal_(wrong.proj)
    monkeypatch.setattr(towers, "quickened", lambda tower: wrong)
    with caplog.at_level(logging.WARNING, "pointclip"):
        clip = FrozenClip(loaded, "cpu", "fp32")
    assert "open_clip's own forward runs" in caplog.text
    assert torch.equal(clip.image_tower.proj, loaded.model.visual.proj)


def test_the_check_of_the_form_is_remembered(tiny, monkeypatch):
    loaded = weights.random("tiny-vit")
    FrozenClip(loaded, "cpu", "fp32")
    monkeypatch.setattr(precision, "_cosine", lambda *given: pytest.fail("measured again"))
    assert isinstance(FrozenClip(loaded, "cpu", "fp32").image_tower, towers.VisionTower)


@pytest.mark.parametrize("arch", ["tiny-vit-quickgelu", "tiny-rn"])
def test_gradients_reach_the_images_as_through_the_original(arch, tiny):
    loaded = weights.random(arch, seed=4)
    tower = stirred(loaded.model.visual).requires_grad_(False)
    grads = []
    for each in (tower, towers.quickened(tower)):
        batch = images(loaded.image_size).requires_grad_()
        each(batch).square().sum().backward()
        grads.append(batch.grad)
    assert torch.allclose(*grads, rtol=1e-3, atol=1e-5 * grads[0].abs().max().item())


@pytest.fixture
def pair(tiny):
    """A clip that looks at everything and one that leaves out the background; patches of 8 of 32 pixels."""
    loaded = weights.random("tiny-vit", seed=6)
    return FrozenClip(loaded, "cpu", "fp32"), FrozenClip(loaded, "cpu", "fp32", skip_background=True)


def spots(*places: tuple[int, int]) -> torch.Tensor:
    """Draw one picture per place, (B, 1, 32, 32): a ramp of 4 pixels on 0.7."""
    pictures = torch.full((len(places), 1, 32, 32), 0.7)
    for picture, (row, column) in zip(pictures, places, strict=True):
        picture[0, row : row + 4, column : column + 4] = torch.linspace(0, 0.5, 16).view(4, 4)
    return pictures


def test_where_nothing_is_blank_nothing_changes(pair):
    full, skipping = pair
    pictures = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(skipping.encode_images(pictures), full.encode_images(pictures))
    empty = torch.full((2, 1, 32, 32), 0.7)
    assert torch.equal(skipping.encode_images(empty), full.encode_images(empty))


def test_blank_patches_do_not_enter(pair):
    full, skipping = pair
    pictures = spots((2, 2), (12, 12), (27, 2))
    lengths = []
    skipping.image_tower.register_forward_pre_hook(lambda _, given: lengths.append(tuple(given[1].shape)))
    found = skipping.encode_images(pictures)
    assert lengths == [(2, 8), (1, 16)]  # a corner and its ring are 4 patches, the middle one and its ring 9 of 16
    tower = full.image_tower
    normalised = ((pictures - torch.tensor(full.mean).view(3, 1, 1)) / torch.tensor(full.std).view(3, 1, 1))[:1]
    by_hand = tower(normalised, torch.tensor([[0, 1, 2, 4, 5, 6, 8, 9]]))
    assert torch.allclose(found[0], nn.functional.normalize(by_hand[0], dim=0), atol=1e-6)
    assert not torch.allclose(found[0], full.encode_images(pictures)[0], atol=1e-4)


def test_order_and_batches_change_nothing(pair):
    _, skipping = pair
    pictures = torch.cat([spots((2, 2), (12, 12), (27, 27), (20, 4)), torch.rand(1, 1, 32, 32)])
    whole = skipping.encode_images(pictures)
    singly = torch.cat([skipping.encode_images(picture[None]) for picture in pictures])
    assert torch.allclose(whole, singly, atol=1e-6)
    order = torch.tensor([3, 0, 4, 2, 1])
    assert torch.allclose(skipping.encode_images(pictures[order]), whole[order], atol=1e-6)
    skipping.batch_size = 1
    assert torch.allclose(skipping.encode_images(pictures), whole, atol=1e-6)


def test_background_is_what_most_of_the_rim_shows():
    picture = torch.full((1, 3, 32, 32), 0.2)
    picture[:, 1, :6] = 0.9  # the shape reaches the rim, in one channel
    assert background.seen_patches(picture, 8)[0].any(1).tolist() == [True, False, False, False]
    assert background.seen_patches((picture * 255).byte(), 8).sum() == 4


def test_gradients_flow_past_what_is_left_out(pair):
    pictures = spots((2, 2), (12, 12)).requires_grad_()
    pair[1].encode_images(pictures).square()[:, 0].sum().backward()
    assert pictures.grad[0, 0, :8, :8].abs().sum() > 0
    assert pictures.grad[0, 0, 24:, 24:].abs().sum() == 0


def test_skip_background_needs_a_vit(tiny):
    with pytest.raises(InputError, match="needs a ViT of open_clip with a class token.*tiny-rn.*leave it out"):
        FrozenClip(weights.random("tiny-rn"), "cpu", "fp32", skip_background=True)
    with pytest.raises(InputError, match="embedded"):
        PointCLIP.from_pretrained("embedded", device="cpu", precision="fp32", skip_background=True)


def test_features_without_background_are_kept_apart(pair):
    keys = {PointCLIP(clip, "ring-2").feature_spec.key for clip in pair}
    assert len(keys) == 2

"""The frozen CLIP gives open_clip's features, keeps its towers as they are, and encodes each label set once."""

import logging

import pytest
import torch
from support.tiny_towers import CONFIGS
from torch.nn.functional import normalize

from pointclip.clip import precision
from pointclip.clip.frozen import FrozenClip, pick_device
from pointclip.errors import InputError
from pointclip.prompts import sentences as prompts
from pointclip.weights import loading as weights

ARCHS = ("tiny-vit", "tiny-rn")


@pytest.fixture(autouse=True)
def kept(own_cache):
    """Use an empty cache folder in every test here."""
    return own_cache


@pytest.fixture(params=ARCHS)
def loaded(request, tiny):
    return weights.random(request.param, seed=1)


@pytest.fixture
def clip(loaded):
    return FrozenClip(loaded, "cpu", "fp32")


def pictures(clip, count=5, channels=3):
    draw = torch.Generator().manual_seed(0)
    return torch.rand(count, channels, clip.image_size, clip.image_size, generator=draw)


def test_image_features_are_open_clips(clip, loaded):
    images = pictures(clip)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (loaded.mean, loaded.std))
    with torch.inference_mode():
        expected = loaded.model.encode_image((images - mean) / std, normalize=True)
    found = clip.encode_images(images)
    assert torch.allclose(found, expected, atol=2e-6)
    assert torch.allclose(found.norm(dim=1), torch.ones(5))
    assert found.shape[1] == clip.embed_dim == CONFIGS[loaded.name.split()[-1]]["embed_dim"]


def test_text_features_equal_open_clips_to_the_last_digit(loaded):
    sentences = prompts.sentences(["chair", "tv_stand", "lamp"], prompts.templates("imagenet-80"))
    for wish in ("fp32", "bf16"):
        clip = FrozenClip(loaded, "cpu", wish)
        found = clip.encode_sentences(sentences[:200])
        with torch.inference_mode():
            assert torch.equal(found, loaded.model.encode_text(loaded.tokenizer(sentences[:200]), normalize=True))


def test_many_sentences_go_in_batches(clip):
    sentences = [f"chair number {index}" for index in range(300)]
    assert torch.allclose(clip.encode_sentences(sentences)[299:], clip.encode_sentences(sentences[299:]), atol=1e-6)


def test_grey_is_three_equal_channels_and_bytes_are_255ths(clip):
    grey = (pictures(clip, channels=1) * 255).round() / 255
    expected = clip.encode_images(grey.expand(-1, 3, -1, -1))
    assert torch.equal(clip.encode_images(grey), expected)
    assert torch.allclose(clip.encode_images((grey * 255).round().byte()), expected, atol=1e-6)


def test_batches_change_nothing(loaded):
    clip = FrozenClip(loaded, "cpu", "fp32", batch_size=2)
    images = pictures(clip)
    sizes = []
    clip.image_tower.register_forward_pre_hook(lambda module, given: sizes.append(len(given[0])))
    assert torch.allclose(
        clip.encode_images(images), FrozenClip(loaded, "cpu", "fp32").encode_images(images), atol=1e-6
    )
    assert sizes == [2, 2, 1]


def test_gradients_reach_the_images_and_only_them(clip):
    images = pictures(clip).requires_grad_()
    clip.encode_images(images)[:, 0].sum().backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in clip.parameters())


def test_features_can_be_trained_on(clip):
    layer = torch.nn.Linear(clip.embed_dim, 2)
    features, text = clip.encode_images(pictures(clip)), clip.encode_labels(["a", "b"])
    (layer(features).sum() + layer(text).sum() + layer(clip.encode_sentences(["c"])).sum()).backward()
    assert layer.weight.grad is not None


def test_eval_stays_eval(clip):
    torch.nn.Sequential(clip).train()
    assert not any(module.training for module in clip.modules())


def test_what_was_loaded_stays_as_it_is(loaded):
    before = {name: tensor.clone() for name, tensor in loaded.model.state_dict().items()}
    clip = FrozenClip(loaded, "cpu", "bf16")
    clip.encode_images(pictures(clip))
    after = loaded.model.state_dict()
    assert after.keys() == before.keys()
    assert all(
        torch.equal(after[name], tensor) and after[name].dtype == tensor.dtype for name, tensor in before.items()
    )
    assert {p.dtype for p in clip.image_tower.parameters()} == {torch.bfloat16}
    assert {p.dtype for p in clip.text_model.parameters()} == {torch.float32}


def test_no_second_copy_of_weights_in_fp32(tiny):
    loaded = weights.random("tiny-vit")
    clip = FrozenClip(loaded, "cpu", "fp32")
    shared = {tensor.data_ptr() for tensor in loaded.model.parameters()}
    assert {p.data_ptr() for p in clip.parameters()} == shared
    assert not hasattr(clip.text_model, "visual")


def test_bf16_keeps_the_direction(loaded):
    exact, low = FrozenClip(loaded, "cpu", "fp32"), FrozenClip(loaded, "cpu", "bf16")
    images = pictures(exact)
    assert low.encode_images(images).dtype == torch.float32
    assert torch.cosine_similarity(exact.encode_images(images), low.encode_images(images)).min() > 0.999


def test_convolutions_lie_channels_last(tiny):
    for arch, last in (("tiny-vit", False), ("tiny-rn", True)):
        clip = FrozenClip(weights.random(arch), "cpu", "fp32")
        assert clip.precision.channels_last is last
        kernel = next(p for p in clip.image_tower.parameters() if p.ndim == 4 and min(p.shape) > 1)
        assert kernel.is_contiguous(memory_format=torch.channels_last) is last


@pytest.mark.parametrize(
    ("gain", "cosine", "chosen"),
    [(2.0, 0.9999, "bf16"), (1.05, 0.9999, "fp32"), (7.0, 0.99, "fp32"), (2.0, -1.0, "fp32")],
)
def test_auto_takes_bf16_only_where_it_pays_and_keeps_the_answers(gain, cosine, chosen, loaded, monkeypatch):
    tried = []
    monkeypatch.setattr(precision, "supported", lambda device: ("bf16",))
    monkeypatch.setattr(precision, "_try", lambda *a: tried.append(1) or precision._Trial(gain, cosine))
    for _ in range(2):
        clip = FrozenClip(loaded, "cpu")
        assert clip.precision.name == chosen
        assert f"{gain:.1f} times as fast" in clip.precision.why
        assert next(clip.image_tower.parameters()).dtype == precision.DTYPES[chosen]
    assert tried == [1]


def test_auto_without_support_measures_nothing(loaded, monkeypatch):
    monkeypatch.setattr(precision, "supported", lambda device: ())
    monkeypatch.delattr(precision, "_try")
    assert FrozenClip(loaded, "cpu").precision.why == "fp32: no fast low precision on this cpu"


def test_auto_measures_for_real(loaded, kept, caplog):
    found = precision._try(
        loaded.model.visual, loaded.model.visual, torch.float32, torch.device("cpu"), loaded.image_size
    )
    assert found.cosine == pytest.approx(1.0, abs=1e-5)
    assert found.gain > 0
    low = precision.moved(loaded.model.visual, torch.device("cpu"), torch.bfloat16)
    broken = precision.moved(low, torch.device("cpu"), torch.bfloat16)
    with torch.no_grad():
        for parameter in broken.parameters():
            parameter.copy_(torch.randn_like(parameter))
    trial = precision._try(loaded.model.visual, broken, torch.bfloat16, torch.device("cpu"), loaded.image_size)
    assert not trial.passed


def test_a_damaged_measurement_is_made_anew(loaded, kept, monkeypatch, caplog):
    monkeypatch.setattr(precision, "supported", lambda device: ("bf16",))
    monkeypatch.setattr(precision, "_try", lambda *a: precision._Trial(2.0, 1.0))
    FrozenClip(loaded, "cpu")
    files = list((kept / "precision").iterdir())
    assert len(files) == 2  # the form, the number format
    for damage in ("{", "{}", '{"gain": "x", "cosine": "x"}'):
        for file in files:
            file.write_text(damage)
        with caplog.at_level(logging.WARNING):
            assert FrozenClip(loaded, "cpu").precision.name == "bf16"
        assert all(file.name in caplog.text and file.read_text() != damage for file in files)


def test_labels_are_the_mean_of_unit_templates(clip):
    found = clip.encode_labels(["chair", "tv_stand"], "pointclip")
    every = clip.encode_sentences([t.format(n) for n in ("chair", "tv stand") for t in prompts.templates("pointclip")])
    expected = torch.stack([normalize(every[:2].mean(0), dim=0), normalize(every[2:].mean(0), dim=0)])
    assert torch.allclose(found, expected, atol=1e-6)


def test_each_label_set_is_encoded_once(loaded, kept, monkeypatch):
    clip = FrozenClip(loaded, "cpu", "fp32")
    first = clip.encode_labels(["chair", "lamp"], "shape")
    expected = first.clone()
    first.zero_()
    again = FrozenClip(loaded, "cpu", "bf16")
    for one in (clip, again):
        monkeypatch.setattr(one, "encode_sentences", lambda sentences: pytest.fail("encoded again"))
        assert torch.equal(one.encode_labels(["chair", "lamp"], prompts.templates("shape")), expected)
    for labels, templates in ((["lamp", "chair"], "shape"), (["chair", "lamp"], "single")):
        with pytest.raises(pytest.fail.Exception):
            again.encode_labels(labels, templates)
    other = FrozenClip(weights.random("tiny-vit", seed=9), "cpu", "fp32")
    assert not torch.equal(other.encode_labels(["chair", "lamp"], "shape")[:, :8], expected[:, :8])


def test_a_damaged_text_file_is_made_anew(loaded, kept, caplog):
    expected = FrozenClip(loaded, "cpu", "fp32").encode_labels(["chair"])
    (file,) = (kept / "text").iterdir()
    file.write_bytes(file.read_bytes()[:40])
    with caplog.at_level(logging.WARNING):
        assert torch.equal(FrozenClip(loaded, "cpu", "fp32").encode_labels(["chair"]), expected)
    assert file.name in caplog.text
    assert len(list((kept / "text").iterdir())) == 1
    assert file.stat().st_size > 40


def test_a_cache_that_cannot_be_written_costs_only_time(loaded, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("POINTCLIP_CACHE", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING):
        assert FrozenClip(loaded, "cpu").encode_labels(["chair"]).shape[0] == 1
    assert "could not be written" in caplog.text


def test_bad_images(clip):
    side = clip.image_size
    for shape, words in (
        ((2, 3, side, side + 1), f"{side}, {side}"),
        ((2, 2, side, side), "1 or 3"),
        ((3, side), "must have shape"),
    ):
        with pytest.raises(InputError, match=words):
            clip.encode_images(torch.rand(shape))
    with pytest.raises(InputError, match="floating-point"):
        clip.encode_images(torch.zeros(1, 3, side, side, dtype=torch.int64))
    with pytest.raises(InputError, match="at least one image"):
        clip.encode_images(torch.zeros(0, 3, side, side))


@pytest.mark.parametrize("sentences", ["a chair", [], [3]])
def test_bad_sentences(clip, sentences):
    with pytest.raises(InputError, match="list of at least one string"):
        clip.encode_sentences(sentences)


def test_bad_settings(loaded):
    with pytest.raises(InputError, match="did you mean 'fp16'"):
        FrozenClip(loaded, "cpu", "fp61")
    with pytest.raises(InputError, match="batch_size"):
        FrozenClip(loaded, "cpu", batch_size=0)
    with pytest.raises(InputError, match="cannot be used here"):
        pick_device("gpu")


def test_scale_is_the_models_or_clips_own(loaded):
    assert FrozenClip(loaded, "cpu", "fp32").logit_scale == 100.0

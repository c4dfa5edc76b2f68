"""Every name form loads the same numbers, without network, and gives a model that is ready to use."""

import math
import subprocess
import sys

import open_clip
import pytest
import torch
from support.tiny_towers import FORMS, MEAN, STD, named, publish, write_hub_cache

from pointclip.errors import WeightsError
from pointclip.weights import loading as weights
from pointclip.weights import normalization
from pointclip.weights import openclip as _openclip

CLIP_MEAN = open_clip.OPENAI_DATASET_MEAN


@pytest.mark.parametrize("arch", ["tiny-vit", "tiny-rn"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_loads_the_same_numbers(form, arch, tiny, tmp_path, monkeypatch, no_network):
    name, options, original = named(form, arch, tmp_path, monkeypatch)
    loaded = weights.load(name, **options)
    expected = original.model.state_dict()
    assert {key: tensor.dtype for key, tensor in loaded.model.state_dict().items()} == {
        key: tensor.dtype for key, tensor in expected.items()
    }
    assert all(torch.equal(tensor, expected[key]) for key, tensor in loaded.model.state_dict().items())
    assert loaded.identity == original.identity
    assert loaded.image_size == (32 if arch == "tiny-vit" else 64)
    assert not loaded.model.training
    assert not any(p.requires_grad for p in loaded.model.parameters())
    knows_mean = form in ("local-dir", "hf-hub", "tag")
    assert loaded.mean == (MEAN if knows_mean else CLIP_MEAN)
    assert (loaded.std == STD) == knows_mean
    assert loaded.logit_scale == pytest.approx(1 / 0.07)
    assert no_network == []


@pytest.mark.parametrize("arch", ["tiny-vit", "tiny-rn"])
def test_features_of_a_reloaded_model_are_the_originals(arch, tiny, tmp_path, monkeypatch):
    name, options, original = named("safetensors", arch, tmp_path, monkeypatch)
    loaded = weights.load(name, **options)
    images = torch.rand(2, 3, loaded.image_size, loaded.image_size)
    tokens = loaded.tokenizer(["a chair", "a tv stand"])
    assert torch.equal(tokens, open_clip.get_tokenizer(arch)(["a chair", "a tv stand"]))
    with torch.inference_mode():
        assert torch.equal(loaded.model.encode_image(images), original.model.encode_image(images))
        assert torch.equal(loaded.model.encode_text(tokens), original.model.encode_text(tokens))


@pytest.mark.parametrize("arch", ["ViT-S-32-alt", "RN50-quickgelu"])
def test_real_architectures_from_a_half_precision_file(arch, tmp_path):
    original = weights.random(arch)
    half = {name: t.half() if t.is_floating_point() else t for name, t in original.model.state_dict().items()}
    torch.save(half, tmp_path / "half.pt")
    loaded = weights.load(f"{arch}@{tmp_path}/half.pt")
    assert loaded.image_size == 224
    assert all(torch.equal(t, half[name].to(t.dtype)) for name, t in loaded.model.state_dict().items())


def test_mean_and_std_can_be_given(tiny, tmp_path, monkeypatch):
    name, options, _ = named("pt", "tiny-vit", tmp_path, monkeypatch)
    loaded = weights.load(name, mean=[0.5] * 3, std=[0.25] * 3, **options)
    assert loaded.mean == (0.5,) * 3
    assert loaded.std == (0.25,) * 3
    with pytest.raises(WeightsError, match="std must be three positive numbers"):
        weights.load(name, std=[1.0, 0.0, 1.0], **options)


def test_mean_of_a_file_is_that_of_all_published_weights(tiny, tmp_path, monkeypatch):
    name, _, _ = named("pt", "tiny-vit", tmp_path, monkeypatch)
    publish(monkeypatch, "tiny-vit", "one")
    assert weights.load(name).mean == MEAN
    publish(monkeypatch, "tiny-vit", "two", mean=(0.7, 0.7, 0.7))
    with pytest.raises(WeightsError, match=r"--mean 0.1,0.2,0.3 --std .*tiny-vit/one\) or --mean 0.7,0.7,0.7 --std"):
        weights.load(name)
    assert weights.load(name, mean=MEAN, std=STD).mean == MEAN


def test_the_one_architecture_whose_published_weights_disagree():
    refused = []
    for arch in open_clip.list_models():
        try:
            normalization.refuse_disagreement("x", arch)
        except WeightsError as error:
            refused.append(arch)
            assert "ViT-L-14/laion2b_s32b_b82k" in str(error)
    assert refused == ["ViT-L-14"]


def test_identity_tells_weights_and_activations_apart(tiny, tmp_path, monkeypatch):
    name, _, original = named("pt", "tiny-vit", tmp_path, monkeypatch)
    other_activation = weights.load(name.replace("tiny-vit@", "tiny-vit-quickgelu@"))
    assert len({original.identity, other_activation.identity, weights.random("tiny-vit", seed=4).identity}) == 3


def test_openai_tag_runs_with_quick_gelu(tiny, tmp_path, monkeypatch):
    root = write_hub_cache(tmp_path / "hub", "tiny-vit", weights.random("tiny-vit").model.state_dict())
    publish(monkeypatch, "tiny-vit", "openai", quick_gelu=True)
    loaded = weights.load("tiny-vit/openai", cache_dir=root)
    assert "QuickGELU" in str(loaded.model)
    assert "GELU(approx" not in str(loaded.model)
    right = weights.random("tiny-vit-quickgelu").model
    images = torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(loaded.model.encode_image(images), right.encode_image(images))


def test_other_quick_gelu_tags_are_refused_with_the_right_name(hub_down):
    with pytest.raises(WeightsError, match="ask for ViT-B-16-quickgelu/metaclip_400m"):
        weights.load("ViT-B-16/metaclip_400m")


def test_no_published_name_runs_with_the_wrong_activation():
    names = open_clip.list_pretrained()
    refused = 0
    for arch, tag in names:
        trained = bool(open_clip.get_pretrained_cfg(arch, tag).get("quick_gelu"))
        configured = bool(open_clip.get_model_config(arch).get("quick_gelu"))
        try:
            forced = _openclip.wants_quick_gelu(arch, tag)
        except WeightsError as error:
            refused += 1
            arch_, _, tag_ = str(error).rpartition("ask for ")[2].partition("/")
            assert (arch_, tag_) in names
        else:
            assert forced or configured >= trained
    assert refused > 10


def test_torchscript_archive_as_openai_published(tiny, tmp_path, caplog):
    original = weights.random("tiny-vit-quickgelu")
    image, text = torch.zeros(1, 3, 32, 32), original.tokenizer(["a"])
    path = tmp_path / "openai.pt"
    torch.jit.trace(original.model, (image, text), check_trace=False).save(path)
    caplog.clear()
    loaded = weights.load(f"tiny-vit-quickgelu@{path}")
    state = original.model.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in loaded.model.state_dict().items())
    assert "initialized randomly" not in caplog.text
    with pytest.raises(WeightsError, match="ask for tiny-vit-quickgelu@"):
        weights.load(f"tiny-vit@{path}")


def test_what_is_true_of_random_weights_is_still_said(tiny, caplog):
    weights.random("tiny-vit")
    assert "initialized randomly" in caplog.text


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin"])
def test_a_folder_may_hold_its_weights_in_any_form(suffix, tiny, tmp_path, monkeypatch, caplog):
    name, _, original = named("local-dir", "tiny-vit", tmp_path, monkeypatch)
    (tmp_path / "model" / "open_clip_model.safetensors").unlink()
    caplog.clear()
    torch.save(original.model.state_dict(), tmp_path / "model" / f"model{suffix}")
    loaded = weights.load(name)
    assert loaded.identity == original.identity
    assert loaded.mean == MEAN
    assert "initialized randomly" not in caplog.text


def test_a_siglips_bias_is_kept(tmp_path, known):
    known("tiny-biased", init_logit_bias=-10, init_logit_scale=2.0)
    model = open_clip.create_model("tiny-biased")
    torch.save(model.state_dict(), tmp_path / "w.pt")
    loaded = weights.load(f"tiny-biased@{tmp_path}/w.pt")
    assert loaded.logit_bias == -10
    assert loaded.logit_scale == pytest.approx(math.exp(2))
    assert weights.random("tiny-biased").logit_bias is None


def test_random_is_seeded_and_leaves_the_generator_alone(tiny):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second, third = (weights.random("tiny-vit", seed) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    assert first.identity == second.identity != third.identity
    assert first.logit_scale is None
    assert "random" in first.name


def test_available_lists_what_is_cached(tiny, tmp_path, monkeypatch, no_network):
    root = write_hub_cache(tmp_path / "hub", "tiny-vit", weights.random("tiny-vit").model.state_dict())
    publish(monkeypatch, "tiny-vit")
    publish(monkeypatch, "tiny-rn")
    ready = {row.name: row.ready for row in weights.available(cache_dir=root)}
    assert ready["tiny-vit/test"] and ready["hf-hub:org/tiny-vit"]
    assert not ready["tiny-rn/test"] and not ready["ViT-B-16/openai"]
    assert "embedded" in ready
    assert "ViT-B-16/metaclip_400m" not in ready
    assert "ViT-B-16-quickgelu/metaclip_400m" in ready
    assert no_network == []


def test_import_is_light():
    heavy = "import sys, pointclip.weights, pointclip.clip.frozen as f; print([m for m in ('open_clip', 'timm', "
    heavy += "'transformers', 'torchvision') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

"""The embedded model is put together from the right numbers, and refuses any others."""

import shutil
import subprocess
import sys
import time

import pytest
import torch
from torch.nn.functional import normalize

from pointclip.errors import WeightsError
from pointclip.weights import embedded
from pointclip.weights import loading as weights

SENTENCES = ["a chair", "a rather long sentence about a night stand", "tv stand"]


@pytest.fixture(scope="module")
def head():
    draw = torch.Generator().manual_seed(0)
    weight = torch.randn(384, 1280, generator=draw) / 36
    return embedded.Head(weight, torch.randn(384, generator=draw), 3.0, {"recipe": "{}"})


@pytest.fixture(scope="module")
def built(head):
    return embedded.build(head)


def test_head_survives_a_file(head, tmp_path):
    path = tmp_path / "head.safetensors"
    embedded.save_head(head, path)
    found = embedded.read_head(path)
    assert torch.equal(found.weight, head.weight)
    assert torch.equal(found.bias, head.bias)
    assert (found.logit_scale, found.metadata) == (3.0, {"recipe": "{}"})
    assert [entry.name for entry in tmp_path.iterdir()] == ["head.safetensors"]
    assert embedded.identity(found) == embedded.identity(head)
    other = embedded.Head(head.weight, head.bias + 1e-6)
    assert embedded.identity(other) != embedded.identity(head)


def test_model_is_trunk_then_head(built, head):
    model, _ = built
    images = torch.rand(2, 3, 224, 224) * 2 - 1
    with torch.inference_mode():
        pooled = model.visual.trunk(images)
        assert pooled.shape == (2, 1280)
        expected = pooled @ head.weight.T + head.bias
        assert torch.allclose(model.encode_image(images), expected, atol=1e-4)
    assert model.logit_scale.item() == 3.0


def test_trunk_tensors_go_where_their_names_say(built):
    model, _ = built
    kinds = {
        "_expand_conv": "conv_pw",
        "_depthwise_conv": "conv_dw",
        "_project_conv": "conv_pw",
        "_conv_stem": "conv_stem",
    }
    file = list(embedded._trunk_file().items())
    for (theirs, tensor), (ours, loaded) in zip(file, model.visual.trunk.state_dict().items(), strict=False):
        assert torch.equal(tensor, loaded)
        assert theirs.rpartition(".")[2] == ours.rpartition(".")[2]
        assert ("_bn" in theirs) == ("bn" in ours)
        for there, here in kinds.items():
            assert there not in theirs or here in ours
    assert len(file) == len(model.visual.trunk.state_dict()) + 2
    assert [name for name, _ in file[-2:]] == ["_fc.weight", "_fc.bias"]
    weight, bias = embedded.imagenet_classifier()
    assert (weight.shape, bias.shape) == ((1000, 1280), (1000,))


def test_text_features_are_those_of_the_sentence_encoder(built):
    """Mean over real tokens of transformers' own model, loaded from the same folder by transformers itself."""
    from transformers import AutoTokenizer, BertModel

    model, tokenizer = built
    folder = embedded._text_folder()
    theirs = AutoTokenizer.from_pretrained(folder)(SENTENCES, padding=True, return_tensors="pt")
    assert torch.equal(tokenizer(SENTENCES), theirs["input_ids"])
    bert = BertModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        hidden = bert(**theirs).last_hidden_state
        mask = theirs["attention_mask"][..., None]
        expected = normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1)
        assert torch.equal(model.encode_text(tokenizer(SENTENCES), normalize=True), expected)
        alone = model.encode_text(tokenizer(SENTENCES[0]), normalize=True)
    assert torch.allclose(alone[0], expected[0], atol=1e-6)


def test_a_long_sentence_is_cut(built):
    _model, tokenizer = built
    assert tokenizer(["chair " * 1000]).shape == (1, embedded.MAX_TOKENS)


def test_no_network_no_noise_and_quick(head):
    code = (
        "import socket, time, torch\n"
        "def refuse(*a, **k): raise SystemExit(f'network: {a}')\n"
        "socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse\n"
        "from pointclip.weights import embedded\n"
        "embedded.build(embedded.Head(torch.zeros(384, 1280), torch.zeros(384)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_building_costs_little_beyond_imports(built, head):
    start = time.perf_counter()
    embedded.build(head)
    assert time.perf_counter() - start < 2


def test_loads_by_name(head, tmp_path, monkeypatch, no_network):
    path = tmp_path / "head.safetensors"
    embedded.save_head(head, path)
    monkeypatch.setattr(embedded, "asset", lambda name: path)
    loaded = weights.load("embedded")
    assert (loaded.image_size, loaded.mean, loaded.std) == (224, (0.5,) * 3, (0.5,) * 3)
    assert loaded.logit_scale == pytest.approx(20.0855, abs=1e-3)
    assert loaded.model.visual.preprocess_cfg["mean"] == (0.5,) * 3
    assert not any(parameter.requires_grad for parameter in loaded.model.parameters())
    assert no_network == []


def test_missing_head_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "asset", tmp_path.joinpath)
    with pytest.raises(WeightsError, match=r"embedded_head\.safetensors does not exist"):
        weights.load("embedded")


def test_bad_heads_are_named(head, tmp_path):
    path = tmp_path / "head.safetensors"
    embedded.save_head(embedded.Head(head.weight[:, :7], head.bias), path)
    with pytest.raises(WeightsError, match=r"head\.safetensors must hold a tensor 'weight' of shape \(384, 1280\)"):
        embedded.read_head(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        embedded.read_head(path)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_other_text_files_are_refused(name, tmp_path, monkeypatch):
    copied = tmp_path / "model"
    shutil.copytree(embedded._text_folder(), copied)
    content = bytearray((copied / name).read_bytes())
    content[-2] ^= 1
    (copied / name).write_bytes(content)
    monkeypatch.setattr(embedded, "_text_folder", lambda: copied)
    with pytest.raises(WeightsError, match=f"{name} is not the file that pointclip was tested with"):
        embedded.headless()


def test_another_image_trunk_is_refused(tmp_path, monkeypatch):
    original = embedded._folder
    (tmp_path / "models").mkdir()
    torch.save({}, tmp_path / "models" / "efficientnet-lite0-57934424.pth")
    monkeypatch.setattr(embedded, "_folder", lambda p: tmp_path if "lite0" in p.__name__ else original(p))
    with pytest.raises(WeightsError, match=r"efficientnet-lite0-57934424\.pth is not the file"):
        embedded.headless()

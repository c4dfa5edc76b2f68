"""The embedded model is put together from the right numbers, and refuses any others."""

import shutil
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import normalize

from pointclip.errors import WeightsError
from pointclip.weights import embedded
from pointclip.weights import loading as weights
from pointclip.weights.embedded_head import Head, read_head, save_head
from pointclip.weights.embedded_names import coordinates

DIMS = (embedded.TRUNK_DIM, embedded.CLASSES, embedded.SENTENCE_DIM)
SENTENCES = ["a chair", "a rather long sentence about a night stand", "tv stand"]


NAMES, CHANNELS = 30, 65


@pytest.fixture(scope="module")
def head():
    draw = torch.Generator().manual_seed(0)
    names, classes = (normalize(torch.randn(k, 384, generator=draw), dim=1) for k in (NAMES, embedded.CLASSES))
    basis = torch.linalg.qr(torch.rand(NAMES + embedded.CLASSES, CHANNELS - 1, generator=draw))[0]
    matrices = torch.randn(NAMES, embedded.TRUNK_DIM, generator=draw), torch.randn(NAMES, generator=draw)
    matrices = [one.half().float() for one in (*matrices, names, classes, basis)]
    return Head(*matrices, 3.0, 0.75, (6.0, 9.0), {"recipe": "{}"})


@pytest.fixture(scope="module")
def built(head):
    return embedded.build(head)


def test_head_survives_a_file(head, tmp_path):
    path = tmp_path / "head.safetensors"
    save_head(head, path)
    found = read_head(path, DIMS)
    for name in ("weight", "bias", "names", "classes", "basis"):
        assert torch.equal(getattr(found, name), getattr(head, name))
    assert (found.logit_scale, found.share, found.sharpness) == (3.0, 0.75, (6.0, 9.0))
    assert (found.metadata, found.channels) == ({"recipe": "{}"}, CHANNELS)
    assert [entry.name for entry in tmp_path.iterdir()] == ["head.safetensors"]
    assert embedded.identity(found) == embedded.identity(head)
    for other in (replace(head, bias=head.bias + 1), replace(head, share=0.7), replace(head, sharpness=(6.0, 8.0))):
        assert embedded.identity(other) != embedded.identity(head)


def test_pictures_are_what_they_are_of(built, head):
    """The trunk, then log-linear distributions over names and classes, then coordinates: written out in float64."""
    model, _ = built
    images = torch.rand(2, 3, embedded.IMAGE_SIZE, embedded.IMAGE_SIZE) * 2 - 1
    weight, bias = (one.double() for one in embedded.imagenet_classifier())
    with torch.inference_mode():
        pooled = model.visual.trunk(images)
        found = model.encode_image(images)
    assert pooled.shape == (2, embedded.TRUNK_DIM)
    x = pooled.double()
    names = (x / x.norm(dim=1, keepdim=True)) @ head.weight.double().T + head.bias.double()
    classes = x @ weight.T + bias
    parts = [one.exp() / one.exp().sum(1, keepdim=True) for one in (names, classes)]
    inside = torch.cat([(0.75 * parts[0]).sqrt(), (0.25 * parts[1]).sqrt()], 1) @ head.basis.double()
    assert torch.allclose(found[:, :-1].double(), inside / inside.norm(dim=1, keepdim=True), atol=1e-5)
    assert torch.equal(found[:, -1], torch.zeros(2))


def test_a_label_is_its_likeness_to_the_names(built, head):
    model, tokenizer = built
    with torch.inference_mode():
        found = model.encode_text(tokenizer(SENTENCES), normalize=False)
        sentence = normalize(embedded.headless()[0].encode_text(tokenizer(SENTENCES)), dim=1)
    assert found.shape == (3, CHANNELS)
    assert torch.allclose(found.norm(dim=1), torch.ones(3), atol=1e-5)
    likeness = (6 * sentence @ head.names.T).softmax(1), (9 * sentence @ head.classes.T).softmax(1)
    root = torch.cat([(0.75 * likeness[0]).sqrt(), (0.25 * likeness[1]).sqrt()], 1)
    assert torch.allclose(found[:, :-1], root @ head.basis, atol=1e-5)


def test_inner_products_are_those_of_the_whole_distributions(head):
    """The basis loses nothing of a picture that it spans, and what it loses of labels changes no product."""
    spanned = normalize(torch.rand(4, CHANNELS - 1) @ head.basis.T, dim=1)
    label = normalize(torch.rand(5, len(head.basis)), dim=1)
    picture = torch.cat([spanned @ head.basis, torch.zeros(4, 1)], 1)
    assert torch.allclose(picture @ coordinates(label, head.basis).T, spanned @ label.T, atol=1e-4)


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

    _, tokenizer = built
    model, _ = embedded.headless()
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
        "import socket\n"
        "def refuse(*a, **k): raise SystemExit(f'network: {a}')\n"
        "socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse\n"
        "from pointclip.weights import embedded\n"
        "embedded.build()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_building_costs_little_beyond_imports(built, head):
    start = time.process_time()
    embedded.build(head)
    assert time.process_time() - start < 3


def test_loads_by_name(head, tmp_path, monkeypatch, no_network):
    path = tmp_path / "head.safetensors"
    save_head(head, path)
    monkeypatch.setattr(embedded, "asset", lambda name: path)
    loaded = weights.load("embedded")
    assert (loaded.image_size, loaded.mean, loaded.std) == (embedded.IMAGE_SIZE, (0.5,) * 3, (0.5,) * 3)
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
    save_head(replace(head, weight=head.weight[:, :7]), path)
    with pytest.raises(WeightsError, match=r"head\.safetensors must hold a tensor 'weight' of shape \(30, 1280\)"):
        read_head(path, DIMS)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        read_head(path, DIMS)


def test_a_head_of_version_0_1_is_refused(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "head.safetensors"
    save_file({"weight": torch.zeros(384, 1280), "bias": torch.zeros(384), "logit_scale": torch.tensor(3.0)}, path)
    with pytest.raises(WeightsError, match="must hold a tensor 'names'"):
        read_head(path, DIMS)


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
    torch.save({}, tmp_path / "models" / embedded.TRUNK_FILE)
    monkeypatch.setattr(
        embedded, "_folder", lambda p: tmp_path if p.__name__ == embedded.TRUNK_PACKAGE else original(p)
    )
    with pytest.raises(WeightsError, match=f"{embedded.TRUNK_FILE} is not the file"):
        embedded.headless()

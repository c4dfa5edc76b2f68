"""What a user reads when weights cannot be had."""

import json
import socket
import time

import pytest
import torch
from huggingface_hub import constants
from support.tiny_towers import named, publish, write_folder, write_hub_cache

from pointclip.errors import WeightsError
from pointclip.weights import loading as weights

THREE_WAYS = r"copy that machine's cache folder.*ARCH@FILE.*local-dir:PATH.*'embedded'"


def refused(name, **options):
    with pytest.raises(WeightsError) as caught:
        weights.load(name, **options)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 700
    return text


@pytest.mark.parametrize("name", ["ViT-B-16/openai", "hf-hub:org/name", "ViT-B-16-SigLIP/webli"])
def test_no_network_and_not_cached(name, hub_down, tmp_path):
    import open_clip  # noqa: F401  the time of its import is not what is measured

    start = time.perf_counter()
    with pytest.raises(WeightsError, match=THREE_WAYS) as caught:
        weights.load(name, cache_dir=tmp_path)
    assert time.perf_counter() - start < 3
    assert repr(name) in str(caught.value)


def test_a_name_server_that_never_answers(monkeypatch, tmp_path):
    def hang(*_, **__):
        time.sleep(6)
        raise OSError("gave up at last")

    monkeypatch.setattr(socket, "create_connection", hang)
    start = time.perf_counter()
    with pytest.raises(WeightsError, match="does not answer"):
        weights.load("hf-hub:org/name", cache_dir=tmp_path)
    assert time.perf_counter() - start < 4


def test_offline_by_the_users_wish(monkeypatch, tmp_path):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in refused("RN50/openai", cache_dir=tmp_path)
    assert constants.HF_HUB_OFFLINE is True


def test_offline_mode_is_left_as_it_was(hub_down, tmp_path):
    refused("RN50/openai", cache_dir=tmp_path)
    assert constants.HF_HUB_OFFLINE is False


def test_proxy_is_the_door_to_the_hub(monkeypatch, tmp_path):
    asked = []

    def refuse(address, timeout):
        asked.append(address)
        raise ConnectionRefusedError("no")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    refused("RN50/openai", cache_dir=tmp_path)
    assert asked == [("proxy.example", 3128)]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nothing", "expected 'embedded', 'ARCH/TAG'"),
        ("", "expected 'embedded'"),
        ("hf-hub:", "expected 'embedded'"),
        ("hf-hub:justone", "hf-hub:ORG/NAME"),
        ("ViT-B-16", "add a tag, such as ViT-B-16/openai"),
        ("Vit-B-16/openai", "did you mean ViT-B-16"),
        ("ViT-B-16/opnai", "did you mean openai"),
        ("RN50@none.pt", "none.pt does not exist"),
        ("local-dir:none", "folder none does not exist"),
        ("embeded", "did you mean 'embedded'"),
    ],
)
def test_unknown_names(name, words):
    assert words in refused(name)


def test_unknown_architecture_of_a_file(tmp_path):
    path = tmp_path / "w.pt"
    torch.save({}, path)
    assert "did you mean RN50" in refused(f"RN-50@{path}")


def cut(path):
    path.write_bytes(path.read_bytes()[:-1000])


def text(path):
    path.write_text("not weights")


def empty(path):
    path.write_bytes(b"")


def other_architecture(path):
    state = weights.random("tiny-rn").model.state_dict()
    if path.suffix == ".pt":
        torch.save(state, path)
    else:
        write_folder(path.parent / "other", "tiny-rn", state)
        path.write_bytes((path.parent / "other" / "open_clip_model.safetensors").read_bytes())


def pickled_code(path):
    torch.save({"state_dict": print}, path)


@pytest.mark.parametrize("form", ["pt", "safetensors"])
@pytest.mark.parametrize("damage", [cut, text, empty, other_architecture, pickled_code])
def test_damaged_files_are_named(damage, form, tiny, tmp_path, monkeypatch):
    name, _, _ = named(form, "tiny-vit", tmp_path, monkeypatch)
    path = tmp_path / f"w.{form}"
    damage(path)
    said = refused(name)
    assert str(path) in said
    if damage is other_architecture:
        assert "its tensors are not those of tiny-vit" in said
        assert "missing (such as visual." in said


def test_a_file_of_another_size_says_which_tensor(tiny, tmp_path, monkeypatch):
    name, _, original = named("pt", "tiny-vit", tmp_path, monkeypatch)
    state = original.model.state_dict()
    state["visual.proj"] = torch.zeros(3, 3)
    torch.save(state, tmp_path / "w.pt")
    assert "1 wrongly shaped (such as visual.proj)" in refused(name)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"model_cfg": {"embed_dim": 3}}'])
def test_bad_configuration_of_a_folder(content, tiny, tmp_path, monkeypatch):
    name, _, _ = named("local-dir", "tiny-vit", tmp_path, monkeypatch)
    (tmp_path / "model" / "open_clip_config.json").write_text(content)
    assert "open_clip_config.json" in refused(name)


@pytest.mark.parametrize("lacking", ["open_clip_config.json", "open_clip_model.safetensors"])
def test_folder_that_lacks_a_file(lacking, tiny, tmp_path, monkeypatch):
    name, _, _ = named("local-dir", "tiny-vit", tmp_path, monkeypatch)
    (tmp_path / "model" / lacking).unlink()
    said = refused(name)
    assert str(tmp_path / "model") in said
    assert "holds no" in said


def test_damaged_cache_of_the_hub_names_the_file(tiny, tmp_path, monkeypatch):
    root = write_hub_cache(tmp_path / "hub", "tiny-vit", weights.random("tiny-vit").model.state_dict())
    publish(monkeypatch, "tiny-vit")
    cut(next(root.rglob("*.safetensors")))
    for name in ("tiny-vit/test", "hf-hub:org/tiny-vit"):
        assert "open_clip_model.safetensors could not be loaded" in refused(name, cache_dir=root)


WORDS = {"hf_tokenizer_name": "org/words"}


def test_a_tokenizer_that_is_not_cached_is_no_missing_weight(hub_down, tiny, known, tmp_path):
    """``ARCH@FILE``, a folder and random weights, of an architecture whose tokenizer lies on the hub."""
    known("tiny-words", text_cfg=WORDS)
    torch.save(weights.random("tiny-vit").model.state_dict(), tmp_path / "w.pt")
    for name in (f"tiny-words@{tmp_path}/w.pt", "random tiny-words"):
        with pytest.raises(WeightsError, match="the tokenizer from the hub's org/words.*cannot be reached") as caught:
            weights.load(name) if "@" in name else weights.random("tiny-words")
        assert "python -c \"import open_clip; open_clip.get_tokenizer('tiny-words')\"" in str(caught.value)
        assert repr(name) in str(caught.value) and "\n" not in str(caught.value)


def test_a_folder_without_its_tokenizer(hub_down, tiny, tmp_path):
    folder = write_folder(tmp_path / "model", "tiny-vit", weights.random("tiny-vit").model.state_dict())
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["text_cfg"].update(WORDS)
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    assert f"{folder} holds no tokenizer: copy the files tokenizer*.json of org/words" in refused(f"local-dir:{folder}")


def test_a_text_tower_of_transformers_needs_its_settings(hub_down, known, tmp_path):
    known("tiny-bert", text_cfg={"hf_model_name": "org/bert", **WORDS})
    torch.save({}, tmp_path / "w.pt")
    assert "takes the text tower's settings from the hub's org/bert" in refused(f"tiny-bert@{tmp_path}/w.pt")
    with pytest.raises(WeightsError, match="the text tower's settings from the hub's org/bert"):
        weights.random("tiny-bert")


def test_a_whole_pickled_model_is_no_damaged_file(tiny, tmp_path):
    torch.save(weights.random("tiny-vit").model, tmp_path / "w.pt")
    said = refused(f"tiny-vit@{tmp_path}/w.pt")
    assert "it holds Python objects (open_clip.model.CLIP), not only tensors" in said
    assert "torch.save(model.state_dict(), FILE)" in said
    assert "\x1b" not in said and "damaged" not in said

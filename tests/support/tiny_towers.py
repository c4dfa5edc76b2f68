"""Tiny towers with random weights, written to disk in every form that a user may have."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import open_clip
import torch
from safetensors.torch import save_file

from pointclip.weights import loading as weights

TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
CONFIGS = {
    "tiny-vit": {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
        "text_cfg": TEXT,
    },
    "tiny-rn": {
        "embed_dim": 24,
        "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "head_width": 32},
        "text_cfg": TEXT,
    },
}
CONFIGS["tiny-vit-quickgelu"] = {**CONFIGS["tiny-vit"], "quick_gelu": True}
MEAN, STD = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def register(folder: Path) -> None:
    """Make open_clip know the tiny architectures."""
    for name, config in CONFIGS.items():
        (folder / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)


def unregister(folder: Path) -> None:
    """Undo :func:`register`."""
    open_clip.factory._MODEL_CONFIG_PATHS.remove(folder)
    for name in CONFIGS:
        open_clip.factory._MODEL_CONFIGS.pop(name, None)


@contextmanager
def register_one(folder: Path, name: str, text_cfg: dict[str, object] | None = None, **changes: object) -> Iterator:
    """Make open_clip know a tiny ViT with other settings for the length of the block."""
    folder.mkdir()
    config = {**CONFIGS["tiny-vit"], "text_cfg": {**TEXT, **(text_cfg or {})}, **changes}
    (folder / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)
    yield
    open_clip.factory._MODEL_CONFIG_PATHS.remove(folder)
    open_clip.factory._MODEL_CONFIGS.pop(name)


def publish(monkeypatch, arch: str, tag: str = "test", **entry: object) -> None:
    """Enter a tag into open_clip's table of published weights."""
    row = {"hf_hub": f"org/{arch}/", "mean": MEAN, "std": STD, **entry}
    table = open_clip.pretrained._PRETRAINED
    monkeypatch.setitem(table, arch, {**table.get(arch, {}), tag: row})


def write_folder(folder: Path, arch: str, state: dict[str, torch.Tensor]) -> Path:
    """Write a model folder as open_clip saves it."""
    folder.mkdir(parents=True)
    config = {"model_cfg": CONFIGS[arch], "preprocess_cfg": {"mean": MEAN, "std": STD}}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / "open_clip_model.safetensors")
    return folder


def write_hub_cache(root: Path, arch: str, state: dict[str, torch.Tensor]) -> Path:
    """Write the folder that the hub client would have made for ``org/ARCH``."""
    repo = root / f"models--org--{arch}"
    write_folder(repo / "snapshots" / COMMIT, arch, state)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(COMMIT)
    return root


def named(form: str, arch: str, tmp_path: Path, monkeypatch) -> tuple[str, dict[str, object], weights.LoadedModel]:
    """Write random weights in one form.

    Returns:
        The name to load them by, further arguments of ``load``, and the original.
    """
    original = weights.random(arch, seed=3)
    state = original.model.state_dict()
    if form == "pt":
        torch.save(state, tmp_path / "w.pt")
        return f"{arch}@{tmp_path}/w.pt", {}, original
    if form == "training checkpoint":
        torch.save({"epoch": 3, "state_dict": {f"module.{k}": v for k, v in state.items()}}, tmp_path / "w.pt")
        return f"{arch}@{tmp_path}/w.pt", {}, original
    if form == "safetensors":
        save_file({k: v.contiguous() for k, v in state.items()}, tmp_path / "w.safetensors")
        return f"{arch}@{tmp_path}/w.safetensors", {}, original
    if form == "local-dir":
        return f"local-dir:{write_folder(tmp_path / 'model', arch, state)}", {}, original
    root = write_hub_cache(tmp_path / "hub", arch, state)
    if form == "hf-hub":
        return f"hf-hub:org/{arch}", {"cache_dir": root}, original
    publish(monkeypatch, arch)
    return f"{arch}/test", {"cache_dir": root}, original


FORMS = ("pt", "training checkpoint", "safetensors", "local-dir", "hf-hub", "tag")

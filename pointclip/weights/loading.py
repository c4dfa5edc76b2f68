"""From a model name to a loaded open_clip model, its tokenizer and its preprocessing.

The local cache is asked first, the network only for what is not there, and one set of weights never stands in for
another. ``open_clip`` is imported when the first model is loaded: it takes seconds.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pointclip._base.assets import asset
from pointclip.errors import WeightsError
from pointclip.weights import companions, embedded
from pointclip.weights import files as _checkpoints
from pointclip.weights import hub as _hub
from pointclip.weights import openclip as _openclip


@dataclass(frozen=True)
class LoadedModel:
    """A model that open_clip loaded, on one device, in evaluation mode, float32, frozen.

    Attributes:
        name: The name it was asked for by.
        model: The open_clip model: ``encode_image``, ``encode_text``, ``visual``, ``logit_scale``.
        tokenizer: A list of K sentences to token ids (K, T) int64.
        image_size: Side S of the square images it takes, in pixels.
        mean: Per channel, subtracted from images in [0, 1].
        std: Per channel, the divisor after that.
        logit_scale: Factor on cosines before soft-max; None if it was never trained.
        logit_bias: Added to scaled cosines before the sigmoid that a SigLIP was trained with; None of other models.
        identity: Names the exact weights and structure, for cache keys (sha256 in hexadecimal).
        source: Where the weights come from.
        licence: Their licence, or where it is stated.
    """

    name: str
    model: Any = field(repr=False)
    tokenizer: Callable[[Sequence[str]], Tensor] = field(repr=False)
    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    logit_scale: float | None
    identity: str
    source: str
    licence: str
    logit_bias: float | None = None


@dataclass(frozen=True)
class Available:
    """One line of the list of models.

    Attributes:
        name: What :func:`load` takes.
        ready: Whether it loads without network.
        note: Where it lies, or what it needs.
    """

    name: str
    ready: bool
    note: str


def load(
    name: str,
    device: str | torch.device = "cpu",
    *,
    cache_dir: str | Path | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> LoadedModel:
    """Load pretrained weights by name.

    What is in the local cache is used without any network request. Only tensors are read from a weight file, no code.

    Args:
        name: ``"embedded"``; ``"ARCH/TAG"`` of open_clip, such as ``"ViT-B-16/openai"``; ``"hf-hub:ORG/NAME"``;
            ``"local-dir:PATH"``, a folder with ``open_clip_config.json`` and weights; ``"ARCH@FILE"``, a ``.pt``,
            ``.bin`` or ``.safetensors`` file.
        device: Where the model goes.
        cache_dir: Where the hub client keeps its files; None leaves it to the client (``HF_HUB_CACHE``).
        mean: Three numbers in place of the model's own mean per channel.
        std: Three numbers in place of the model's own standard deviation per channel.

    Returns:
        The model with all that is needed to use it.

    Raises:
        WeightsError: The name is unknown, the weights are neither cached nor reachable, the file is damaged or of
            another architecture, or its activation is not that of the architecture.
        MissingDependency: ``"embedded"`` or a tower of timm or transformers, and that package is not installed.

    Note:
        ``ViT-B-16/openai`` runs with QuickGELU, as OpenAI's weights were trained. Any other tag that was trained with
        QuickGELU must be named by an architecture that has it, such as ``ViT-B-16-quickgelu/metaclip_400m``.
        The activation of ``ARCH@FILE`` is the architecture's, for it cannot be read from the file; its mean and std
        are those of the architecture's published weights, and must be given where these do not agree (ViT-L-14).

    Example:
        >>> load("RN50@mine.pt")
        Traceback (most recent call last):
        ...
        pointclip.errors.WeightsError: the weight file mine.pt does not exist
    """
    parsed = _openclip.parse(name)
    if parsed.form == "embedded":
        loaded = _load_embedded()
    else:
        loaders: dict[str, Callable[..., _openclip.Parts]] = {
            "tag": _openclip.load_tag,
            "hub": _openclip.load_hub,
            "folder": _openclip.load_folder,
            "file": partial(_openclip.load_file, told=mean is not None and std is not None),
        }
        parts = loaders[parsed.form](name, parsed, None if cache_dir is None else str(cache_dir))
        loaded = _finished(name, parts)
    loaded.model.to(device)
    return replace(
        loaded,
        mean=loaded.mean if mean is None else _three("mean", mean),
        std=loaded.std if std is None else _three("std", std),
    )


def random(arch: str, seed: int = 0, device: str | torch.device = "cpu") -> LoadedModel:
    """Build an architecture with random weights, for tests only: its answers mean nothing.

    Args:
        arch: An architecture of open_clip, such as ``"ViT-B-32"``.
        seed: The same seed gives the same weights; the global generator is left as it was.
        device: Where the model goes.

    Returns:
        A model that says in its name and source that it is random.

    Raises:
        WeightsError: open_clip has no such architecture, or its tokenizer is on the hub and not in the local cache.

    Example:
        >>> random("ViT-S-32-alt").image_size
        224
    """
    _openclip.check_arch(arch, f"random({arch!r})")

    def attempt() -> _openclip.Parts:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = _openclip.untrained(arch)
        return _openclip.Parts(model, companions.tokenizer(arch), f"random numbers, seed {seed}", "none")

    parts = _openclip.local_first(f"random {arch}", attempt)
    loaded = replace(_finished(f"random {arch}", parts), logit_scale=None, logit_bias=None)
    loaded.model.to(device)
    return loaded


def available(cache_dir: str | Path | None = None) -> list[Available]:
    """List the models that :func:`load` knows by name, offline.

    Args:
        cache_dir: Where the hub client keeps its files; None leaves it to the client.

    Returns:
        ``embedded``, then cached hub repositories, then every tag of open_clip with the right activation.

    Example:
        >>> available()[0].name
        'embedded'
    """
    import open_clip

    cache = None if cache_dir is None else str(cache_dir)
    rows = [_embedded_row()]
    rows += [Available(f"hf-hub:{repo}", True, "cached") for repo in _hub.cached_repos(cache)]
    for arch, tag in open_clip.list_pretrained():
        try:
            _openclip.wants_quick_gelu(arch, tag)
        except WeightsError:
            continue  # listed under its right name
        path = _openclip.cached_tag(arch, tag, cache)
        rows.append(Available(f"{arch}/{tag}", path is not None, f"cached: {path}" if path else "needs a download"))
    return rows


def _load_embedded() -> LoadedModel:
    head = embedded.shipped_head()
    with _hub.offline():
        model, tokenizer = embedded.build(head)
    return LoadedModel(
        name="embedded",
        model=model,
        tokenizer=tokenizer,
        image_size=embedded.IMAGE_SIZE,
        mean=embedded.MEAN,
        std=embedded.STD,
        logit_scale=math.exp(head.logit_scale),
        identity=embedded.identity(head),
        source=embedded.SOURCE,
        licence=embedded.LICENCE,
    )


def _finished(name: str, parts: _openclip.Parts) -> LoadedModel:
    model = parts.model.eval().requires_grad_(False)
    config = model.visual.preprocess_cfg
    sides = {config["size"]} if isinstance(config["size"], int) else set(config["size"])
    if len(sides) != 1:
        raise WeightsError(f"{name!r} takes images of {config['size']} pixels, and only square images are made here")
    return LoadedModel(
        name=name,
        model=model,
        tokenizer=parts.tokenizer,
        image_size=sides.pop(),
        mean=_three("mean", config["mean"]),
        std=_three("std", config["std"]),
        logit_scale=model.logit_scale.exp().item(),
        identity=_checkpoints.fingerprint(model),
        source=parts.source,
        licence=parts.licence,
        logit_bias=None if getattr(model, "logit_bias", None) is None else model.logit_bias.item(),
    )


def _three(name: str, values: Sequence[float]) -> tuple[float, ...]:
    numbers = tuple(float(value) for value in values)
    if len(numbers) != 3 or (name == "std" and min(numbers) <= 0):
        raise WeightsError(
            f"{name} must be three {'positive ' * (name == 'std')}numbers, one per channel, got {numbers}"
        )
    return numbers


def _embedded_row() -> Available:
    lacking = [module for module in embedded.PACKAGES if find_spec(module) is None]
    if lacking:
        return Available("embedded", False, f"needs {', '.join(lacking)}: pip install 'pointclip[embedded]'")
    head = asset(embedded.HEAD_ASSET)
    if not head.is_file():
        return Available("embedded", False, f"its head {head} is missing")
    return Available("embedded", True, "small, needs no network; not CLIP")

"""A frozen CLIP: images and sentences to unit features."""

import copy
import hashlib
import json
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from pointclip._base.cache import cache_folder, read_tensor, write_tensor
from pointclip._base.checks import check_floating, check_shape, nearest
from pointclip._base.threads import spread
from pointclip.clip import patches as background
from pointclip.clip import precision as precisions
from pointclip.clip.device import pick_device
from pointclip.clip.still import StillModule
from pointclip.clip.towers import VisionTower
from pointclip.errors import InputError
from pointclip.prompts import (
    MEANING,
    Meaning,
    Prompts,
    class_sentences,
    joined_meaning,
    mean_direction,
    meaning_sentences,
    nearest_sense,
    senses,
)
from pointclip.weights import LoadedModel

FEATURES = ("unit", "raw")
_SENTENCES_AT_ONCE = 256
_CLIPS_OWN_SCALE = 100.0


class FrozenClip(StillModule):
    """The two towers of a loaded model, frozen, in evaluation mode for good.

    The image tower is cast once to ``precision``. The text tower stays in float32: its features equal open_clip's own,
    and each label set is encoded once and kept.

    Args:
        loaded: What :func:`pointclip.weights.loading.load` gave; it stays as it is, and may be dropped.
        device: A device, or ``"auto"``: CUDA where there is one, else the CPU.
        precision: ``"auto"``, ``"fp32"``, ``"bf16"`` or ``"fp16"``, see :func:`pointclip.clip.precision.place`.
        batch_size: Most images that pass the tower at once; None takes :func:`pointclip.clip.precision.batch_size`.
        skip_background: Only for ViT towers: patches that see nothing but background do not enter, see
            :func:`pointclip.clip.patches.kept_patches`. Faster, and not the same features:
            ``scripts/bench_pipeline.py`` measures both.
        features: ``"unit"``: image features have unit length. ``"raw"``: as the tower gives them, which is what the
            paper's adapter takes.

    Attributes:
        name: The model's name.
        identity: Names the exact weights and structure, for cache keys.
        image_size: Side S of its images in pixels.
        mean: Per channel, three numbers.
        std: Per channel, three numbers.
        logit_scale: Factor on cosines before soft-max; CLIP's own 100 where the model has no trained one.
        logit_bias: Of a SigLIP: ``sigmoid(logit_scale cosine + logit_bias)`` is its probability of a match; else None.
        precision: The chosen number format, and ``precision.why`` in words.

    Raises:
        InputError: There is no such precision or device, or ``skip_background`` is asked of another tower.

    Example:
        >>> from pointclip import weights
        >>> clip = FrozenClip(weights.random("ViT-S-32-alt"), device="cpu", precision="fp32")
        >>> clip.encode_images(torch.rand(2, 1, 224, 224)).shape
        torch.Size([2, 256])
    """

    def __init__(
        self,
        loaded: LoadedModel,
        device: str | torch.device = "auto",
        precision: str = "auto",
        batch_size: int | None = None,
        skip_background: bool = False,
        features: str = "unit",
    ) -> None:
        super().__init__()
        check_features(features)
        if batch_size is not None and batch_size < 1:
            raise InputError(f"batch_size must be at least 1, got {batch_size}")
        where = pick_device(device)
        self.name, self.identity = loaded.name, loaded.identity
        self.image_size, self.mean, self.std = loaded.image_size, loaded.mean, loaded.std
        self.logit_scale = _CLIPS_OWN_SCALE if loaded.logit_scale is None else loaded.logit_scale
        self.logit_bias, self.features = loaded.logit_bias, features
        self.skip_background = skip_background
        self.tokenizer = loaded.tokenizer
        self.image_tower, self.precision = precisions.place(
            loaded.model.visual, where, precision, loaded.image_size, loaded.identity
        )
        self.batch_size = batch_size or precisions.batch_size(where, self.precision)
        if skip_background and not isinstance(self.image_tower, VisionTower):
            raise InputError(
                f"skip_background needs a ViT of open_clip with a class token, and the image tower of {self.name!r} is "
                "none: leave it out, or name a model such as ViT-B-16/openai"
            )
        self.text_model: Any = precisions.moved(_without_image_tower(loaded.model), where, torch.float32)
        std = torch.tensor(loaded.std, device=where).view(1, 3, 1, 1)
        mean = torch.tensor(loaded.mean, device=where).view(1, 3, 1, 1)
        self.register_buffer("_scale", 1 / std, persistent=False)
        self.register_buffer("_shift", -mean / std, persistent=False)
        self._labels: dict[str, Tensor] = {}
        self.eval()

    @property
    def device(self) -> torch.device:
        """Where the towers are."""
        return self._scale.device  # type: ignore[return-value,union-attr]

    @cached_property
    def embed_dim(self) -> int:
        """The number of feature channels C."""
        return self.encode_sentences(["a"]).shape[1]

    def giving(self, features: str) -> "FrozenClip":
        """Return the same towers, shared, that give features of another kind, see the class's ``features``."""
        check_features(features)
        other = copy.copy(self)
        other.features = features
        return other

    def unit(self, features: Tensor) -> Tensor:
        """Give image features (..., C) of this clip unit length; those that have it stay as they are."""
        return normalize(features, dim=-1) if self.features == "raw" else features

    def encode_images(self, images: Tensor, normalized: bool = True) -> Tensor:
        """Encode images.

        Args:
            images: (B, 3, S, S) or (B, 1, S, S), floating point in [0, 1] or uint8; S is ``image_size``. Grey images
                stand for three equal channels. Mean and standard deviation are the model's, applied here.
            normalized: False leaves mean and standard deviation out, as PointCLIP's public code does: images may then
                hold any numbers.

        Returns:
            (B, C) float32, on the towers' device, of unit length unless ``features`` is ``"raw"``.

        Raises:
            InputError: The shape or dtype is another.

        Note:
            Gradients reach the images where they require them; the towers get none. The order and the size of batches
            change results only in the last digits.
        """
        self._check_images(images)
        if images.requires_grad and torch.is_grad_enabled():
            return self._encode_images(images, normalized)
        with torch.inference_mode():
            found = self._encode_images(images, normalized)
        return found.clone()  # a normal tensor, which training may use

    def encode_sentences(self, sentences: Sequence[str]) -> Tensor:
        """Encode sentences as they are.

        Args:
            sentences: K strings.

        Returns:
            (K, C) float32, unit length, on the towers' device; equal to open_clip's own ``encode_text``.

        Raises:
            InputError: There is no sentence, or one is no string.
        """
        if isinstance(sentences, str) or not sentences or not all(isinstance(text, str) for text in sentences):
            raise InputError("sentences must be a list of at least one string")
        parts = []
        with torch.inference_mode():
            for start in range(0, len(sentences), _SENTENCES_AT_ONCE):
                tokens = self.tokenizer(list(sentences[start : start + _SENTENCES_AT_ONCE])).to(self.device)
                parts.append(self.text_model.encode_text(tokens, normalize=True).float())
        return torch.cat(parts)

    def encode_labels(self, labels: Sequence[str], templates: Prompts = "single") -> Tensor:
        """Encode class names, fused over templates or descriptions in embedding space, and keep the result by content.

        Args:
            labels: K class names; underscores become spaces.
            templates: A template set of :mod:`pointclip.prompts`, a file of templates, or templates; what the classes
                look like, as of :func:`pointclip.prompts.read_descriptions`; or ``"meaning"``, the label with its
                definition, as of :mod:`pointclip.prompts.meanings`.

        Returns:
            (K, C) float32, unit length, on the towers' device.

        Raises:
            InputError: A label is empty, there twice or not described, or there are no such templates.

        Note:
            Kept in memory and in the user's cache folder (``POINTCLIP_CACHE`` overrides the place) under the hash of
            sentences and weights; a damaged file is made anew.
        """
        sentences = class_sentences(labels, templates)
        by_meaning = templates == MEANING
        key = hashlib.sha256(json.dumps([self.identity, sentences, *[MEANING] * by_meaning]).encode()).hexdigest()
        if key not in self._labels:
            join = joined_meaning if by_meaning else lambda one: mean_direction(one[None])[0]
            self._labels[key] = self._kept_labels(key, sentences, join)
        return self._labels[key].to(self.device, copy=True)

    def meanings(self, labels: Sequence[str]) -> list[Meaning]:
        """Say what :meth:`encode_labels` tells the text tower about each label with the templates ``"meaning"``.

        Args:
            labels: K class names.

        Returns:
            For each, the sense that is told; one without a definition where none is known.

        Raises:
            InputError: A label is empty or there twice.
        """
        found = []
        for label, texts in zip(labels, meaning_sentences(labels), strict=True):
            best = nearest_sense(self.encode_sentences(texts))
            found.append(Meaning(texts[0]) if best is None else senses(label)[best])
        return found

    def _kept_labels(self, key: str, sentences: Sequence[Sequence[str]], join: Callable[[Tensor], Tensor]) -> Tensor:
        path = cache_folder("text") / f"{key[:40]}.safetensors"
        found = read_tensor(path)
        if found is None or found.ndim != 2 or len(found) != len(sentences):
            every = self.encode_sentences([text for texts in sentences for text in texts]).split(
                list(map(len, sentences))
            )
            found = torch.stack([join(one) for one in every]).cpu()
            write_tensor(path, found)
        return found

    def _encode_images(self, images: Tensor, normalized: bool) -> Tensor:
        images = images[:, :1] if images.stride(1) == 0 else images  # three views of one channel
        if self.skip_background:
            return self._encode_seen(images, normalized)
        crew = min(len(images), torch.get_num_threads() if self.device.type == "cpu" else 1)
        pieces = min(len(images), crew * -(-len(images) // (self.batch_size * crew)))  # as many for each thread
        return torch.cat(self._spread(partial(self._encode_batch, normalized), images.tensor_split(pieces)))

    def _encode_seen(self, images: Tensor, normalized: bool) -> Tensor:
        """Encode the patches that see something, images with as many of them together."""
        images = images.to(self.device)
        tower: VisionTower = self.image_tower  # type: ignore[assignment]
        kept = background.kept_patches(images.detach(), tower.patch)
        batches = background.batches_by_length(kept, self.batch_size * tower.grid**2)
        work = partial(self._encode_batch, normalized)
        found = torch.cat(self._spread(lambda batch: work(images[batch[0]], batch[1]), batches))
        return found[torch.cat([places for places, _ in batches]).argsort()]

    def _spread(self, work: Callable[[Any], Tensor], pieces: Sequence[Any]) -> list[Tensor]:
        """Encode pieces at once on a CPU, unless gradients are wanted."""
        if self.device.type != "cpu" or not torch.is_inference_mode_enabled():
            return [work(piece) for piece in pieces]
        return spread(torch.inference_mode()(work), pieces)

    def _encode_batch(self, normalized: bool, images: Tensor, *keep: Tensor) -> Tensor:
        images = images.to(self.device)
        images = images.float() / 255 if images.dtype == torch.uint8 else images.float()
        if normalized:
            images = torch.addcmul(self._shift, images, self._scale)  # type: ignore[arg-type]
        images = images.to(self.precision.dtype).expand(-1, 3, -1, -1)
        if self.precision.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        found = precisions.features(self.image_tower, images, *keep).float()
        return found if self.features == "raw" else normalize(found, dim=-1)

    def _check_images(self, images: Tensor) -> None:
        check_shape("images", images, f"B channels {self.image_size} {self.image_size}")
        if images.shape[1] not in (1, 3):
            raise InputError(f"images must have 1 or 3 channels, got {images.shape[1]}")
        if not len(images):
            raise InputError("images must hold at least one image, got none")
        if images.dtype != torch.uint8:
            check_floating("images", images)


def check_features(features: str) -> None:
    """Refuse what is no kind of image features.

    Raises:
        InputError: Naming both kinds.
    """
    if features not in FEATURES:
        raise InputError(f"features={features!r} is unknown: {nearest(features, FEATURES)}")


def _without_image_tower(model: Any) -> nn.Module:
    shell = copy.copy(model)
    shell.__dict__["_modules"] = {name: part for name, part in model._modules.items() if name != "visual"}
    return shell

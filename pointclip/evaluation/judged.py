"""The shapes of a split with a model's logits: what every score is computed from."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from pointclip.datasets import Dataset
from pointclip.encoding import STAGES, Encodings
from pointclip.errors import InputError
from pointclip.evaluation.metrics import FAILED
from pointclip.fusion import fuse

if TYPE_CHECKING:
    from pointclip.model import PointCLIP

Array = np.ndarray[Any, Any]


@dataclass(eq=False)
class Judged:
    """Shapes of one split with the model's logits.

    Attributes:
        split: Its name.
        classes: K class names, as the dataset spells them.
        ids: N names.
        targets: (N,) int64, the true class of each shape.
        logits: (N,K) float32; zeros where there is an error.
        errors: N sentences, "" where the shape was classified.
        seconds: For each stage (N,).
        sha256: Names all that decides the clouds of the shapes.
        ups: For each shape the axis that was found to point up; None where it was not searched for.
    """

    split: str
    classes: tuple[str, ...]
    ids: list[str]
    targets: Array
    logits: Array
    errors: list[str]
    seconds: dict[str, Array]
    sha256: str = ""
    ups: list[str] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def ok(self) -> Array:
        """Tell which shapes were classified, (N,) bool."""
        return np.array([not error for error in self.errors], bool)

    @property
    def predicted(self) -> Array:
        """Give the predicted class of each shape, ``metrics.FAILED`` where there is an error."""
        return np.where(self.ok, self.logits.argmax(1), FAILED)

    @property
    def labels(self) -> list[str]:
        """Name the true class of each shape."""
        return [self.classes[target] for target in self.targets.tolist()]

    @property
    def list_sha256(self) -> str:
        """Name the shapes and their true classes, whatever was read of them."""
        rows = [list(pair) for pair in zip(self.ids, self.labels, strict=True)]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()

    def fine(self) -> "Judged":
        """Give the shapes that were classified."""
        ok = self.ok
        ids = [name for name, kept in zip(self.ids, ok.tolist(), strict=True) if kept]
        ups = None if self.ups is None else [up for up, kept in zip(self.ups, ok.tolist(), strict=True) if kept]
        seconds = {stage: known[ok] for stage, known in self.seconds.items()}
        rows = self.targets[ok], self.logits[ok], [""] * len(ids)
        return Judged(self.split, self.classes, ids, *rows, seconds, self.sha256, ups)


@torch.no_grad()
def judge(
    model: "PointCLIP", split: str, encodings: Encodings, classes: tuple[str, ...], convention: str = "mean"
) -> Judged:
    """Compute logits from view features, part by part.

    Args:
        model: Its few-shot head, or its text tower and view weights.
        split: The name of the split.
        encodings: The view features; of those of several poses, each shape's most confident one counts.
        classes: K class names, in the order of the logits; every shape is of one of them.
        convention: How views are fused without a few-shot head, see :func:`pointclip.fusion.fuse`.

    Returns:
        The shapes in their order.

    Example:
        >>> from pathlib import Path
        >>> import tempfile
        >>> from pointclip import PointCLIP, weights
        >>> from pointclip.clip.frozen import FrozenClip
        >>> from pointclip.datasets.folder import ClassFolder
        >>> from pointclip.encoding.job import encode_dataset
        >>> clip = FrozenClip(weights.random("ViT-S-32-alt"), device="cpu", precision="fp32")
        >>> with tempfile.TemporaryDirectory() as root:
        ...     for name in ("bowl/a.xyz", "cup/b.xyz"):
        ...         (Path(root) / name).parent.mkdir()
        ...         _ = (Path(root) / name).write_text("0 0 0\\n1 2 1\\n")
        ...     model, shapes = PointCLIP(clip, views="ring-1"), ClassFolder(root)
        ...     encoded = encode_dataset(model, shapes)
        ...     found = judge(model, shapes.split, encoded, ("bowl", "cup"))
        >>> found.labels, found.logits.shape, found.errors
        (['bowl', 'cup'], (2, 2), ['', ''])
    """
    classifier = _classifier(model, classes, convention)
    place = {name: k for k, name in enumerate(classes)}
    found = Judged(split, classes, [], np.zeros(0, np.int64), np.zeros((0, len(classes)), np.float32), [], {})
    logits, targets, axes = [found.logits], [found.targets], encodings.ups
    ups: list[str] = []
    seconds: dict[str, list[float]] = {stage: [] for stage in STAGES}
    for part in encodings:
        found.ids += part.ids
        found.errors += part.errors
        targets.append(np.array([place[name] for name in part.labels], np.int64))
        rows, chosen = np.zeros((len(part), len(classes)), np.float32), np.zeros(len(part), np.int64)
        if fine := [k for k, error in enumerate(part.errors) if not error]:
            rows[fine], chosen[fine] = _most_confident(classifier, part.features[fine].to(model.device), len(axes))
        logits.append(rows)
        ups += [axes[place] for place in chosen.tolist()]
        for stage in STAGES:
            seconds[stage] += part.seconds[stage]
    found.targets, found.logits = np.concatenate(targets), np.concatenate(logits)
    found.seconds = {stage: np.array(known) for stage, known in seconds.items()}
    found.sha256, found.ups = encodings.shapes_sha256, ups if len(axes) > 1 else None
    return found


def _most_confident(classifier: Callable[[Tensor], Tensor], features: Tensor, poses: int) -> tuple[Array, Array]:
    """Find each shape's most confident pose, of equals the first: its logits (B,K) and its place (B,).

    Features are (B, poses V, C).
    """
    each = classifier(features.unflatten(1, (poses, -1)).flatten(0, 1)).float().cpu().unflatten(0, (-1, poses))
    best = each.softmax(-1).amax(-1).numpy().argmax(1)
    return each.numpy()[np.arange(len(best)), best], best


def _classifier(model: "PointCLIP", classes: Sequence[str], convention: str) -> Callable[[Tensor], Tensor]:
    """Give the function from view features (B,V,C) to logits (B,K): the few-shot head, or similarity to the names."""
    if model.head is not None:
        return model.head
    text, scale = model.encode_labels(classes), model.clip.logit_scale
    return lambda features: fuse(model.clip.unit(features), text, model.view_weights, scale, convention=convention)


def asked_classes(model: "PointCLIP", dataset: Dataset) -> tuple[str, ...]:
    """Name the classes to choose among, in the order of the logits: the dataset's, or those a few-shot head knows.

    Raises:
        InputError: The head knows none of the dataset's classes.
    """
    if model.few_shot is None:
        return tuple(dataset.labels)
    spelled = {plain(name): name for name in dataset.labels}
    asked = tuple(spelled.get(plain(name), name) for name in model.few_shot.labels)
    if not set(asked) & set(dataset.labels):
        raise InputError(f"{model.few_shot.path} knows none of the dataset's classes, such as {dataset.labels[0]!r}")
    return asked


def plain(name: str) -> str:
    """Spell a class name so that the same names are equal.

    Example:
        >>> plain("Night_stand ")
        'night stand'
    """
    return " ".join(name.replace("_", " ").split()).casefold()

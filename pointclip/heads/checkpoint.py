"""One file of a few-shot result: the head's tensors, and as metadata what it belongs to."""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pointclip._base.files import whole
from pointclip.errors import InputError, WeightsError
from pointclip.feature_spec import FeatureSpec
from pointclip.heads.base import Head
from pointclip.heads.table import build_head

FORMAT = 2
_KEY = "pointclip"
_SAME_TEXT = 1e-3


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A head, the classes it knows and what it was trained on.

    Attributes:
        head: Features (B,V,C) to logits (B,K).
        labels: K class names, in the order of the logits.
        spec: What the features it was fitted on were made with.
        about: How it came about: method, shots and their ids, seed, recipe, accuracies, curves; JSON only.
        path: The file it was read from, or what to call it.
    """

    head: Head
    labels: tuple[str, ...]
    spec: FeatureSpec
    about: dict[str, Any] = field(default_factory=dict)
    path: str = "the few-shot head"

    @property
    def shot_ids(self) -> frozenset[str]:
        """Name the shapes it was trained on; none where their dataset named none, or the file is an old one."""
        return frozenset(self.about.get("shot_ids", ()))

    def save(self, path: str | Path) -> Path:
        """Write the file, whole or not at all.

        Args:
            path: Its name, usually ending in ``.safetensors``; one that exists is replaced.

        Raises:
            InputError: It cannot be written.
        """
        from safetensors.torch import save

        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.head.state_dict().items()}
        config = {"format": FORMAT, "labels": list(self.labels), "head": self.head.config, "eye": asdict(self.spec)}
        config = json.loads(json.dumps({**config, "about": self.about}))  # as it will be read
        content = json.dumps({**config, "sha256": _digest(tensors, config)})
        with whole(path) as draft:
            draft.write_bytes(save(tensors, {_KEY: content}))
        return Path(path)

    def check_labels(self, labels: Sequence[str]) -> None:
        """Refuse class names other than the head's own.

        Raises:
            InputError: Naming the head's classes.
        """
        if tuple(labels) != self.labels:
            raise InputError(
                f"{self.path} knows its own {len(self.labels)} classes ({', '.join(self.labels[:5])}"
                f"{', ...' * (len(self.labels) > 5)}): leave the labels out, or classify without it"
            )

    def check_text(self, text: Tensor) -> None:
        """Refuse text features other than the head's own.

        Raises:
            InputError: Saying what to do.
        """
        own = self.head.text
        if own.shape != text.shape or not torch.allclose(own.cpu(), text.float().cpu(), rtol=0, atol=_SAME_TEXT):
            raise InputError(f"{self.path} has text features of its own, and these are others: leave text_features out")


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a few-shot head that :meth:`Checkpoint.save` wrote.

    Args:
        path: The file.

    Returns:
        The checkpoint, on the CPU, in evaluation mode.

    Raises:
        WeightsError: There is no such file, it is cut, damaged or no few-shot head, or of another format.

    Example:
        >>> load_checkpoint("chairs.safetensors")
        Traceback (most recent call last):
        ...
        pointclip.errors.WeightsError: chairs.safetensors does not exist: check the path, or make it with pointclip fit
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  no mapping
    except FileNotFoundError as error:
        raise WeightsError(f"{path} does not exist: check the path, or make it with pointclip fit") from error
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path} is cut or no safetensors file ({error}): fit it again") from error
    if _KEY not in metadata:
        raise WeightsError(f"{path} is no few-shot head of pointclip: name a file that pointclip fit wrote")
    try:
        config = json.loads(metadata[_KEY])
        if config["format"] not in (1, FORMAT):
            raise WeightsError(f"{path} is of another format than this version reads ({FORMAT}): fit it again")
        if config.pop("sha256") != _digest(tensors, config if config["format"] > 1 else None):
            raise WeightsError(f"{path} is damaged, its sha256 is another: copy it again, or fit it again")
        del config["format"]
        head = build_head(config.pop("head"))
        head.load_state_dict(tensors)
        spec, labels, about = FeatureSpec(**config.pop("eye")), tuple(config.pop("labels")), config.pop("about")
        _check(spec, labels, head)
    except (
        KeyError,
        TypeError,
        ValueError,
        RuntimeError,
        AttributeError,
        OverflowError,
    ) as error:  # RecursionError too
        if isinstance(error, WeightsError):
            raise
        raise WeightsError(f"{path} does not fit this version of pointclip ({error}): fit it again") from error
    if config:
        raise WeightsError(
            f"{path} holds the unknown key {next(iter(config))!r}: read it with the version that wrote it"
        )
    return Checkpoint(head.requires_grad_(False), labels, spec, about, str(path))


def _check(spec: FeatureSpec, labels: tuple[str, ...], head: Head) -> None:
    """Refuse labels, cameras and numbers that no fit leaves behind, such as those of a file changed by hand."""
    named = {label for label in labels if isinstance(label, str)}
    if not len(named) == len(labels) == len(head.text):
        raise ValueError(f"{len(named)} different labels for {len(head.text)} classes")
    if spec.views.num_views != head.num_views:
        raise ValueError(f"{spec.views.num_views} cameras for {head.num_views} views")
    if not (math.isfinite(head.scale) and all(t.isfinite().all() for t in head.state_dict().values())):
        raise ValueError("numbers that are not finite")
    _ = spec.drawn


def _digest(tensors: dict[str, Tensor], config: dict[str, Any] | None) -> str:
    """Name the numbers and all that is written of them; heads of the first format name the numbers only."""
    digest = hashlib.sha256(b"" if config is None else json.dumps(config, sort_keys=True).encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].contiguous().numpy().tobytes())
    return digest.hexdigest()

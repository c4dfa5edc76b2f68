"""One file of a few-shot result: the head's tensors, and as metadata what it belongs to."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pointclip import images
from pointclip._base.files import whole
from pointclip.cameras.rigs import Views
from pointclip.errors import InputError, WeightsError
from pointclip.heads.base import Head
from pointclip.heads.table import build_head

FORMAT = 1
_KEY = "pointclip"
_SAME_RIG = _SAME_TEXT = 1e-3
_CAMERAS = ("rotations", "translations", "focal", "principal")


@dataclass(frozen=True, eq=False)
class Eye:
    """What a head was trained to look through: the encoder, the rig and the style. JSON only.

    Attributes:
        model: The encoder's name.
        identity: Names its exact weights.
        rig: The rig's name.
        cameras: The rig's numbers and names in full.
        style: ``"auto"``, the style's name, or its kind where its settings are one's own.
        settings: The style's kind and settings in full; empty for ``"auto"``.
    """

    model: str
    identity: str
    rig: str
    cameras: dict[str, Any]
    style: str
    settings: dict[str, Any]

    @classmethod
    def of(cls, model: str, identity: str, views: Views, style: images.Style | str) -> "Eye":
        """Describe an encoder, a rig and a style."""
        cameras: dict[str, Any] = {}
        cameras |= {name: None if part is None else part.tolist() for name, part in _tensors(views).items()}
        cameras |= {"perspective": views.perspective, "names": list(views.names)}
        settings = {} if isinstance(style, str) else {"kind": type(style).__name__, **asdict(style)}
        return cls(model, identity, views.rig, cameras, style_name(style), json.loads(json.dumps(settings)))

    @property
    def views(self) -> Views:
        """The rig."""
        numbers = {name: self.cameras[name] for name in _CAMERAS}
        tensors: dict[str, Any] = {n: None if part is None else torch.tensor(part) for n, part in numbers.items()}
        names, perspective = tuple(self.cameras["names"]), self.cameras["perspective"]
        return Views(**tensors, perspective=perspective, names=names, rig=self.rig)

    @property
    def drawn(self) -> images.Style | str:
        """The style.

        Raises:
            WeightsError: This version knows no such style.
        """
        if not self.settings:
            return self.style
        settings: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in self.settings.items()}
        kinds = {type(style).__name__: type(style) for style in images.STYLES.values()}
        try:
            return kinds[settings.pop("kind")](**settings)
        except (KeyError, TypeError) as error:
            raise WeightsError(f"this version of pointclip has no style like {self.style!r} ({error})") from error

    def refuse_another(self, other: "Eye", path: str = "the few-shot head") -> None:
        """Refuse an encoder, a rig or a style other than the head's own.

        Args:
            other: What the head is to look through.
            path: What to call the head.

        Raises:
            InputError: Naming what differs and what to do.
        """
        if other.identity != self.identity:
            same = " (other weights of the same name)" if other.model == self.model else ""
            raise InputError(
                f"{path} was trained on features of {self.model!r}, not of {other.model!r}{same}: load it with "
                f"{self.model!r}, or fit it again"
            )
        if not _same_cameras(self.views, other.views):
            raise InputError(
                f"{path} was trained on the rig {self.rig!r}, not on {other.rig!r}: leave the rig out, or fit it again"
            )
        if other.settings != self.settings:
            same = " (with other settings)" if other.style == self.style else ""
            raise InputError(
                f"{path} was trained on the style {self.style!r}, not on {other.style!r}{same}: leave the style out, "
                "or fit it again"
            )


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A head, the classes it knows and what it was trained on.

    Attributes:
        head: Features (B,V,C) to logits (B,K).
        labels: K class names, in the order of the logits.
        eye: The encoder, rig and style it belongs to.
        about: How it came about: method, shots and their ids, seed, recipe, accuracies, curves; JSON only.
        path: The file it was read from, or what to call it.
    """

    head: Head
    labels: tuple[str, ...]
    eye: Eye
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
        config = {"format": FORMAT, "labels": list(self.labels), "head": self.head.config, "eye": asdict(self.eye)}
        content = json.dumps({**config, "about": self.about, "sha256": _digest(tensors)})
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
        if config.pop("format") != FORMAT:
            raise WeightsError(f"{path} is of another format than this version reads ({FORMAT}): fit it again")
        if config.pop("sha256") != _digest(tensors):
            raise WeightsError(f"{path} is damaged, its sha256 is another: copy it again, or fit it again")
        head = build_head(config.pop("head"))
        head.load_state_dict(tensors)
        eye, labels, about = Eye(**config.pop("eye")), tuple(config.pop("labels")), config.pop("about")
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        if isinstance(error, WeightsError):
            raise
        raise WeightsError(f"{path} does not fit this version of pointclip ({error}): fit it again") from error
    if config:
        raise WeightsError(
            f"{path} holds the unknown key {next(iter(config))!r}: read it with the version that wrote it"
        )
    return Checkpoint(head.requires_grad_(False), labels, eye, about, str(path))


def style_name(style: images.Style | str) -> str:
    """Name a style: as in the table, or its kind where its settings are one's own.

    Example:
        >>> style_name(images.style("depth")), style_name(images.style("depth", near=0.2)), style_name("auto")
        ('depth', 'Depth with settings', 'auto')
    """
    if isinstance(style, str):
        return style
    return next(
        (name for name, known in images.STYLES.items() if known == style), f"{type(style).__name__} with settings"
    )


def _tensors(views: Views) -> dict[str, Tensor | None]:
    return {name: getattr(views, name) for name in _CAMERAS}


def _same_cameras(one: Views, other: Views) -> bool:
    if one.perspective != other.perspective or one.num_views != other.num_views:
        return False
    pairs = [(_tensors(one)[name], _tensors(other)[name]) for name in _CAMERAS]
    middle = torch.zeros(one.num_views, 2)
    filled = [(middle if a is None else a, middle if b is None else b) for a, b in pairs]
    return all(torch.allclose(a, b.cpu(), rtol=0, atol=_SAME_RIG) for a, b in filled)


def _digest(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].contiguous().numpy().tobytes())
    return digest.hexdigest()

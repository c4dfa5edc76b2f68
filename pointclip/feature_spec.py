"""What features were made with: one description, one key and one refusal for heads, caches, jobs and indexes."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from pointclip import images
from pointclip.cameras import Views
from pointclip.clip import FrozenClip
from pointclip.errors import InputError, WeightsError

_SAME_RIG = 1e-3
_CAMERAS = ("rotations", "translations", "focal", "principal")
_TREATMENTS = {  # what they are usually, and how the command line asks for the other
    "drop_outliers": (True, "--keep-outliers"),
    "skip_background": (False, "--skip-background"),
    "pose": ("given", "--pose search"),
    "surface": ("auto", ""),
    "features": ("unit", "features='raw', as of fit --features raw"),
}


@dataclass(frozen=True, eq=False)
class FeatureSpec:
    """All that decides the features of a cloud besides the cloud. JSON only; fields an old file lacks are defaults.

    Attributes:
        model: The encoder's name.
        identity: Names its exact weights.
        rig: The rig's name.
        cameras: The rig's numbers and names in full.
        style: ``"auto"``, the style's name, or its kind where its settings are one's own.
        settings: The style's kind and settings in full; empty for ``"auto"``.
        image_size: Pixels along an edge of the pictures; 0 where it is not known.
        mean: What is taken from each channel; empty where it is not known.
        std: What each channel is divided by; empty where it is not known.
        precision: Number format of the image tower; empty where it is not known.
        drop_outliers: Whether far outliers were left out.
        skip_background: Whether the blank parts of pictures were left out of the image tower.
        pose: ``"given"``, or ``"search"`` for the views of all six axes as up.
        surface: What meshes are drawn from: ``"auto"``, ``"triangles"``, ``"points"``. Version 0.1 knew points alone.
        features: ``"unit"``, or ``"raw"``: the length that the image tower gives them.
    """

    model: str
    identity: str
    rig: str
    cameras: Mapping[str, Any]
    style: str
    settings: Mapping[str, Any]
    image_size: int = 0
    mean: Sequence[float] = ()
    std: Sequence[float] = ()
    precision: str = ""
    drop_outliers: bool = True
    skip_background: bool = False
    pose: str = "given"
    surface: str = "points"
    features: str = "unit"

    @classmethod
    def of(cls, model: str, identity: str, views: Views, style: images.Style | str, **others: Any) -> "FeatureSpec":
        """Describe an encoder, a rig and a style.

        Args:
            model: The encoder's name.
            identity: Names its exact weights.
            views: The rig.
            style: A style, or ``"auto"``.
            others: Further attributes of the class.

        Example:
            >>> from pointclip.cameras import rigs
            >>> spec = FeatureSpec.of("embedded", "1f", rigs.views("ring-6"), "auto", precision="fp32")
            >>> spec.rig, spec.drop_outliers, len(spec.key)
            ('ring-6', True, 32)
        """
        cameras: dict[str, Any] = {}
        cameras |= {name: None if part is None else part.tolist() for name, part in _tensors(views).items()}
        cameras |= {"perspective": views.perspective, "names": list(views.names)}
        settings = {} if isinstance(style, str) else {"kind": type(style).__name__, **asdict(style)}
        settings = json.loads(json.dumps(settings))
        return cls(model, identity, views.rig, cameras, style_name(style), settings, **others)

    @classmethod
    def seen_by(
        cls, clip: FrozenClip, views: Views, style: images.Style | str, drop_outliers: bool, surface: str
    ) -> "FeatureSpec":
        """Describe what a loaded encoder makes of a rig and a style."""
        of_clip = {"image_size": clip.image_size, "mean": list(clip.mean), "std": list(clip.std)}
        of_clip |= {"precision": clip.precision.name, "skip_background": clip.skip_background}
        of_clip |= {"features": clip.features}
        return cls.of(clip.name, clip.identity, views, style, **of_clip, drop_outliers=drop_outliers, surface=surface)

    @property
    def key(self) -> str:
        """Name, in 32 hexadecimal digits, all that decides the features; names of model, rig and views do not."""
        known = asdict(self)
        known["cameras"] = {name: part for name, part in self.cameras.items() if name != "names"}
        if self.settings:  # say it all, whatever the style is called
            del known["style"]
        if self.features == "unit":  # the key is that of the versions that knew no other
            del known["features"]
        del known["model"], known["rig"]
        return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:32]

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

    def differences(self, other: "FeatureSpec") -> dict[str, tuple[str, str]]:
        """Say in words what differs: for each attribute what it is here and what it is there.

        What either does not know does not differ. The number format is none of it: a head fitted on features of one
        is used on those of another.

        Example:
            >>> from dataclasses import replace
            >>> from pointclip.cameras import rigs
            >>> spec = FeatureSpec.of("embedded", "1f", rigs.views("ring-6"), "auto")
            >>> spec.differences(replace(spec, drop_outliers=False))
            {'drop_outliers': ('drop_outliers=True', 'drop_outliers=False (--keep-outliers)')}
        """
        found: dict[str, tuple[str, str]] = {}
        if other.identity != self.identity:
            same = " (other weights of the same name)" if other.model == self.model else ""
            found["model"] = f"the model {self.model!r}", f"the model {other.model!r}{same}"
        if not _same_cameras(self.views, other.views):
            same = " (with other cameras)" if other.rig == self.rig else ""
            found["views"] = f"the rig {self.rig!r}", f"the rig {other.rig!r}{same}"
        if other.settings != self.settings:
            same = " (with other settings)" if other.style == self.style else ""
            found["style"] = f"the style {self.style!r}", f"the style {other.style!r}{same}"
        for name in ("image_size", "mean", "std"):
            own, their = (str(getattr(spec, name)).strip("()[]") for spec in (self, other))
            if own != their and not {own, their} & {"", "0"}:
                found[name] = f"{name}={own}", f"{name}={their}"
        for name, (usual, option) in _TREATMENTS.items():
            values = getattr(self, name), getattr(other, name)
            if values[0] != values[1]:
                named = option or f"--{name} {{}}"
                own, their = (f"{name}={v}" + f" ({named.format(v)})" * (v != usual) for v in values)
                found[name] = own, their
        return found

    def refuse_another(self, other: "FeatureSpec", what: str) -> None:
        """Refuse features that were made otherwise.

        Args:
            other: What the other features are made with.
            what: What these were made for, such as a file's name.

        Raises:
            InputError: Naming all that differs and what to do.

        Example:
            >>> from dataclasses import replace
            >>> from pointclip.cameras import rigs
            >>> spec = FeatureSpec.of("embedded", "1f", rigs.views("ring-6"), "auto")
            >>> spec.refuse_another(replace(spec, drop_outliers=False), "cups")
            Traceback (most recent call last):
            ...
            pointclip.errors.InputError: cups was made with drop_outliers=True, not with drop_outliers=False \
(--keep-outliers): take the former, or make it anew
        """
        if found := self.differences(other):
            own, their = (" and ".join(words) for words in zip(*found.values(), strict=True))
            raise InputError(f"{what} was made with {own}, not with {their}: take the former, or make it anew")


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

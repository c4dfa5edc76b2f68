"""What few-shot methods share: the head they leave behind, the choice on validation, and a row of their table."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from pointclip._base.checks import check_floating, check_shape, check_targets
from pointclip.errors import InputError
from pointclip.fusion import validation_score
from pointclip.heads.recipe import Recipe


class Head(nn.Module):
    """Features (B,V,C) to logits (B,K): the common part.

    A head of your own subclasses it with ``forward(features)`` and ``learn``; then ``pointclip.fit(method=MyHead)``
    fits it and chooses among its ``settings`` on validation. A file of it is read where its class has been imported.

    ``state_dict()`` holds every tensor and ``config`` every other argument, so that
    ``build_head(head.config)`` followed by ``load_state_dict`` gives the same head.

    Attributes:
        kind: What files call it; the name of the class unless it says otherwise.
        settings: The keywords of ``learn`` to choose among, a dictionary each.
        text: (K,C) text features of the classes, unit length.

    Example:
        >>> class Nearest(Head):
        ...     '''Name the class of the nearest mean of the shots.'''
        ...     settings = ({"share": 0.0}, {"share": 0.5})
        ...     def forward(self, features):
        ...         return self.scale * features.mean(1) @ self.text.T
        ...     @classmethod
        ...     def learn(cls, train, targets, text, scale, share):
        ...         means = torch.stack([train[targets == k].mean((0, 1, 2)) for k in range(len(text))])
        ...         return cls(torch.lerp(text, means, share), train.shape[2], scale)
        >>> text, targets = torch.eye(3), torch.arange(3)
        >>> shots = text[[1, 2, 0]][:, None]
        >>> fitted = Method.of(Nearest).fit(shots, targets, text, shots, targets)
        >>> fitted.chosen, fitted.head.config["kind"]
        ({'share': 0.5}, 'Nearest')
    """

    kind = ""
    settings: ClassVar[tuple[dict[str, Any], ...]] = ({},)
    text: Tensor

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "kind" not in vars(cls):
            cls.kind = cls.__name__

    def __init__(self, text: Tensor, num_views: int, scale: float) -> None:
        super().__init__()
        check_shape("text", text, "K C")
        self.num_views, self.scale = num_views, float(scale)
        self.register_buffer("text", text.detach().clone())

    @property
    def config(self) -> dict[str, Any]:
        """Return the JSON-able arguments of :func:`build_head`."""
        num_classes, channels = self.text.shape
        common = {"kind": self.kind, "num_classes": num_classes, "channels": channels, "num_views": self.num_views}
        return {**common, "scale": self.scale, **self.own_config()}

    def own_config(self) -> dict[str, Any]:
        """Give the arguments of ``__init__`` beside text, num_views and scale; JSON only."""
        return {}

    @classmethod
    def learn(cls, train: Tensor, targets: Tensor, text: Tensor, scale: float, **settings: Any) -> "Head":
        """Learn from the shots: what ``fit(method=MyHead)`` calls.

        Args:
            train: (N,A,V,C) float32, unit length; A copies of each shape, the first the clean one.
            targets: (N,) int64.
            text: (K,C), unit length.
            scale: The logit scale.
            settings: One of the class's ``settings``.

        Raises:
            InputError: The head has none.
        """
        raise InputError(f"{cls.__name__} has no learn(train, targets, text, scale): write it, or pass Method(...)")

    @classmethod
    def from_config(cls, text: Tensor, **arguments: Any) -> "Head":
        """Build an empty head from its own part of :attr:`config`."""
        return cls(text, **arguments)

    def _check(self, features: Tensor) -> None:
        check_shape("features", features, f"B {self.num_views} {self.text.shape[1]}")


@dataclass
class Fitted:
    """What a method found.

    Args:
        head: Features (B,V,C) to logits (B,K).
        chosen: The settings validation chose.
        val_accuracy: Top-1 on validation in [0, 1] of the chosen head; ``None`` without validation.
        history: One record per epoch (adapters) or per setting tried.
    """

    head: Head
    chosen: dict[str, Any]
    val_accuracy: float | None = None
    history: list[dict[str, Any]] = field(default_factory=list)


Validation = tuple[Tensor, Tensor] | None


Settings = dict[str, Any] | None


Candidates = Iterable[tuple[dict[str, Any], Head]]


@torch.no_grad()
def choose(candidates: Candidates, val: Validation, only: Settings = None) -> Fitted:
    """Keep the candidate that is best on validation; the earliest among equals, the first without validation."""
    best, best_score, history = None, (-1.0, -math.inf), []
    for settings, head in (pair for pair in candidates if only in (None, pair[0])):
        if val is None or only is not None:
            return Fitted(head.eval(), settings)
        score = validation_score(head.eval()(val[0]), val[1])
        history.append({**settings, "val_accuracy": score[0], "val_loss": -score[1]})
        if best is None or score > best_score:
            best, best_score = Fitted(head, settings, score[0]), score
    if best is None:
        raise InputError(f"there is no setting to try{'' if only is None else f' like {only}'}: pass at least one")
    best.history = history
    return best


def judged_on(val: Tensor | None, val_targets: Tensor | None, text: Tensor) -> Validation:
    """Check validation features (M,V,C) or (M,A,V,C) and give their clean copies with their targets, or None."""
    if val is None or val_targets is None or not len(val):
        return None
    return check_support(val, val_targets, text, "val")[:, 0].float(), val_targets


def check_support(features: Tensor, targets: Tensor, text: Tensor, name: str = "train") -> Tensor:
    """Check cached features against targets and text, and return them as (N,A,V,C), A augmented copies each.

    Raises:
        InputError: A shape, dtype or index does not fit, or a feature is not finite.

    Example:
        >>> check_support(torch.zeros(2, 3, 4), torch.tensor([0, 1]), torch.zeros(5, 4)).shape
        torch.Size([2, 1, 3, 4])
    """
    if isinstance(features, Tensor) and features.ndim == 3:
        features = features[:, None]
    check_shape(f"{name} features", features, "N A V C")
    check_floating(f"{name} features", features)
    check_shape("text", text, f"K {features.shape[3]}")
    check_targets(targets, len(features), len(text))
    if not bool(features.isfinite().all()):
        raise InputError(f"{name} features hold nan or inf: delete the feature cache and encode again")
    return features


@dataclass(frozen=True)
class Method:
    """A row of the table of few-shot methods.

    Attributes:
        name: What ``method=`` and ``--method`` take.
        head: What it leaves behind; saved under its ``kind``.
        fit: ``fit(train, targets, text, val, val_targets, *, scale, ...)`` to :class:`Fitted`. Methods that are solved
            in one go take ``only``, the one setting to use.
        about: A few words for the help.
        variant: The adapter that is trained, batch by batch; empty for methods that are solved in one go.
        recipe: How it is trained unless another recipe is given.
        seeded: Whether ``fit`` takes a ``seed`` too, though it is no adapter.
    """

    name: str
    head: type[Head]
    fit: Callable[..., Fitted]
    about: str
    variant: str = ""
    recipe: Callable[[], Recipe] = Recipe
    seeded: bool = False

    @classmethod
    def of(cls, head: type[Head]) -> "Method":
        """Make a row of a head that can learn; its random numbers are the seed's, and the global state stays."""
        about = (head.__doc__ or head.kind).strip().splitlines()[0]
        return cls(head.kind, head, partial(_learned, head), about, seeded=True)


def _learned(
    kind: type[Head],
    train: Tensor,
    targets: Tensor,
    text: Tensor,
    val: Tensor | None = None,
    val_targets: Tensor | None = None,
    *,
    scale: float = 100.0,
    only: Settings = None,
    seed: int = 0,
) -> Fitted:
    """Let a head learn with each of its settings and keep the one that is best on validation."""
    train = check_support(train, targets, text).float()

    def candidates() -> Candidates:
        for settings in kind.settings:
            if only in (None, settings):
                with torch.random.fork_rng(devices=[]), torch.enable_grad():
                    torch.manual_seed(seed)
                    head = kind.learn(train, targets, text, scale, **settings)
                yield dict(settings), head

    return choose(candidates(), judged_on(val, val_targets, text), only)

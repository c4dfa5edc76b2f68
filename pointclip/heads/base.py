"""What a few-shot method leaves behind: a small module from view features to logits, one class per method."""

from typing import Any

import torch
from torch import Tensor, nn

from pointclip._base.checks import check_shape, nearest
from pointclip.errors import InputError
from pointclip.fusion.logits import fuse, unit_views
from pointclip.fusion.pooling import pooled
from pointclip.heads.network import InterViewAdapter


class Head(nn.Module):
    """Features (B,V,C) to logits (B,K): the common part.

    ``state_dict()`` holds every tensor and ``config`` every other argument, so that
    ``build_head(head.config)`` followed by ``load_state_dict`` gives the same head.
    """

    kind = ""
    text: Tensor

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
        return {**common, "scale": self.scale, **self._own_config()}

    def _own_config(self) -> dict[str, Any]:
        return {}

    def _check(self, features: Tensor) -> None:
        check_shape("features", features, f"B {self.num_views} {self.text.shape[1]}")


class AdapterHead(Head):
    """The inter-view adapter, all views normalised together, uniform fusion (methods ``adapter`` and ``light``)."""

    kind = "adapter"

    def __init__(self, text: Tensor, num_views: int, scale: float, adapter: InterViewAdapter) -> None:
        super().__init__(text, num_views, scale)
        self.adapter = adapter

    def _own_config(self) -> dict[str, Any]:
        return {"adapter": self.adapter.config}

    def forward(self, features: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return logits (B,K)."""
        return fuse(unit_views(self.adapter(features, generator)), self.text, None, self.scale)


class WeightsHead(Head):
    """Zero-shot logits fused with learned view weights (method ``weights``)."""

    kind = "weights"
    weights: Tensor

    def __init__(self, text: Tensor, num_views: int, scale: float, weights: Tensor | None = None) -> None:
        super().__init__(text, num_views, scale)
        self.register_buffer("weights", text.new_ones(num_views) if weights is None else weights.detach().clone())

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (B,K)."""
        self._check(features)
        return fuse(features, self.text, self.weights, self.scale)


class ProbeHead(Head):
    """``prior * zero-shot logits + x W^T + b`` on pooled view features x (method ``probe``)."""

    kind = "probe"
    weight: Tensor
    bias: Tensor

    def __init__(self, text: Tensor, num_views: int, scale: float, pool: str = "mean", prior: float = 0.0) -> None:
        super().__init__(text, num_views, scale)
        self.pool, self.prior = pool, float(prior)
        width = text.shape[1] * (1 if pool == "mean" else num_views)
        self.register_buffer("weight", text.new_zeros(len(text), width))
        self.register_buffer("bias", text.new_zeros(len(text)))

    def _own_config(self) -> dict[str, Any]:
        return {"pool": self.pool, "prior": self.prior}

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (B,K)."""
        self._check(features)
        learned = pooled(features, self.pool) @ self.weight.T + self.bias
        return learned + self.prior * fuse(features, self.text, None, self.scale)


class CacheHead(Head):
    """``zero-shot logits + alpha * sum_n exp(-beta (1 - <x, key_n>)) value_n`` (method ``cache``)."""

    kind = "cache"
    keys: Tensor
    values: Tensor

    def __init__(
        self,
        text: Tensor,
        num_views: int,
        scale: float,
        num_keys: int,
        pool: str = "mean",
        alpha: float = 1.0,
        beta: float = 5.5,
    ) -> None:
        super().__init__(text, num_views, scale)
        self.pool, self.alpha, self.beta = pool, float(alpha), float(beta)
        width = text.shape[1] * (1 if pool == "mean" else num_views)
        self.register_buffer("keys", text.new_zeros(num_keys, width))
        self.register_buffer("values", text.new_zeros(num_keys, len(text)))

    def _own_config(self) -> dict[str, Any]:
        return {"num_keys": len(self.keys), "pool": self.pool, "alpha": self.alpha, "beta": self.beta}

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (B,K)."""
        self._check(features)
        closeness = pooled(features, self.pool) @ self.keys.T
        cached = (self.beta * (closeness - 1.0)).exp() @ self.values
        return fuse(features, self.text, None, self.scale) + self.alpha * cached


_HEADS: dict[str, type[Head]] = {head.kind: head for head in (AdapterHead, WeightsHead, ProbeHead, CacheHead)}


def build_head(config: dict[str, Any]) -> Head:
    """Build an empty head from a saved configuration; ``load_state_dict`` then fills it.

    Args:
        config: As ``head.config`` gave it.

    Returns:
        The head, on the CPU, in evaluation mode.

    Raises:
        InputError: The kind or another key is unknown, or a key is missing.

    Example:
        >>> head = WeightsHead(torch.eye(2), 3, 100.0)
        >>> build_head(head.config).load_state_dict(head.state_dict())
        <All keys matched successfully>
    """
    arguments = dict(config)
    kind = arguments.pop("kind", None)
    if kind not in _HEADS:
        raise InputError(f"few-shot head of kind {kind!r} is unknown: {nearest(str(kind), _HEADS)}")
    try:
        text = torch.zeros(arguments.pop("num_classes"), arguments.pop("channels"))
        if "adapter" in arguments:
            arguments["adapter"] = InterViewAdapter(**arguments["adapter"], generator=torch.Generator())
        return _HEADS[kind](text, **arguments).eval()
    except (KeyError, TypeError) as error:
        raise InputError(f"the configuration of a {kind!r} head does not fit this version: {error}") from error

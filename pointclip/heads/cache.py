"""Support features as keys, their labels as values (method ``cache``)."""

from itertools import product
from typing import Any

import torch
from torch import Tensor

from pointclip.fusion import POOLS, fuse, pooled
from pointclip.heads.base import Candidates, Fitted, Head, Method, Settings, check_support, choose, judged_on


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

    def own_config(self) -> dict[str, Any]:
        """Give the arguments beside those of every head."""
        return {"num_keys": len(self.keys), "pool": self.pool, "alpha": self.alpha, "beta": self.beta}

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (B,K)."""
        self._check(features)
        closeness = pooled(features, self.pool) @ self.keys.T
        cached = (self.beta * (closeness - 1.0)).exp() @ self.values
        return fuse(features, self.text, None, self.scale) + self.alpha * cached


def fit_cache(
    train: Tensor,
    targets: Tensor,
    text: Tensor,
    val: Tensor | None = None,
    val_targets: Tensor | None = None,
    *,
    scale: float = 100.0,
    alphas: tuple[float, ...] = (1.0, 0.0, 0.3, 3.0, 10.0, 30.0, 100.0, 300.0),
    betas: tuple[float, ...] = (5.5, 1.0, 3.0, 10.0, 20.0, 40.0, 80.0, 160.0),
    only: Settings = None,
) -> Fitted:
    """Keep the support features as keys and their labels as values; nothing is trained.

    The values of a class sum to 1 over its shots, times the mean number of shots, so that a class with more shots
    has no head start.

    Args:
        train: (N,V,C) or (N,A,V,C); a shape's copies are averaged into one key.
        targets: (N,) int64.
        text: (K,C), unit length.
        val: (M,V,C) to choose alpha, beta and pooling on, or ``None``: then the first of each list.
        val_targets: (M,) int64.
        scale: The logit scale.
        alphas: Shares of the cache to try; 0 is zero-shot.
        betas: Sharpness to try.
        only: The one setting to use, as in ``Fitted.chosen``; None chooses.

    Example:
        >>> text, targets = torch.eye(3), torch.arange(3)
        >>> fit_cache(text[:, None], targets, text).head.keys.shape
        torch.Size([3, 3])
    """
    train = check_support(train, targets, text).float()
    judged = judged_on(val, val_targets, text)
    hot = torch.nn.functional.one_hot(targets, len(text)).to(text)
    shots = hot.sum(0)
    values = hot / shots.clamp_min(1) * (len(targets) / (shots > 0).sum().clamp_min(1))

    def candidates() -> Candidates:
        for pool, beta, alpha in product(POOLS, betas, alphas):
            head = CacheHead(text, train.shape[2], scale, len(train), pool, alpha, beta)
            head.keys.copy_(pooled(train.mean(1), pool))
            head.values.copy_(values)
            yield {"pool": pool, "alpha": alpha, "beta": beta}, head

    return choose(candidates(), judged, only)


CACHE = Method("cache", CacheHead, fit_cache, "keys and values, not trained")

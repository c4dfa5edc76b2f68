"""View weights learned on the support set (method ``weights``)."""

import math

from torch import Tensor

from pointclip.fusion import fit_view_weights, fuse, view_logits
from pointclip.heads.base import Candidates, Fitted, Head, Method, Settings, check_support, choose, judged_on


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


def fit_weights(
    train: Tensor,
    targets: Tensor,
    text: Tensor,
    val: Tensor | None = None,
    val_targets: Tensor | None = None,
    *,
    scale: float = 100.0,
    ridges: tuple[float, ...] = (10.0, 1.0, 0.1, 100.0),
    only: Settings = None,
) -> Fitted:
    """Learn view weights on the support set; uniform is among the candidates when there is validation.

    Args:
        train: (N,V,C), or (N,A,V,C) with A copies per shape, over which the likelihood is averaged.
        targets: (N,) int64.
        text: (K,C), unit length.
        val: (M,V,C) or ``None``.
        val_targets: (M,) int64.
        scale: The logit scale.
        ridges: Pulls to uniform to try; the first is used without validation.
        only: The one setting to use, as in ``Fitted.chosen``; None chooses.

    Example:
        >>> import torch
        >>> text, targets = torch.eye(3), torch.arange(3)
        >>> noise = torch.eye(3)[[1, 2, 0]]
        >>> fit_weights(torch.stack([text, noise], 1), targets, text).head.weights.argmax().item()
        0
    """
    train = check_support(train, targets, text).float()
    logits = view_logits(train.flatten(0, 1), text, scale)
    labels, copies = targets.repeat_interleave(train.shape[1]), train.shape[1]
    judged = judged_on(val, val_targets, text)

    def candidates() -> Candidates:
        for ridge in (*ridges[:1], math.inf, *ridges[1:]) if judged or only else ridges[:1]:
            weights = None if ridge == math.inf else fit_view_weights(logits, labels, ridge=ridge * copies)
            yield {"ridge": None if weights is None else ridge}, WeightsHead(text, train.shape[2], scale, weights)

    return choose(candidates(), judged, only)


WEIGHTS = Method("weights", WeightsHead, fit_weights, "of the views")

"""From the features of several views to one set of logits."""

import torch
from torch import Tensor

from pointclip._base.checks import check_shape, nearest
from pointclip.errors import InputError

CONVENTIONS = ("mean", "paper")


def unit_views(features: Tensor) -> Tensor:
    """Scale each cloud's features so that its V views together have length sqrt(V).

    Features of unit length per view stay as they are up to rounding. Adapted features keep the ratio of their
    views' lengths: an adapter may say that a view matters by making it longer, as in the paper's code, which divides
    the concatenated (V*C) vector by its length.

    Args:
        features: (B,V,C).

    Returns:
        (B,V,C).

    Example:
        >>> unit_views(torch.full((1, 4, 9), 2.0)).square().sum().item()
        4.0
    """
    check_shape("features", features, "B V C")
    length = features.flatten(1).norm(dim=1).clamp_min(torch.finfo(features.dtype).tiny)
    return features * (features.shape[1] ** 0.5 / length)[:, None, None]


def view_logits(features: Tensor, text: Tensor, scale: float | Tensor = 100.0) -> Tensor:
    """Return each view's own logits: ``scale * <f_v, t>``.

    Args:
        features: (B,V,C), unit length per view.
        text: (K,C), unit length.
        scale: The logit scale s.

    Returns:
        (B,V,K).

    Example:
        >>> view_logits(torch.eye(2)[None], torch.eye(2), scale=10.0).tolist()
        [[[10.0, 0.0], [0.0, 10.0]]]
    """
    check_shape("features", features, "B V C")
    check_shape("text", text, f"K {features.shape[2]}")
    return scale * (features @ text.T)


def fuse(
    features: Tensor,
    text: Tensor,
    weights: Tensor | None = None,
    scale: float | Tensor = 100.0,
    *,
    convention: str = "mean",
) -> Tensor:
    """Fuse the views of each cloud into logits with one weight per view.

    * ``"mean"``: ``s * sum_v w_v <f_v, t> / sum_v w_v``, the weighted mean of the views' logits. The number of views
      and the size of the weights do not change how sure the result is; a one-hot w gives that view's logits.
    * ``"paper"``: ``s / sqrt(V) * sum_v w_v <f_v, t>``, the logits of PointCLIP's zero-shot code. The order of the
      classes is the same.

    Args:
        features: (B,V,C), unit length per view; adapted features go through :func:`unit_views` first.
        text: (K,C), unit length.
        weights: (V,) finite and non-negative, not all 0; ``None`` is uniform (ones).
        scale: The logit scale s.
        convention: ``"mean"`` or ``"paper"``.

    Returns:
        (B,K).

    Raises:
        InputError: Shapes do not fit, or a weight is negative or not finite, or all are 0.

    Note:
        Differentiable in features, text, weights and scale.

    Example:
        >>> features, text = torch.eye(2)[None], torch.eye(2)
        >>> fuse(features, text, scale=10.0).tolist()
        [[5.0, 5.0]]
        >>> fuse(features, text, torch.tensor([0.0, 3.0]), scale=10.0).tolist()
        [[0.0, 10.0]]
    """
    check_shape("features", features, "B V C")
    check_shape("text", text, f"K {features.shape[2]}")
    if convention not in CONVENTIONS:
        raise InputError(f"convention {convention!r} is unknown: {nearest(convention, CONVENTIONS)}")
    num_views = features.shape[1]
    if weights is None:
        weights = uniform_weights(num_views)
    weights = check_weights(weights, num_views).to(features)
    total = weights.sum() if convention == "mean" else num_views**0.5
    pooled = (features * weights[:, None]).sum(1) / total
    return scale * (pooled @ text.T)


def uniform_weights(num_views: int) -> Tensor:
    """Return (V,) ones: all views alike.

    Example:
        >>> uniform_weights(3).tolist()
        [1.0, 1.0, 1.0]
    """
    return torch.ones(num_views)


def check_weights(weights: Tensor, num_views: int) -> Tensor:
    """Return the view weights, or refuse them: of another length, negative, not finite or all 0.

    Raises:
        InputError: As above.

    Example:
        >>> check_weights(torch.tensor([0.0, 2.0]), 2).tolist()
        [0.0, 2.0]
    """
    check_shape("view weights", weights, f"{num_views}")
    values = weights.detach()
    if not bool(values.isfinite().all()) or bool((values < 0).any()) or not bool((values > 0).any()):
        raise InputError(f"view weights must be finite, non-negative and not all 0, got {values.tolist()}")
    return weights


def validation_score(logits: Tensor, targets: Tensor) -> tuple[float, float]:
    """Return what a choice on validation maximises: accuracy, then minus the cross-entropy.

    Example:
        >>> validation_score(torch.zeros(4, 2), torch.tensor([0, 0, 0, 1]))[0]
        0.75
    """
    accuracy = (logits.argmax(1) == targets).double().mean()
    return float(accuracy), -float(torch.nn.functional.cross_entropy(logits.double(), targets))

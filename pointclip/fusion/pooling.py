"""From the features of several views to one vector of a shape."""

from torch import Tensor
from torch.nn.functional import normalize

from pointclip._base.checks import check_shape, nearest
from pointclip.errors import InputError
from pointclip.fusion.logits import check_weights

POOLS = ("mean", "concat")


def pooled(features: Tensor, how: str) -> Tensor:
    """Make one unit vector per cloud of its views: their mean (B,C), or all of them in order (B,V*C).

    Args:
        features: (B,V,C) float.
        how: ``"mean"`` or ``"concat"``.

    Returns:
        (B,C) or (B,V*C), unit length.

    Raises:
        InputError: The shape does not fit, or ``how`` is neither.

    Example:
        >>> import torch
        >>> pooled(torch.eye(2)[None], "concat").shape
        torch.Size([1, 4])
    """
    check_shape("features", features, "B V C")
    if how not in POOLS:
        raise InputError(f"pool {how!r} is unknown: {nearest(how, POOLS)}")
    return normalize(features.mean(1) if how == "mean" else features.flatten(1), dim=-1)


def blended(features: Tensor, weights: Tensor) -> Tensor:
    """Make one vector of the views of each shape: their weighted mean, scaled to unit length.

    Args:
        features: (N,V,C) float, unit length per view.
        weights: (V,) non-negative.

    Returns:
        (N,C) float32, unit length.

    Example:
        >>> import torch
        >>> blended(torch.eye(2)[None], torch.tensor([1.0, 0.0])).tolist()
        [[1.0, 0.0]]
    """
    check_shape("features", features, "N V C")
    weights = check_weights(weights, features.shape[1]).to(features)
    return normalize((features * weights[:, None]).sum(1).float(), dim=-1)

"""View weights by a convex fit on per-view logits.

Uniform weights are ones, and only the ratio of the weights changes a prediction.
"""

import logging
from typing import Any

import torch
from torch import Tensor

from pointclip._base.checks import check_floating, check_shape, check_targets
from pointclip.errors import InputError

_log = logging.getLogger(__name__)


def fit_view_weights(view_logits: Tensor, targets: Tensor, *, ridge: float = 1.0, steps: int = 1000) -> Tensor:
    """Fit one non-negative weight per view by multinomial likelihood, held near uniform.

    Minimises a convex function of w >= 0 whose minimum is unique::

        sum_n -log softmax(mean_v w_v view_logits[n, v])[targets[n]]  +  ridge / 2 * sum_v (w_v - 1)^2

    so that no data gives ones exactly and much data overrules the ridge.

    Args:
        view_logits: (N,V,K) scaled logits of each view alone; N may be 0.
        targets: (N,) int64 class indices.
        ridge: Strength of the pull to uniform, above 0: the precision of a normal prior around 1.
        steps: Most steps of L-BFGS-B; 10 to 60 are usual.

    Returns:
        (V,) non-negative, of view_logits' dtype and device. Their mean is the factor the fit puts on the logit scale.

    Raises:
        InputError: A shape, dtype or index is wrong, a logit is not finite, or ridge is not positive.

    Note:
        SciPy's L-BFGS-B in float64, started at ones. Deterministic. Where every view misleads, all weights would be 0;
        the answer is then uniform, and a warning is logged.

    Example:
        >>> logits = torch.tensor([[[4.0, 0.0], [0.0, 4.0]], [[0.0, 4.0], [4.0, 0.0]]])   # view 0 is right, 1 wrong
        >>> fit_view_weights(logits, torch.tensor([0, 1]), ridge=0.01).gt(0).tolist()
        [True, False]
        >>> fit_view_weights(logits[:0], torch.tensor([], dtype=torch.int64)).tolist()
        [1.0, 1.0]
    """
    from scipy.optimize import minimize

    check_shape("view_logits", view_logits, "N V K")
    check_floating("view_logits", view_logits)
    check_targets(targets, len(view_logits), view_logits.shape[2])
    if not ridge > 0:
        raise InputError(f"ridge must be above 0, got {ridge}: it is what keeps the weights at uniform without data")
    if not bool(view_logits.isfinite().all()):
        raise InputError("view_logits must be finite: a view's logits hold nan or inf")
    margins = _margins(view_logits, targets).cpu().double() / view_logits.shape[1]

    def objective(flat: Any) -> tuple[float, Any]:
        weights = torch.from_numpy(flat)
        logits = margins @ weights
        slope = torch.einsum("nk,nkv->v", logits.softmax(1), margins) + ridge * (weights - 1.0)
        value = logits.logsumexp(1).sum() + 0.5 * ridge * (weights - 1.0).square().sum()
        return float(value), slope.numpy()

    start = torch.ones(view_logits.shape[1], dtype=torch.float64).numpy()
    options = {"maxiter": steps, "maxfun": 20 * steps, "ftol": 1e-15, "gtol": 1e-8}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(start), options=options)
    weights = torch.from_numpy(found.x)
    if float(weights.sum()) == 0.0:
        _log.warning("every view points away from the right class on this support set: view weights stay uniform")
        weights = torch.ones_like(weights)
    return weights.to(view_logits)


def _margins(view_logits: Tensor, targets: Tensor) -> Tensor:
    """Return (N,K,V): each class's logit less the right class's, per view."""
    right = view_logits.gather(2, targets.to(view_logits.device)[:, None, None].expand(-1, view_logits.shape[1], 1))
    return (view_logits - right).transpose(1, 2).contiguous()

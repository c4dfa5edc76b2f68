"""Multinomial logistic regression on pooled view features (method ``probe``)."""

from collections.abc import Iterable
from itertools import product
from typing import Any

import torch
from torch import Tensor

from pointclip._base.threads import one_thread
from pointclip.fusion import POOLS, fuse, pooled
from pointclip.heads.base import Candidates, Fitted, Head, Method, Settings, check_support, choose, judged_on


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

    def own_config(self) -> dict[str, Any]:
        """Give the arguments beside those of every head."""
        return {"pool": self.pool, "prior": self.prior}

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (B,K)."""
        self._check(features)
        learned = pooled(features, self.pool) @ self.weight.T + self.bias
        return learned + self.prior * fuse(features, self.text, None, self.scale)


def fit_probe(
    train: Tensor,
    targets: Tensor,
    text: Tensor,
    val: Tensor | None = None,
    val_targets: Tensor | None = None,
    *,
    scale: float = 100.0,
    penalties: tuple[float, ...] = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 1e-5),
    only: Settings = None,
) -> Fitted:
    """Fit multinomial logistic regression on the views' mean or on all views in order.

    Each L2 penalty is tried from strong to weak, with and without the zero-shot logits as a fixed offset; with the
    offset and a strong penalty the probe is the zero-shot classifier.

    Args:
        train: (N,V,C) or (N,A,V,C); copies count as further rows.
        targets: (N,) int64.
        text: (K,C), unit length.
        val: (M,V,C) or ``None``: then the views' mean, the offset and the penalty 1e-3.
        val_targets: (M,) int64.
        scale: The logit scale of the offset.
        penalties: L2 strengths, against the mean loss per row.
        only: The one setting to use, as in ``Fitted.chosen``; None chooses.

    Example:
        >>> text, targets = torch.eye(3), torch.arange(3)
        >>> fit_probe(text[:, None], targets, text[[1, 2, 0]]).head(text[:, None]).shape
        torch.Size([3, 3])
    """
    train = check_support(train, targets, text).float()
    rows, labels = train.flatten(0, 1), targets.repeat_interleave(train.shape[1])
    judged = judged_on(val, val_targets, text)

    def candidates() -> Candidates:
        if judged is None and only is None:
            settings: Iterable[tuple[str, float]] = [("mean", 1.0)]
        else:
            settings = product(POOLS, (1.0, 0.0))
        for pool, prior in settings:
            problem = _Logistic(pooled(rows, pool), labels, prior * fuse(rows, text, None, scale))
            for penalty in penalties if judged or only else (1e-3,):
                head = ProbeHead(text, train.shape[2], scale, pool, prior)
                weight, bias = problem.solve(penalty)
                head.weight.copy_(weight)
                head.bias.copy_(bias)
                yield {"pool": pool, "prior": prior, "penalty": penalty}, head

    return choose(candidates(), judged, only)


class _Logistic:
    """Multinomial logistic regression with an offset, solved by L-BFGS in the basis of the data.

    Centring moves a constant into the free bias and a rotation keeps lengths, so the minimum is that of the plain
    problem; there are min(N, D) columns instead of D, and scaling each by its own curvature takes few steps. Where
    both N and D pass 1,500 the rotation would cost more than it saves and is left out.
    """

    def __init__(self, x: Tensor, targets: Tensor, offset: Tensor) -> None:
        rows = x.detach().cpu().double()
        self.mean = rows.mean(0)
        self.columns, self.basis = rows - self.mean, None
        if min(rows.shape) <= 1500:
            with one_thread():
                left, sizes, self.basis = torch.linalg.svd(self.columns, full_matrices=False)
            self.columns = left * sizes
        self.sizes = self.columns.square().sum(0).sqrt()
        self.offset = offset.detach().cpu().double()
        self.hot = torch.nn.functional.one_hot(targets.cpu(), offset.shape[1]).double()
        self.theta = rows.new_zeros(offset.shape[1], len(self.sizes) + 1)

    def solve(self, penalty: float) -> tuple[Tensor, Tensor]:
        """Return weight (K,D) and bias (K,), starting from the last solution."""
        from scipy.optimize import minimize

        num_rows = len(self.columns)
        unit = torch.cat([(0.25 * self.sizes**2 / num_rows + penalty).sqrt(), self.sizes.new_tensor([0.5])])
        shape = self.theta.shape

        def objective(flat: Any) -> tuple[float, Any]:
            theta = torch.from_numpy(flat).view(shape) / unit
            logits = self.offset + self.columns @ theta[:, :-1].T + theta[:, -1]
            logs = logits.log_softmax(1)
            wrong = (logs.exp() - self.hot) / num_rows
            value = -(logs * self.hot).sum() / num_rows + 0.5 * penalty * theta[:, :-1].square().sum()
            slope = torch.cat([wrong.T @ self.columns + penalty * theta[:, :-1], wrong.sum(0)[:, None]], 1)
            return float(value), (slope / unit).ravel().numpy()

        options = {"maxiter": 300, "ftol": 1e-10, "gtol": 1e-6}
        start = (self.theta * unit).ravel().numpy()
        with one_thread():
            found = minimize(objective, start, jac=True, method="L-BFGS-B", options=options)
        self.theta = torch.from_numpy(found.x).view(shape) / unit
        weight = self.theta[:, :-1] if self.basis is None else self.theta[:, :-1] @ self.basis
        return weight.float(), (self.theta[:, -1] - weight @ self.mean).float()


PROBE = Method("probe", ProbeHead, fit_probe, "logistic regression")

"""Few-shot methods solved in one go on cached features: view weights, linear probe, key-value cache.

Each has a short list of settings. With validation features the list is tried and the best kept (accuracy, then
cross-entropy); without, a fixed middle setting is used. A test split has no place here.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import torch
from torch import Tensor

from pointclip._base.checks import nearest
from pointclip._base.threads import one_thread
from pointclip.errors import InputError
from pointclip.fusion.logits import fuse, validation_score, view_logits
from pointclip.fusion.pooling import POOLS, pooled
from pointclip.fusion.view_weights import fit_view_weights
from pointclip.heads.adapter import AdapterTrainer, check_support
from pointclip.heads.base import CacheHead, Head, ProbeHead, WeightsHead

METHODS = ("adapter", "light", "probe", "cache", "weights")


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
def _choose(candidates: Candidates, val: Validation, only: Settings = None) -> Fitted:
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


def _validation(val: Tensor | None, val_targets: Tensor | None, text: Tensor) -> Validation:
    if val is None or val_targets is None or not len(val):
        return None
    return check_support(val, val_targets, text, "val")[:, 0].float(), val_targets


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
        >>> text, targets = torch.eye(3), torch.arange(3)
        >>> noise = torch.eye(3)[[1, 2, 0]]
        >>> fit_weights(torch.stack([text, noise], 1), targets, text).head.weights.argmax().item()
        0
    """
    train = check_support(train, targets, text).float()
    logits = view_logits(train.flatten(0, 1), text, scale)
    labels, copies = targets.repeat_interleave(train.shape[1]), train.shape[1]
    judged = _validation(val, val_targets, text)

    def candidates() -> Candidates:
        for ridge in (*ridges[:1], math.inf, *ridges[1:]) if judged or only else ridges[:1]:
            weights = None if ridge == math.inf else fit_view_weights(logits, labels, ridge=ridge * copies)
            yield {"ridge": None if weights is None else ridge}, WeightsHead(text, train.shape[2], scale, weights)

    return _choose(candidates(), judged, only)


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

    Example:
        >>> text, targets = torch.eye(3), torch.arange(3)
        >>> fit_probe(text[:, None], targets, text[[1, 2, 0]]).head(text[:, None]).shape
        torch.Size([3, 3])
    """
    train = check_support(train, targets, text).float()
    rows, labels = train.flatten(0, 1), targets.repeat_interleave(train.shape[1])
    judged = _validation(val, val_targets, text)

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

    return _choose(candidates(), judged, only)


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

    Example:
        >>> text, targets = torch.eye(3), torch.arange(3)
        >>> fit_cache(text[:, None], targets, text).head.keys.shape
        torch.Size([3, 3])
    """
    train = check_support(train, targets, text).float()
    judged = _validation(val, val_targets, text)
    hot = torch.nn.functional.one_hot(targets, len(text)).to(text)
    shots = hot.sum(0)
    values = hot / shots.clamp_min(1) * (len(targets) / (shots > 0).sum().clamp_min(1))

    def candidates() -> Candidates:
        for pool, beta, alpha in product(POOLS, betas, alphas):
            head = CacheHead(text, train.shape[2], scale, len(train), pool, alpha, beta)
            head.keys.copy_(pooled(train.mean(1), pool))
            head.values.copy_(values)
            yield {"pool": pool, "alpha": alpha, "beta": beta}, head

    return _choose(candidates(), judged, only)


def fit_head(
    method: str,
    train: Tensor,
    targets: Tensor,
    text: Tensor,
    val: Tensor | None = None,
    val_targets: Tensor | None = None,
    **options: Any,
) -> Fitted:
    """Fit one of the methods by name: ``adapter``, ``light``, ``probe``, ``cache`` or ``weights``.

    Args:
        method: The name.
        train: (N,V,C) or (N,A,V,C).
        targets: (N,) int64.
        text: (K,C), unit length.
        val: (M,V,C) or ``None``.
        val_targets: (M,) int64.
        options: ``scale`` for all; ``recipe``, ``ratio`` and ``seed`` for the adapters, ``only`` for the others.

    Raises:
        InputError: The method is unknown or a tensor does not fit.

    Example:
        >>> text, targets = torch.eye(3), torch.arange(3)
        >>> fit_head("cache", text[:, None], targets, text).chosen["pool"]
        'mean'
    """
    if method in _SOLVERS:
        return _SOLVERS[method](train, targets, text, val, val_targets, **options)
    if method not in METHODS:
        raise InputError(f"method {method!r} is unknown: {nearest(method, METHODS)}")
    variant = "light" if method == "light" else "paper"
    trainer = AdapterTrainer(train, targets, text, val, val_targets, variant=variant, **options)
    head = trainer.run()
    accuracy = None if trainer.best_score is None else trainer.best_score[0]
    return Fitted(head, {"epoch": trainer.best_epoch}, accuracy, trainer.history)


_SOLVERS: dict[str, Callable[..., Fitted]] = {"probe": fit_probe, "cache": fit_cache, "weights": fit_weights}

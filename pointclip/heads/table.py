"""The table of few-shot methods. A new one is a file with its head and its fit, and a row here."""

from typing import Any

import torch
from torch import Tensor

from pointclip._base.checks import nearest
from pointclip.errors import InputError
from pointclip.heads.adapter import LIGHT, PAPER
from pointclip.heads.base import Fitted, Head, Method
from pointclip.heads.cache import CACHE
from pointclip.heads.probe import PROBE
from pointclip.heads.weights import WEIGHTS

METHODS: dict[str, Method] = {method.name: method for method in (PAPER, LIGHT, PROBE, CACHE, WEIGHTS)}


def method_named(name: str | Method | type[Head]) -> Method:
    """Look up a row of the table; a row is itself one, and a head that can learn makes one.

    Raises:
        InputError: There is no such method; the message suggests the nearest.

    Example:
        >>> method_named("prob")
        Traceback (most recent call last):
        ...
        pointclip.errors.InputError: method 'prob' is unknown: did you mean 'probe'? Known: adapter, cache, light, \
probe, weights
    """
    if isinstance(name, Method):
        return name
    if isinstance(name, type) and issubclass(name, Head):
        return Method.of(name)
    if name not in METHODS:
        raise InputError(f"method {name!r} is unknown: {nearest(str(name), METHODS)}")
    return METHODS[name]


def fit_head(
    method: str | Method | type[Head],
    train: Tensor,
    targets: Tensor,
    text: Tensor,
    val: Tensor | None = None,
    val_targets: Tensor | None = None,
    **options: Any,
) -> Fitted:
    """Fit one of the methods of the table by name, or one of your own.

    Args:
        method: The name, or what else :func:`method_named` takes.
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
    return method_named(method).fit(train, targets, text, val, val_targets, **options)


def build_head(config: dict[str, Any]) -> Head:
    """Build an empty head from a saved configuration; ``load_state_dict`` then fills it.

    Args:
        config: As ``head.config`` gave it.

    Returns:
        The head, on the CPU, in evaluation mode.

    Raises:
        InputError: The kind or another key is unknown, or a key is missing.

    Example:
        >>> from pointclip.heads.weights import WeightsHead
        >>> head = WeightsHead(torch.eye(2), 3, 100.0)
        >>> build_head(head.config).load_state_dict(head.state_dict())
        <All keys matched successfully>
    """
    arguments = dict(config)
    kind = arguments.pop("kind", None)
    kinds = {head.kind: head for head in _subclasses(Head)} | {row.head.kind: row.head for row in METHODS.values()}
    if kind not in kinds:
        known = nearest(str(kind), {row.head.kind for row in METHODS.values()})
        raise InputError(f"few-shot head of kind {kind!r} is unknown: {known}; one of your own must be imported first")
    try:
        text = torch.zeros(arguments.pop("num_classes"), arguments.pop("channels"))
        return kinds[kind].from_config(text, **arguments).eval()
    except (KeyError, TypeError) as error:
        raise InputError(f"the configuration of a {kind!r} head does not fit this version: {error}") from error


def _subclasses(head: type[Head]) -> list[type[Head]]:
    below = head.__subclasses__()
    return below + [deeper for kind in below for deeper in _subclasses(kind)]

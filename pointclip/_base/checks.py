"""The wording of shape, dtype and choice errors, in one place."""

from collections.abc import Iterable
from difflib import get_close_matches

import torch

from pointclip.errors import InputError


def check_shape(name: str, tensor: torch.Tensor, shape: str) -> None:
    """Refuse a tensor whose shape does not fit a pattern such as ``"B N 3"``.

    Letters stand for any size (the same letter for the same size), digits for themselves.

    Raises:
        InputError: The tensor is no tensor, or its shape does not fit.

    Example:
        >>> check_shape("points", torch.zeros(2, 5, 3), "B N 3")
        >>> check_shape("points", torch.zeros(5, 3), "B N 3")
        Traceback (most recent call last):
        ...
        pointclip.errors.InputError: points must have shape (B, N, 3), got (5, 3)
    """
    axes = shape.split()
    if not isinstance(tensor, torch.Tensor):
        raise InputError(
            f"{name} must be a torch.Tensor of shape ({', '.join(shape.split())}), got {type(tensor).__name__}"
        )
    axes = shape.split()
    known: dict[str, int] = {}
    fits = tensor.ndim == len(axes) and all(
        size == (int(axis) if axis.isdigit() else known.setdefault(axis, size))
        for axis, size in zip(axes, tensor.shape, strict=True)
    )
    if not fits:
        raise InputError(f"{name} must have shape ({', '.join(axes)}), got {tuple(tensor.shape)}")


def check_floating(name: str, tensor: torch.Tensor) -> None:
    """Refuse a tensor that does not hold floating-point numbers.

    Raises:
        InputError: The dtype is an integer, boolean or complex one.

    Example:
        >>> check_floating("points", torch.zeros(3))
    """
    if not tensor.is_floating_point():
        raise InputError(f"{name} must hold floating-point numbers, got {tensor.dtype}: call .float() on it first")


def check_targets(targets: torch.Tensor, num_rows: int, num_classes: int) -> None:
    """Refuse class indices that do not fit the logits.

    Raises:
        InputError: Not int64 of shape (N,), another length, or an index outside [0, K).

    Example:
        >>> check_targets(torch.tensor([0, 2]), 2, 3)
    """
    check_shape("targets", targets, "N")
    if targets.dtype != torch.int64:
        raise InputError(f"targets must hold int64 class indices, got {targets.dtype}: call .long() on them first")
    if len(targets) != num_rows:
        raise InputError(f"targets must name one class per cloud: {num_rows} clouds, {len(targets)} targets")
    if num_rows and not (int(targets.min()) >= 0 and int(targets.max()) < num_classes):
        raise InputError(
            f"targets must lie in [0, {num_classes}), got {int(targets.min())} to {int(targets.max())}: "
            "they index the rows of the text features"
        )


def nearest(word: str, choices: Iterable[str]) -> str:
    """Word the suggestion that follows an unknown name: the nearest known one, then all of them.

    Example:
        >>> nearest("shadd", ["depth", "shaded"])
        "did you mean 'shaded'? Known: depth, shaded"
    """
    known = sorted(choices)
    close = get_close_matches(word, known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}Known: {', '.join(known)}"

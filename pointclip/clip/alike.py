"""Class names that the text tower cannot tell apart, or has no words for."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

_SAME = 1e-5  # below 1, of a cosine: what batches change is a hundredth of it
_NEIGHBOURS = 3
_TOLD = 3


def label_notes(tokenizer: Any, labels: Sequence[str], text: Tensor) -> list[str]:
    """Say which labels encode alike, so that their answers mean nothing, and which hold unknown words.

    Args:
        tokenizer: The text tower's own.
        labels: K class names.
        text: (K, C) float, unit length, their features.

    Returns:
        Sentences; none where all is well.

    Example:
        >>> label_notes(None, ["Stuhl", "Bank"], torch.ones(2, 4) / 2)
        ["the text tower cannot tell 'Stuhl' from 'Bank': write them in words that it knows, English ones for most"]
    """
    notes = []
    if pairs := _alike(text):
        told = " or ".join(f"{labels[a]!r} from {labels[b]!r}" for a, b in pairs[:_TOLD])
        more = f" and {len(pairs) - _TOLD} pairs more" * (len(pairs) > _TOLD)
        notes.append(
            f"the text tower cannot tell {told}{more}: write them in words that it knows, English ones for most"
        )
    if unknown := _unknown(tokenizer, labels):
        told = ", ".join(map(repr, unknown[:_TOLD])) + ", ..." * (len(unknown) > _TOLD)
        notes.append(f"the text tower has no words for {told}: write them in English")
    return notes


def _alike(text: Tensor) -> list[tuple[int, int]]:
    """Give pairs of rows that are the same: along any direction they lie side by side."""
    rows = text.detach().float().cpu()
    direction = torch.randn(rows.shape[1], generator=torch.Generator().manual_seed(0))
    order = (rows @ direction).sort(stable=True).indices
    pairs: set[tuple[int, int]] = set()
    for step in range(1, min(_NEIGHBOURS, len(rows) - 1) + 1):
        first, second = order[:-step], order[step:]
        same = (rows[first] * rows[second]).sum(1) > 1 - _SAME
        found = torch.stack([torch.minimum(first, second)[same], torch.maximum(first, second)[same]], 1)
        pairs.update((int(a), int(b)) for a, b in found.tolist())
    return sorted(pairs)


def _unknown(tokenizer: Any, labels: Sequence[str]) -> list[str]:
    inner = getattr(tokenizer, "tokenizer", tokenizer)
    token = getattr(inner, "unk_token_id", None)
    if token is None or token in (getattr(inner, "eos_token_id", None), getattr(inner, "pad_token_id", None)):
        return []  # a tokenizer of bytes knows all words
    return [label for label, row in zip(labels, tokenizer(list(labels)), strict=True) if bool((row == token).any())]

"""Logits of two networks joined: ours and those of any 3D network, read from an .npz."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pointclip._base.checks import check_shape, check_targets
from pointclip._base.leaks import refuse_test_split
from pointclip.errors import InputError
from pointclip.fusion.logits import validation_score


@dataclass(frozen=True)
class LogitTable:
    """Logits of another network with the id of each row.

    Args:
        ids: One name per row, all different.
        logits: (N,K) float32.
    """

    ids: tuple[str, ...]
    logits: Tensor

    def rows(self, ids: list[str]) -> Tensor:
        """Return the logits of these ids, in their order, (len(ids), K).

        Raises:
            InputError: An id is not in the table.

        Example:
            >>> LogitTable(("a", "b"), torch.eye(2)).rows(["b"]).tolist()
            [[0.0, 1.0]]
        """
        place = {name: row for row, name in enumerate(self.ids)}
        missing = [name for name in ids if name not in place]
        if missing:
            raise InputError(
                f"the other network's logits lack {len(missing)} of {len(ids)} shapes, first {missing[0]!r}: "
                "write its logits for every shape, under the same ids"
            )
        return self.logits[torch.tensor([place[name] for name in ids], dtype=torch.int64)]


def load_logits(path: str | Path, num_classes: int | None = None) -> LogitTable:
    """Read another network's logits from an .npz with the arrays ``ids`` (N,) and ``logits`` (N,K).

    Args:
        path: The file.
        num_classes: K to insist on; the columns must follow our label order.

    Returns:
        The table, logits as float32.

    Raises:
        InputError: No such file, not an .npz, an array missing or misshapen, ids repeated, logits not finite.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.savez(f"{folder}/net.npz", ids=np.array(["a", "b"]), logits=np.eye(2))
        ...     load_logits(f"{folder}/net.npz").ids
        ('a', 'b')
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            ids, logits = np.atleast_1d(arrays["ids"]), np.asarray(arrays["logits"], np.float32)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file of logits") from error
    except KeyError as error:
        raise InputError(f"{path}: must hold the arrays 'ids' (N,) and 'logits' (N,K): {error.args[0]}") from error
    except (OSError, ValueError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        reason = str(error).partition(". ")[0]  # what numpy says next is how to read it unsafely
        raise InputError(
            f"{path}: not a readable .npz of plain arrays ({reason}): write it with "
            "numpy.savez(path, ids=np.array(list_of_str), logits=array)"
        ) from error
    names = tuple(str(name) for name in ids.ravel())
    if logits.ndim != 2 or ids.ndim != 1 or len(names) != len(logits):
        raise InputError(f"{path}: ids must be (N,) and logits (N,K), got {ids.shape} and {logits.shape}")
    if len(set(names)) != len(names):
        raise InputError(f"{path}: ids repeat: {len(names) - len(set(names))} of {len(names)} are not new")
    if num_classes is not None and logits.shape[1] != num_classes:
        raise InputError(f"{path}: logits must have {num_classes} columns, one per label, got {logits.shape[1]}")
    if not np.isfinite(logits).all():
        raise InputError(f"{path}: logits hold nan or inf")
    return LogitTable(names, torch.from_numpy(logits))


@dataclass(frozen=True)
class Ensemble:
    """A weighted sum of two networks' logits, each centred per row and divided by its own scale.

    ``out = scale_a * ((1 - weight) * a / scale_a + weight * b / scale_b)``, so that the result is on a's scale.

    Args:
        weight: Share of b in [0, 1].
        scale_a: Spread of a's logits on validation, above 0.
        scale_b: Spread of b's.
    """

    weight: float
    scale_a: float = 1.0
    scale_b: float = 1.0

    def __call__(self, logits_a: Tensor, logits_b: Tensor) -> Tensor:
        """Combine (N,K) with (N,K)."""
        check_shape("logits_a", logits_a, "N K")
        check_shape("logits_b", logits_b, f"{logits_a.shape[0]} {logits_a.shape[1]}")
        a, b = (logits - logits.mean(1, keepdim=True) for logits in (logits_a, logits_b.to(logits_a)))
        return (1.0 - self.weight) * a + self.weight * (self.scale_a / self.scale_b) * b


def ensemble(logits_a: Tensor, logits_b: Tensor, weight: float = 0.5) -> Tensor:
    """Combine two networks' logits with a given weight, each divided by its own spread.

    Args:
        logits_a: (N,K).
        logits_b: (N,K), same rows and same label order.
        weight: Share of b in [0, 1]; choose it with :func:`fit_ensemble`.

    Returns:
        (N,K), on the scale of logits_a.

    Note:
        The spread is taken over the rows given. For a result that does not depend on them, keep the
        :class:`Ensemble` of :func:`fit_ensemble`.

    Example:
        >>> a, b = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 200.0]])
        >>> ensemble(a, b, weight=0.75).argmax(1).tolist(), ensemble(a, b, weight=0.25).argmax(1).tolist()
        ([1], [0])
    """
    if not 0.0 <= weight <= 1.0:
        raise InputError(f"weight must lie in [0, 1], got {weight}: 0 is the first network alone, 1 the second")
    return Ensemble(weight, _spread(logits_a), _spread(logits_b))(logits_a, logits_b)


def fit_ensemble(logits_a: Tensor, logits_b: Tensor, targets: Tensor, *, split: str, steps: int = 20) -> Ensemble:
    """Choose the weight of a two-network ensemble on validation logits.

    Args:
        logits_a: (N,K) of this model.
        logits_b: (N,K) of the other network.
        targets: (N,) int64 class indices.
        split: The name of the split they come from; a test split is refused.
        steps: The weights tried are 0, 1/steps, ..., 1.

    Returns:
        The ensemble of highest accuracy; among equals the one of lowest cross-entropy, then of lowest weight.

    Raises:
        InputError: The split is named test, there are no rows, or shapes do not fit.

    Example:
        >>> a, b = torch.tensor([[0.1, 0.0], [0.1, 0.0]]), torch.tensor([[9.0, 0.0], [0.0, 9.0]])
        >>> fit_ensemble(a, b, torch.tensor([0, 1]), split="val").weight > 0.5
        True
    """
    refuse_test_split(split)
    check_shape("logits_a", logits_a, "N K")
    check_targets(targets, len(logits_a), logits_a.shape[1])
    if not len(targets):
        raise InputError("fit_ensemble needs at least one validation shape")
    scale_a, scale_b = _spread(logits_a), _spread(logits_b)
    best, best_score = Ensemble(0.0, scale_a, scale_b), (-1.0, 0.0)
    for step in range(steps + 1):
        candidate = Ensemble(step / steps, scale_a, scale_b)
        score = validation_score(candidate(logits_a, logits_b), targets)
        if score > best_score:
            best, best_score = candidate, score
    return best


def _spread(logits: Tensor) -> float:
    """Root mean square of the logits about their row means; 1 where they are constant."""
    value = float((logits - logits.mean(1, keepdim=True)).double().square().mean().sqrt()) if logits.numel() else 1.0
    return value if value > 0 else 1.0

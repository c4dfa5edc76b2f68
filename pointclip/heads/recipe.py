"""How an adapter is trained: the paper's recipe as one frozen table of numbers."""

import math
from dataclasses import dataclass
from typing import Any

from pointclip._base.checks import nearest
from pointclip.errors import InputError

OPTIMIZERS = ("sgd", "adamw")


@dataclass(frozen=True)
class Recipe:
    """How to train; the default is the paper's recipe.

    Args:
        epochs: Passes over the training shapes.
        batch_size: Shapes per step; a last, smaller batch is dropped as in the paper's code, unless it is the only one.
        optimizer: ``"sgd"`` or ``"adamw"``.
        lr: Learning rate after warm-up, then down a cosine.
        momentum: Of SGD.
        weight_decay: On every parameter.
        warmup_epochs: Epochs at ``warmup_lr`` first.
        warmup_lr: Learning rate of the warm-up.
        label_smoothing: Share of probability spread evenly over the **other** classes.
        eval_every: Epochs between looks at validation; the last epoch is always looked at.

    Example:
        >>> Recipe().epochs, Recipe.adamw(epochs=30).optimizer
        (250, 'adamw')
    """

    epochs: int = 250
    batch_size: int = 32
    optimizer: str = "sgd"
    lr: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup_epochs: int = 1
    warmup_lr: float = 1e-5
    label_smoothing: float = 0.2
    eval_every: int = 1

    def __post_init__(self) -> None:
        if self.optimizer not in OPTIMIZERS:
            raise InputError(f"optimizer {self.optimizer!r} is unknown: {nearest(self.optimizer, OPTIMIZERS)}")
        if self.epochs < 1 or self.batch_size < 2 or self.eval_every < 1 or self.warmup_epochs < 0:
            raise InputError("a recipe needs epochs >= 1, batch_size >= 2, eval_every >= 1 and warmup_epochs >= 0")
        if not (self.lr > 0 and 0 <= self.label_smoothing < 1):
            raise InputError("a recipe needs lr above 0 and label_smoothing in [0, 1)")

    @classmethod
    def adamw(cls, **changes: Any) -> "Recipe":
        """Return the AdamW option: 100 epochs at 1e-3 with weight decay 0.01."""
        return cls(**{"optimizer": "adamw", "lr": 1e-3, "weight_decay": 0.01, "epochs": 100, **changes})

    def lr_at(self, epoch: int) -> float:
        """Return the learning rate of an epoch, counted from 0; the cosine starts when the warm-up ends.

        Example:
            >>> Recipe().lr_at(0), Recipe().lr_at(1), round(Recipe().lr_at(126), 6)
            (1e-05, 0.01, 0.005)
        """
        if epoch < self.warmup_epochs:
            return self.warmup_lr
        return 0.5 * self.lr * (1.0 + math.cos(math.pi * (epoch - self.warmup_epochs) / self.epochs))

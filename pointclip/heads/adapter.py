"""The inter-view adapter as a head, and its training on cached features, resumable after any batch."""

import copy
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from pointclip._base.seeds import draw
from pointclip.errors import InputError
from pointclip.fusion import fuse, unit_views, validation_score
from pointclip.heads.base import Fitted, Head, Method, check_support
from pointclip.heads.network import InterViewAdapter
from pointclip.heads.recipe import Recipe


def smooth_cross_entropy(logits: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """Return the cross-entropy to 1 - smoothing on the target and the rest spread over the other classes.

    Example:
        >>> smooth_cross_entropy(torch.zeros(1, 2), torch.tensor([0]), 0.2).item() == math.log(torch.tensor(2.0).item())
        False
    """
    logs = logits.log_softmax(1)
    right = logs.gather(1, targets[:, None])[:, 0]
    others = (logs.sum(1) - right) / max(1, logits.shape[1] - 1)
    return -((1.0 - smoothing) * right + smoothing * others).mean()


class AdapterHead(Head):
    """The inter-view adapter, all views normalised together, uniform fusion (methods ``adapter`` and ``light``)."""

    kind = "adapter"

    def __init__(self, text: Tensor, num_views: int, scale: float, adapter: InterViewAdapter) -> None:
        super().__init__(text, num_views, scale)
        self.adapter = adapter

    def own_config(self) -> dict[str, Any]:
        """Give the arguments beside those of every head."""
        return {"adapter": self.adapter.config}

    @classmethod
    def from_config(cls, text: Tensor, **arguments: Any) -> "AdapterHead":
        """Build the empty head and its empty adapter."""
        adapter = InterViewAdapter(**arguments.pop("adapter"), generator=torch.Generator())
        return cls(text, **arguments, adapter=adapter)

    def forward(self, features: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return logits (B,K)."""
        return fuse(unit_views(self.adapter(features, generator)), self.text, None, self.scale)


class AdapterTrainer:
    """Train an inter-view adapter on cached features, one batch at a time.

    The state after any batch can be saved and loaded: the order of the shapes and the dropout masks depend on the seed
    and the step only, so a resumed run ends with the same bytes as one that never stopped (same machine and threads).

    Args:
        train: (N,V,C), or (N,A,V,C) with A augmented copies per shape; each epoch draws one copy of each.
        targets: (N,) int64.
        text: (K,C), unit length.
        val: (M,V,C) to choose the epoch on, or ``None``: then the last epoch is kept.
        val_targets: (M,) int64.
        variant: ``"paper"`` or ``"light"``.
        ratio: The residual ratio.
        scale: The logit scale.
        recipe: How to train.
        seed: Of the initial weights, the order, the copies and the dropout.

    Raises:
        InputError: Shapes do not fit, fewer than 2 shapes, or val without val_targets.

    Note:
        Uses its own generators: torch's global random state is neither read nor changed. Inputs are never written.

    Example:
        >>> text, targets = torch.eye(4), torch.arange(4).repeat(4)
        >>> features = text[targets][:, None].repeat(1, 3, 1)
        >>> trainer = AdapterTrainer(features, targets, text, variant="light", recipe=Recipe(epochs=2))
        >>> head = trainer.run()
        >>> head(features).shape, len(trainer.history)
        (torch.Size([16, 4]), 2)
    """

    def __init__(
        self,
        train: Tensor,
        targets: Tensor,
        text: Tensor,
        val: Tensor | None = None,
        val_targets: Tensor | None = None,
        *,
        variant: str = "paper",
        ratio: float = 0.6,
        scale: float = 100.0,
        recipe: Recipe | None = None,
        seed: int = 0,
    ) -> None:
        self.train = check_support(train, targets, text)
        self.device = self.train.device
        self.targets, self.recipe, self.seed = targets.to(self.device), recipe or Recipe(), seed
        if len(targets) < 2:
            raise InputError("training an adapter needs at least 2 shapes: batch normalisation compares them")
        if (val is None) != (val_targets is None):
            raise InputError("val and val_targets belong together: pass both or neither")
        self.val = self.val_targets = None
        if val is not None and val_targets is not None and len(val):
            self.val = check_support(val, val_targets, text, "val")[:, 0].to(self.device)
            self.val_targets = val_targets.to(self.device)
        num_views, channels = self.train.shape[2:]
        adapter = InterViewAdapter(channels, num_views, ratio, variant, generator=draw(seed, "weights", 0))
        self.head = AdapterHead(text.float(), num_views, scale, adapter).to(self.device)
        self.optimizer = self._optimizer()
        self.batch_size = min(self.recipe.batch_size, len(self.train))
        self.steps_per_epoch = len(self.train) // self.batch_size
        self.step_index, self.loss_sum = 0, 0.0
        self.history: list[dict[str, float]] = []
        self.best_score: tuple[float, float] | None = None
        self.best_epoch, self.best_state = -1, self._snapshot()

    def _optimizer(self) -> torch.optim.Optimizer:
        recipe, parameters = self.recipe, list(self.head.adapter.parameters())
        if recipe.optimizer == "sgd":
            return torch.optim.SGD(
                parameters, recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay, fused=True
            )
        return torch.optim.AdamW(parameters, recipe.lr, weight_decay=recipe.weight_decay, fused=True)

    def _snapshot(self) -> dict[str, Tensor]:
        return {name: tensor.detach().clone() for name, tensor in self.head.adapter.state_dict().items()}

    @property
    def epoch(self) -> int:
        """Count the finished epochs."""
        return self.step_index // self.steps_per_epoch

    @property
    def done(self) -> bool:
        """Tell whether all epochs are finished."""
        return self.epoch >= self.recipe.epochs

    def step(self) -> float:
        """Train on the next batch and return its loss; at the end of an epoch look at validation.

        Raises:
            InputError: The loss is not finite.
        """
        epoch, place = divmod(self.step_index, self.steps_per_epoch)
        if place == 0:
            self.loss_sum = 0.0
        generator = draw(self.seed, "order", epoch)
        order = torch.randperm(len(self.train), generator=generator)
        copies = torch.randint(self.train.shape[1], (len(order),), generator=generator)
        rows = order[place * self.batch_size : (place + 1) * self.batch_size]
        batch = self.train[rows.to(self.device), copies[rows].to(self.device)].float()
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.lr_at(epoch)
        self.head.train()
        logits = self.head(batch, draw(self.seed, "dropout", self.step_index, self.device))
        loss = smooth_cross_entropy(logits, self.targets[rows.to(self.device)], self.recipe.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        value = float(loss.detach())
        if not math.isfinite(value):
            raise InputError(f"the loss became {value} in epoch {epoch + 1}: use a smaller lr than {self.recipe.lr}")
        self.optimizer.step()
        self.loss_sum += value
        self.step_index += 1
        if place + 1 == self.steps_per_epoch:
            self._finish_epoch(epoch)
        return value

    @torch.no_grad()
    def _finish_epoch(self, epoch: int) -> None:
        record = {
            "epoch": epoch + 1,
            "lr": self.recipe.lr_at(epoch),
            "loss": self.loss_sum / self.steps_per_epoch,
        }
        last = epoch + 1 == self.recipe.epochs
        if (
            self.val is not None
            and self.val_targets is not None
            and (last or (epoch + 1) % self.recipe.eval_every == 0)
        ):
            self.head.eval()
            logits = torch.cat([self.head(part.float()) for part in self.val.split(512)])
            score = validation_score(logits, self.val_targets)
            record |= {"val_accuracy": score[0], "val_loss": -score[1]}
            if self.best_score is None or score > self.best_score:
                self.best_score, self.best_epoch, self.best_state = score, epoch + 1, self._snapshot()
        elif self.val is None and last:
            self.best_epoch, self.best_state = epoch + 1, self._snapshot()
        self.history.append(record)

    def run(
        self,
        on_epoch: Callable[["AdapterTrainer"], None] | None = None,
        on_step: Callable[["AdapterTrainer"], None] | None = None,
    ) -> AdapterHead:
        """Train to the end and return the chosen head.

        Args:
            on_epoch: Called after each epoch; ``trainer.history[-1]`` is its record.
            on_step: Called after each batch.
        """
        while not self.done:
            before = self.epoch
            self.step()
            if on_step is not None:
                on_step(self)
            if on_epoch is not None and self.epoch > before:
                on_epoch(self)
        return self.best_head()

    def best_head(self) -> AdapterHead:
        """Return a copy of the head with the weights of the best epoch so far (the latest if none was judged)."""
        head = copy.deepcopy(self.head)
        head.adapter.load_state_dict(self.best_state if self.best_epoch > 0 else self._snapshot())
        return head.eval()

    def state_dict(self) -> dict[str, Any]:
        """Return everything needed to go on from here: nested dicts of tensors, numbers and lists (copies)."""
        return copy.deepcopy(
            {
                "adapter": self.head.adapter.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "best_state": self.best_state,
                "best_epoch": self.best_epoch,
                "best_score": self.best_score,
                "step_index": self.step_index,
                "loss_sum": self.loss_sum,
                "history": self.history,
            }
        )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state of a trainer that was built with the same arguments."""
        state = copy.deepcopy(state)
        self.head.adapter.load_state_dict(state["adapter"])
        self.optimizer.load_state_dict(state["optimizer"])
        for name in ("best_state", "best_epoch", "best_score", "step_index", "loss_sum", "history"):
            setattr(self, name, state[name])


def fit_adapter(
    train: Tensor,
    targets: Tensor,
    text: Tensor,
    val: Tensor | None = None,
    val_targets: Tensor | None = None,
    *,
    variant: str = "paper",
    **options: Any,
) -> Fitted:
    """Train an adapter to the end and keep the best epoch; the arguments are those of :class:`AdapterTrainer`.

    Example:
        >>> text, targets = torch.eye(4), torch.arange(4).repeat(2)
        >>> fitted = fit_adapter(text[targets][:, None], targets, text, variant="light", recipe=Recipe(epochs=2))
        >>> fitted.chosen
        {'epoch': 2}
    """
    trainer = AdapterTrainer(train, targets, text, val, val_targets, variant=variant, **options)
    head = trainer.run()
    accuracy = None if trainer.best_score is None else trainer.best_score[0]
    return Fitted(head, {"epoch": trainer.best_epoch}, accuracy, trainer.history)


PAPER = Method("adapter", AdapterHead, fit_adapter, "the paper's", "paper")
LIGHT = Method("light", AdapterHead, partial(fit_adapter, variant="light"), "a small one", "light", Recipe.adamw)

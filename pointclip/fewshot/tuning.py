"""One few-shot method on cached features, its settings chosen on validation, or on folds of the shots themselves."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pointclip.fewshot import shots
from pointclip.fewshot.progress import FitProgress, epoch_note
from pointclip.fewshot.resume import State, key_of, train
from pointclip.fusion import fuse, unit_views, validation_score
from pointclip.heads import AdapterHead, AdapterTrainer, Fitted, Method, Recipe, method_named

RATIOS = (0.8, 0.4, 0.3, 0.2, 0.1, 0.05, 0.0)  # tried after training beside the trained one; 0 is zero-shot


@dataclass(frozen=True, eq=False)
class Task:
    """Cached features of shots and validation.

    Attributes:
        train: (N,A,V,C); copy 0 is the clean cloud.
        targets: (N,) int64.
        text: (K,C), unit length.
        val: (M,V,C), M may be 0: then folds of the shots judge.
        val_targets: (M,) int64.
        scale: The logit scale.
        seed: Of the training.
    """

    train: Tensor
    targets: Tensor
    text: Tensor
    val: Tensor
    val_targets: Tensor
    scale: float
    seed: int

    def part(self, teach: tuple[int, ...], judge: tuple[int, ...]) -> "Task":
        """Make a task of some of the shots, judged on others."""
        rows, held = torch.tensor(teach), torch.tensor(judge)
        return replace(
            self,
            train=self.train[rows],
            targets=self.targets[rows],
            val=self.train[held, 0],
            val_targets=self.targets[held],
        )

    @property
    def folds(self) -> "list[Task]":
        """The parts that cross-validation judges; none where there is validation, or one shot of each class."""
        if len(self.val):
            return []
        return [self.part(teach, judge) for teach, judge in shots.folds(self.targets.tolist())]


class Tuner:
    """Fit a method to a task, resumable.

    Args:
        task: What to fit.
        method: A name of :data:`pointclip.heads.METHODS`, or a row.
        recipe: How adapters are trained; None is the recipe of the method's row.
        ratio: The residual ratio in training.
        states: Folder for the states of runs that were stopped.
        progress: What to show them on.
    """

    def __init__(
        self,
        task: Task,
        method: str | Method,
        recipe: Recipe | None,
        ratio: float,
        states: Path,
        progress: FitProgress,
    ) -> None:
        self.task, self.method, self.ratio = task, method_named(method), ratio
        self.recipe = recipe or self.method.recipe()
        self.ratios = (ratio, *(other for other in RATIOS if other != ratio))
        self.states, self.progress = states, progress
        self._open: list[State] = []

    def fit(self) -> Fitted:
        """Fit, with the settings that validation or the folds prefer, or fixed ones where nothing can judge."""
        if self.method.variant:
            return self._adapter_by_folds() if self.task.folds else self._adapter()
        return self._solved_by_folds() if self.task.folds else self._solved(self.task)

    def forget(self) -> None:
        """Remove the kept states: to be called when the result is safe."""
        for state in self._open:
            state.remove()

    def _solved(self, task: Task, only: dict[str, Any] | None = None) -> Fitted:
        val = (task.val, task.val_targets) if len(task.val) else (None, None)
        seed = {"seed": task.seed} if self.method.seeded else {}
        return self.method.fit(task.train, task.targets, task.text, *val, scale=task.scale, only=only, **seed)

    def _solved_by_folds(self) -> Fitted:
        folds = self.task.folds
        tables = []
        for number, fold in enumerate(folds):
            self.progress.show("cross-validating", number, len(folds))
            tables.append(self._solved(fold).history)
        self.progress.show("cross-validating", len(folds), len(folds))
        history = []
        for rows in zip(*tables, strict=True):
            settings = {name: value for name, value in rows[0].items() if not name.startswith("val_")}
            history.append({**settings, **_mean(rows, folds, ("val_accuracy", "val_loss"))})
        best = max(history, key=lambda row: (row["val_accuracy"], -row["val_loss"]))
        chosen = {name: value for name, value in best.items() if not name.startswith("val_")}
        return Fitted(self._solved(self.task, chosen).head, chosen, best["val_accuracy"], history)

    def _trainer(self, task: Task, judged: bool) -> tuple[AdapterTrainer, State]:
        val = (task.val, task.val_targets) if judged else (None, None)
        options: dict[str, Any] = {"variant": self.method.variant, "ratio": self.ratio}
        options |= {"scale": task.scale, "seed": task.seed}
        trainer = AdapterTrainer(task.train, task.targets, task.text, *val, recipe=self.recipe, **options)
        tensors = (task.train, task.targets, task.text, task.val, task.val_targets)
        key = key_of(*tensors, options, asdict(self.recipe), judged, self.ratios, torch.get_num_threads())
        self._open.append(State(self.states / f"{key}.pt"))
        return trainer, self._open[-1]

    def _adapter(self) -> Fitted:
        judged = bool(len(self.task.val))
        trainer, state = self._trainer(self.task, judged)
        train(trainer, state, lambda: self._show("training", trainer))
        head = trainer.best_head()
        if not judged:
            return Fitted(head, {"epoch": trainer.best_epoch, "ratio": self.ratio}, None, trainer.history)
        scores = ratio_scores(head, self.task.val, self.task.val_targets, self.ratios)
        best = max(range(len(scores)), key=lambda place: (scores[place], -place))
        head.adapter.ratio = self.ratios[best]
        chosen = {"epoch": trainer.best_epoch, "ratio": self.ratios[best]}
        return Fitted(head, chosen, scores[best][0], trainer.history)

    def _adapter_by_folds(self) -> Fitted:
        folds = self.task.folds
        tables = [self._fold_table(fold, f"fold {k + 1} of {len(folds)}") for k, fold in enumerate(folds)]
        shares = torch.tensor([float(len(fold.val)) for fold in folds], dtype=torch.float64)
        table = (torch.tensor(tables, dtype=torch.float64) * (shares / shares.sum())[:, None, None, None]).sum(0)
        epoch = max(range(len(table)), key=lambda place: (*table[place, 0].tolist(), -place))
        place = max(range(len(self.ratios)), key=lambda place: (*table[epoch, place].tolist(), -place))
        trainer, state = self._trainer(self.task, judged=False)
        train(trainer, state, lambda: self._show("training", trainer), epochs=epoch + 1)
        head = trainer.best_head()
        head.adapter.ratio = self.ratios[place]
        curve = [{"val_accuracy": acc, "val_loss": -loss} for acc, loss in table[:, 0].tolist()]
        history = [{**record, **judged} for record, judged in zip(trainer.history, curve, strict=False)]
        chosen = {"epoch": epoch + 1, "ratio": self.ratios[place]}
        return Fitted(head, chosen, float(table[epoch, place, 0]), history)

    def _fold_table(self, fold: Task, stage: str) -> list[Any]:
        """Train on a fold; return its scores, epochs x ratios x (accuracy, minus cross-entropy)."""
        trainer, state = self._trainer(fold, judged=False)
        table: list[Any] = []

        def judge() -> None:
            trainer.head.eval()
            scores = ratio_scores(trainer.head, fold.val, fold.val_targets, self.ratios)
            table.append([list(score) for score in scores])
            self._show(stage, trainer, {"val_accuracy": scores[0][0]})

        train(trainer, state, judge, table)
        return table

    def _show(self, stage: str, trainer: AdapterTrainer, more: dict[str, float] | None = None) -> None:
        note = epoch_note({**trainer.history[-1], **(more or {})})
        self.progress.show(stage, trainer.epoch, self.recipe.epochs, note)


@torch.no_grad()
def ratio_scores(
    head: AdapterHead, features: Tensor, targets: Tensor, ratios: tuple[float, ...]
) -> list[tuple[float, float]]:
    """Judge a trained adapter at several residual ratios for the price of one pass.

    Both variants give ``F + ratio (h' - F)``, h' their output at ratio 1.

    Args:
        head: In evaluation mode; it is left as it is.
        features: (M,V,C).
        targets: (M,) int64.
        ratios: R residual ratios.

    Returns:
        R pairs of accuracy and minus the cross-entropy.
    """
    adapter, trained = head.adapter, head.adapter.ratio
    adapter.ratio = 1.0
    try:
        moved = adapter(features) - features
    finally:
        adapter.ratio = trained
    mixed = (fuse(unit_views(features + ratio * moved), head.text, None, head.scale) for ratio in ratios)
    return [validation_score(logits, targets) for logits in mixed]


def _mean(rows: Any, folds: list[Task], names: tuple[str, ...]) -> dict[str, float]:
    total = sum(len(fold.val) for fold in folds)
    return {
        name: sum(row[name] * len(fold.val) for row, fold in zip(rows, folds, strict=True)) / total for name in names
    }

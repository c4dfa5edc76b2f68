"""Few-shot learning: K shapes of each class, frozen features encoded once, a small head, one file."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pointclip import __version__
from pointclip._base.cache import cache_folder
from pointclip._base.files import check_out
from pointclip._base.leaks import refuse_test_split
from pointclip._base.words import counted
from pointclip.datasets import Dataset, as_dataset, id_of, label_of
from pointclip.encoding import Augmentation, encode
from pointclip.errors import DatasetError, InputError
from pointclip.fewshot import shots as _shots
from pointclip.fewshot.features import with_features
from pointclip.fewshot.progress import FitProgress, fit_progress
from pointclip.fewshot.resume import HOW_TO_GO_ON, FitInterrupted
from pointclip.fewshot.tuning import Task, Tuner
from pointclip.fusion import fuse, validation_score
from pointclip.heads import Checkpoint, Fitted, Head, Method, Recipe, method_named
from pointclip.prompts import clean_labels

if TYPE_CHECKING:
    from pointclip.model import PointCLIP

MOST_VAL = 32


@dataclass(frozen=True, eq=False)
class FewShotResult:
    """What a fit found.

    Attributes:
        checkpoint: The head, its labels and what it belongs to; ``result.save(path)`` writes it.
        chosen: The settings that validation chose: epoch and residual ratio of an adapter, or a solver's own.
        history: One record per epoch, with loss and validation accuracy, or per setting tried.
        val_accuracy: Top-1 on validation in [0, 1]; None where nothing could judge.
        zero_shot_accuracy: Top-1 of the model without the head, on the same shapes.
        num_train: Shots in all.
        num_val: Shapes that judged.
        validation: In words, what judged.
    """

    checkpoint: Checkpoint
    chosen: dict[str, Any]
    history: list[dict[str, Any]]
    val_accuracy: float | None
    zero_shot_accuracy: float | None
    num_train: int
    num_val: int
    validation: str

    @property
    def head(self) -> Head:
        """From view features (B,V,C) to logits (B,K)."""
        return self.checkpoint.head

    @property
    def labels(self) -> tuple[str, ...]:
        """The K class names."""
        return self.checkpoint.labels

    def save(self, path: str | Path) -> Path:
        """Write the checkpoint, whole or not at all, for ``PointCLIP.from_pretrained(..., adapter=path)``.

        Raises:
            InputError: It cannot be written.
        """
        return self.checkpoint.save(path)


def fit(
    model: "PointCLIP",
    train: Dataset | Any,
    val: Dataset | Any | None = None,
    labels: Sequence[str] | None = None,
    *,
    shots: int = 16,
    method: str | Method | type[Head] = "adapter",
    seed: int = 0,
    recipe: Recipe | None = None,
    ratio: float = 0.6,
    features: str = "unit",
    augmentation: Augmentation | None = None,
    out: str | Path | None = None,
    cache: str | Path | None = None,
    most_val: int | None = MOST_VAL,
    progress: bool = True,
) -> FewShotResult:
    """Learn from a few shapes of each class; the towers stay frozen.

    Features are encoded once and kept. Epoch, residual ratio and the settings of the solvers are chosen on validation:
    on ``val``, else on the training shapes that are no shots, else (where a class has no other) by cross-validation on
    the shots, else (one shot each) not at all. Among the ratios is 0, the zero-shot model.

    Args:
        model: The frozen towers, rig and style.
        train: A dataset with ``labels``, ``len``, ``item(i)`` and ``split``, such as
            :class:`pointclip.datasets.folder.ClassFolder`; or one of your own with ``labels``, ``len`` and ``data[i]``,
            a cloud and the number of its class.
        val: Another dataset to choose on; never the test split.
        labels: K class names; None takes the dataset's. Shapes of other classes are left out.
        shots: Shapes of each class, drawn by the seed; a class with fewer gives all.
        method: ``adapter`` (the paper's), ``light``, ``probe``, ``cache`` or ``weights``; or a class of your own, a
            :class:`pointclip.heads.Head` with ``learn``.
        seed: Of the draw, the augmentation and the training.
        recipe: How an adapter is trained; None is the paper's recipe for ``adapter`` and AdamW for ``light``.
        ratio: Residual ratio in training.
        features: What an adapter takes: ``"unit"``, image features of unit length; ``"raw"``, as the tower gives them,
            which is what the paper's code does; neither was better on validation, see ``scripts/README.md``.
        augmentation: How augmented copies of the shots are made; None is :class:`Augmentation`'s default.
        out: Where to save the checkpoint; None does not.
        cache: Folder for features and the state of stopped runs; None is the user's own (``POINTCLIP_CACHE``).
        most_val: Most validation shapes of a class that are taken from the rest of ``train``.
        progress: Show a progress bar where stderr is a terminal.

    Returns:
        The result. Equal arguments give equal bytes on the same machine.

    Raises:
        InputError: A split named test, an unknown method, or a shape that cannot be read.
        DatasetError: A class has no training shape.
        FitInterrupted: Ctrl-C; what was done is kept and the same call goes on from there.

    Example:
        >>> import pointclip as pc
        >>> from pointclip.datasets.folder import ClassFolder
        >>> shapes = ClassFolder("my meshes")  # doctest: +SKIP
        >>> model = pc.PointCLIP.from_pretrained("embedded")  # doctest: +SKIP
        >>> result = pc.fit(model, shapes, shots=8, out="mine.safetensors")  # doctest: +SKIP
    """
    train, val, method = _checked(train, val, method, recipe, features, out)
    model = with_features(model, features)
    changes = Augmentation() if augmentation is None else augmentation
    names = clean_labels(train.labels if labels is None else labels)
    with fit_progress(progress) as shown:
        try:
            task, drawn = _encode_task(model, train, val, names, shots, seed, changes, most_val, cache, shown)
            tuner = Tuner(task, method, recipe, ratio, _folder(cache, "fits"), shown)
            fitted = tuner.fit()
        except FitInterrupted:
            raise
        except KeyboardInterrupt:
            raise FitInterrupted(f"stopped: {HOW_TO_GO_ON}") from None
    about: dict[str, Any] = {"method": method.name, "shots": shots, "seed": seed, "augmentation": asdict(changes)}
    if hasattr(train, "id"):
        about["shot_ids"] = [id_of(train, place) for place in drawn]
    if method.variant:
        about |= {"recipe": asdict(tuner.recipe), "trained_ratio": ratio, "features": features}
    result = _result(model, names, task, fitted, about, val)
    if out is not None:
        result.save(out)
    tuner.forget()
    return result


def _checked(
    train: Any,
    val: Any,
    method: str | Method | type[Head],
    recipe: Recipe | None,
    features: str,
    out: str | Path | None,
) -> tuple[Dataset, Dataset | None, Method]:
    row = method_named(method)
    if not row.variant and recipe is not None:
        raise InputError(f"method {row.name!r} has no recipe: it is solved, not trained in epochs")
    if not row.variant and features != "unit":
        raise InputError(f"features={features!r} is for adapters: method {row.name!r} takes features of unit length")
    train, val = as_dataset(train), None if val is None else as_dataset(val)
    for dataset in (train, val):
        if dataset is not None:
            refuse_test_split(dataset.split)
    if out is not None:
        check_out(out)
    return train, val, row


def _folder(cache: str | Path | None, kind: str) -> Path:
    return cache_folder(kind) if cache is None else Path(cache) / kind


def _encode_task(
    model: "PointCLIP",
    train: Dataset,
    val: Dataset | None,
    names: tuple[str, ...],
    shots: int,
    seed: int,
    changes: Augmentation,
    most_val: int | None,
    cache: str | Path | None,
    shown: FitProgress,
) -> tuple[Task, tuple[int, ...]]:
    """Draw the shots and encode them and the validation shapes; give the places of the shots too."""
    own = _labels(train)
    split = _shots.sample_shots(own, names, shots, seed, most_val)
    folder = _folder(cache, "features")

    def features(dataset: Dataset, places: Sequence[int], stage: str, copies: Augmentation | None) -> Tensor:
        return encode(
            model,
            dataset,
            places,
            augmentation=copies,
            seed=seed,
            cache=folder,
            watch=lambda done, total: shown.show(stage, done, total),
        )

    judges, told, places = train, own, list(split.rest)
    if val is not None:
        judges, told = val, _labels(val)
        places = [place for place, label in enumerate(told) if label in names]
        if not places:
            raise DatasetError(
                f"the validation split has no shape of the classes {', '.join(names[:5])}: check its labels"
            )
    text = model.encode_labels(names).float().cpu()
    task = Task(
        features(train, split.train, "encoding shots", changes),
        _targets(own, split.train, names),
        text,
        features(judges, places, "encoding validation", None)[:, 0],
        _targets(told, places, names),
        float(model.clip.logit_scale),
        seed,
    )
    return task, split.train


def _labels(dataset: Dataset) -> list[str]:
    return [clean_labels([label_of(dataset, place)])[0] for place in range(len(dataset))]


def _targets(labels: list[str], places: Sequence[int], names: tuple[str, ...]) -> Tensor:
    return torch.tensor([names.index(labels[place]) for place in places], dtype=torch.int64)


def _result(
    model: "PointCLIP",
    names: tuple[str, ...],
    task: Task,
    fitted: Fitted,
    about: dict[str, Any],
    val: Dataset | None,
) -> FewShotResult:
    clip, folds = model.clip, task.folds
    judges, targets = task.val, task.val_targets
    words = counted(len(judges), "other shape")
    if val is not None:
        words = f"{counted(len(judges), 'shape')} of the split {val.split!r}"
    if folds:
        judges, targets = (torch.cat([getattr(fold, part) for fold in folds]) for part in ("val", "val_targets"))
        words = f"cross-validation on the shots, {len(folds)} folds"
    zero_shot = None
    if len(judges):
        logits = fuse(clip.unit(judges), task.text, model.view_weights.cpu(), task.scale)
        zero_shot = validation_score(logits, targets)[0]
    else:
        words = "none: one shot of each class and no other shape"
    counts = {name: int((task.targets == number).sum()) for number, name in enumerate(names)}
    about = {**about, "fewer_shots": {name: count for name, count in counts.items() if count < about["shots"]}}
    told: dict[str, Any] = {
        "chosen": fitted.chosen,
        "val_accuracy": fitted.val_accuracy,
        "zero_shot_accuracy": zero_shot,
        "num_train": len(task.targets),
        "num_val": len(targets) if len(judges) else 0,
        "validation": words,
    }
    templates = model.templates if isinstance(model.templates, str | Path | Mapping) else list(model.templates)
    about = {**about, **told, "history": fitted.history, "precision": clip.precision.name, "pointclip": __version__}
    about["templates"] = str(templates) if isinstance(templates, Path) else templates
    return FewShotResult(Checkpoint(fitted.head, names, model.feature_spec, about), history=fitted.history, **told)

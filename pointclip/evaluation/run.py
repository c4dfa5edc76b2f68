"""A model judged on a dataset: shapes encoded, scored, and what needs validation chosen on validation."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pointclip.datasets import Dataset, id_of, label_of, opener
from pointclip.encoding import encode_dataset
from pointclip.errors import DatasetError, InputError
from pointclip.evaluation import open_set
from pointclip.evaluation import scores as scoring
from pointclip.evaluation.caveats import caveats
from pointclip.evaluation.judged import Judged, asked_classes, judge
from pointclip.evaluation.splits import evenly, validation_part, validation_split
from pointclip.fusion import LogitTable, load_logits
from pointclip.points import check_pose

if TYPE_CHECKING:
    from pointclip.model import PointCLIP

OpenSplit = Callable[[str | None], Dataset]
Watch = Callable[[int, int], None]


@dataclass(frozen=True)
class Request:
    """What is to be judged and how.

    Attributes:
        dataset: What the dataset is called.
        split: The split to judge; None is ``test``, or everything of a dataset without splits.
        val_split: The split to choose on; None is ``val``, else a part of ``train``.
        limit: Shapes to judge, spread evenly over the split; None takes all.
        seed: Of the validation part, the held-out classes and the bootstrap.
        calibrate: Whether to fit a temperature.
        reject: Whether to calibrate the rejection of unknown classes.
        unknown: The classes that play the unknown ones; empty draws a fifth of them.
        goal: The share of validation shapes of listed classes that may be rejected.
        with_logits: An .npz of another network's logits, for an ensemble.
        engine: As for :func:`pointclip.encoding.job.encode_dataset`.
        workers: Likewise.
        pose: Likewise; of the poses searched, the most confident answer counts.
        convention: How views are fused without a few-shot head, see :func:`pointclip.fusion.fuse`.

    Raises:
        InputError: Options that need each other are not given together, or a number is out of range.
    """

    dataset: str = ""
    split: str | None = None
    val_split: str | None = None
    limit: int | None = None
    seed: int = 0
    calibrate: bool = True
    reject: bool = False
    unknown: tuple[str, ...] = ()
    goal: float = open_set.GOAL
    with_logits: str | None = None
    engine: str = "local"
    workers: int | None = None
    pose: str = "given"
    convention: str = "mean"

    def __post_init__(self) -> None:
        check_pose(self.pose)
        if self.unknown and not self.reject:
            raise InputError("unknown classes are named for --reject: give both, or leave them out")
        if not 0 <= self.goal < 1 or (self.limit is not None and self.limit < 1):
            raise InputError(f"goal must lie in [0, 1) and limit be at least 1, got {self.goal} and {self.limit}")

    @property
    def choices(self) -> list[str]:
        """Say in words what is to be chosen on validation shapes."""
        asked = {
            "a temperature": self.calibrate,
            "the threshold of rejection": self.reject,
            "the weight of the ensemble": self.with_logits is not None,
        }
        return [words for words, wanted in asked.items() if wanted]


@dataclass(eq=False)
class Evaluation:
    """What came out.

    Attributes:
        test: The shapes that were judged.
        val: Those that choices were made on, or None.
        left_out: Shapes of the split whose class the few-shot head does not know.
        metrics: Accuracies with their intervals, calibration; JSON only.
        ensemble: With another network's logits: the weight and accuracies; JSON only.
        together: The predicted classes of the ensemble (N,), or None.
        rejection: With unknown classes: the threshold and how it fared; JSON only.
        open_answers: Then for each shape its class or ``unknown``.
        notes: What a reader of the numbers must know, one sentence each.
    """

    test: Judged
    val: Judged | None = None
    left_out: int = 0
    metrics: dict[str, Any] = field(default_factory=dict)
    ensemble: dict[str, Any] | None = None
    together: np.ndarray[Any, Any] | None = None
    rejection: dict[str, Any] | None = None
    open_answers: list[str] | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """Count the judged shapes that could not be classified."""
        return sum(map(bool, self.test.errors))


@dataclass(frozen=True, eq=False)
class _Plan:
    """What is to be encoded, settled and checked before the long work."""

    dataset: Dataset
    classes: tuple[str, ...]
    places: list[int]
    left_out: int
    val: Dataset | None
    val_places: list[int]
    shots: int
    table: LogitTable | None
    unknown: tuple[str, ...]


def evaluate(
    model: "PointCLIP",
    data: Any,
    request: Request | None = None,
    cache: str | Path | None = None,
    watch: Watch | None = None,
) -> Evaluation:
    """Judge a model on a split, choosing on validation only.

    Args:
        model: The model; a few-shot head it carries is what is judged, on the classes it knows.
        data: What :func:`pointclip.datasets.opener` takes: a dataset's name; a dataset of this package or one of your
            own with ``labels`` and ``data[i]``, judged as it is; or a function from a split's name to a dataset.
        request: What to judge and how; None is the test split, or all of what was given, with all that is usual.
        cache: Where features are kept; None is the user's own folder (``POINTCLIP_CACHE``).
        watch: Called with the shapes done and the shapes in all, of validation and judged ones together.

    Returns:
        The evaluation. A shape that cannot be read counts as wrong.

    Raises:
        InputError: A choice would be made on a split named test or on the judged one, or the classes do not fit.
        DatasetError: There is no such split or no shape.

    Example:
        >>> import tempfile
        >>> from pointclip import PointCLIP, weights
        >>> from pointclip.clip.frozen import FrozenClip
        >>> from pointclip.datasets.folder import ClassFolder
        >>> clip = FrozenClip(weights.random("ViT-S-32-alt"), device="cpu", precision="fp32")
        >>> with tempfile.TemporaryDirectory() as root:
        ...     for name in ("bowl/a.xyz", "cup/b.xyz"):
        ...         (Path(root) / name).parent.mkdir()
        ...         _ = (Path(root) / name).write_text("0 0 0\\n1 2 1\\n")
        ...     model = PointCLIP(clip, views="ring-1")
        ...     found = evaluate(model, lambda split: ClassFolder(root, split), Request())
        >>> found.test.ids, 0 <= found.metrics["accuracy"] <= 1
        (['bowl/a.xyz', 'cup/b.xyz'], True)
        >>> found.notes
        ['left out, for there are no shapes to choose on besides the judged ones: a temperature']
    """
    open_split, request = opener(data), request or Request()
    if request.split is None and isinstance(getattr(data, "split", None), str):
        request = replace(request, split=data.split)
    dataset, val_dataset = open_judged(open_split, request)
    plan = _plan(model, dataset, val_dataset, request)
    val = None
    if plan.val is not None and plan.val_places:
        val = _judged(model, plan.val, plan.val_places, cache, plan, request, watch).fine()
    test = _judged(model, dataset, plan.places, cache, plan, request, watch)
    found = Evaluation(test, val if val else None, plan.left_out)
    found.notes += caveats(model, request.dataset, found.test, found.val, request.choices, plan.left_out, plan.shots)
    _score(found, plan, request, None if model.head is not None else model.clip.logit_bias)
    return found


def open_judged(open_split: OpenSplit, request: Request) -> tuple[Dataset, Dataset | None]:
    """Open the split to judge and the one to choose on, None where nothing is chosen; refuse a leak before any work.

    Raises:
        InputError: A choice would be made on a split named test or on the judged one.
        DatasetError: There is no such split.
    """
    try:
        dataset = first = open_split(request.split)
    except DatasetError:
        if request.split is not None:
            raise
        dataset = first = open_split("test")  # a set without train has no default of its own
    splits = tuple(getattr(dataset, "splits", (dataset.split,)))
    if request.split is None and "test" in splits:
        dataset = open_split("test")
    elif request.split is None and dataset.split != "all":
        raise DatasetError(f"the dataset has the splits {', '.join(splits)}: name the one to judge with --split")
    val_name = validation_split(splits, dataset.split, request.val_split)
    if val_name is None or not request.choices:
        return dataset, None
    return dataset, first if first.split == val_name else open_split(val_name)


def _plan(model: "PointCLIP", dataset: Dataset, val: Dataset | None, request: Request) -> _Plan:
    classes = asked_classes(model, dataset)
    known, labels = set(classes), _labels(dataset)
    places = [place for place, label in enumerate(labels) if label in known]
    if not places:
        raise DatasetError(f"the split {dataset.split!r} has no shape of the classes asked for")
    chosen = [places[k] for k in evenly(len(places), request.limit)]
    val_places: list[int] = []
    shots: set[int] = set()
    if val is not None:
        names = _labels(val)
        shots = _shots(model, val)
        usable = [place for place, label in enumerate(names) if label in known and place not in shots]
        val_places = [usable[k] for k in validation_part([names[k] for k in usable], val.split, request.seed)]
    table = None
    if request.with_logits is not None:
        table = load_logits(request.with_logits, len(classes))
        table.rows([id_of(dataset, k) for k in chosen])
        table.rows([] if val is None else [id_of(val, k) for k in val_places])
    present = {labels[k] for k in chosen}
    unknown = scoring.held_out(classes, present, request.unknown, request.seed) if request.reject else ()
    return _Plan(dataset, classes, chosen, len(labels) - len(places), val, val_places, len(shots), table, unknown)


def _shots(model: "PointCLIP", dataset: Dataset) -> set[int]:
    """Find the shapes that taught the few-shot head, as far as it says which they were."""
    if model.few_shot is None or not model.few_shot.shot_ids:
        return set()
    return {place for place in range(len(dataset)) if id_of(dataset, place) in model.few_shot.shot_ids}


def _labels(dataset: Dataset) -> list[str]:
    return [label_of(dataset, place) for place in range(len(dataset))]


def _judged(
    model: "PointCLIP",
    dataset: Dataset,
    places: list[int],
    cache: str | Path | None,
    plan: _Plan,
    request: Request,
    watch: Watch | None,
) -> Judged:
    """Encode some shapes of a split and compute their logits."""
    before, total = 0 if dataset is plan.val else len(plan.val_places), len(plan.places) + len(plan.val_places)

    def told(done: int, _: int) -> None:
        if watch is not None:
            watch(before + done, total)

    how: dict[str, Any] = {"engine": request.engine, "workers": request.workers, "pose": request.pose}
    encoded = encode_dataset(model, dataset, indices=places, cache=cache, watch=told, **how)
    return judge(model, dataset.split, encoded, plan.classes, request.convention)


def _score(found: Evaluation, plan: _Plan, request: Request, bias: float | None) -> None:
    test, val = found.test, found.val
    temperature = scoring.fit_temperature(val) if val is not None and request.calibrate else None
    found.metrics = scoring.accuracies(test, request.seed) | scoring.calibration_errors(test, temperature)
    if plan.table is not None:
        found.ensemble, found.together = scoring.with_other(test, val, plan.table)
    if request.reject:
        settings = (request.goal, request.calibrate, request.seed, bias)
        found.rejection, found.open_answers = scoring.without_classes(test, val, plan.unknown, *settings)

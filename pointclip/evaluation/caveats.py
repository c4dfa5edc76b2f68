"""What a reader of an evaluation's numbers must know, in sentences."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pointclip._base.words import counted
from pointclip.evaluation.judged import Judged

if TYPE_CHECKING:
    from pointclip.model import PointCLIP

FEW = 30  # validation shapes, below which a reader is warned


def caveats(
    model: "PointCLIP",
    dataset: str,
    test: Judged,
    val: Judged | None,
    choices: Sequence[str],
    unknown: int,
    shots: int,
) -> list[str]:
    """Say what is to be known of the numbers.

    Args:
        model: The model that was judged.
        dataset: What the dataset is called.
        test: The judged shapes.
        val: Those that choices were made on, or None.
        choices: What was to be chosen, in words.
        unknown: Shapes that were left out, for the few-shot head does not know their class.
        shots: Shots of the few-shot head that were left out of the validation shapes.

    Returns:
        Sentences.
    """
    notes = []
    if unknown:
        notes.append(f"left out: {counted(unknown, 'shape')} of classes that the few-shot head does not know")
    if failed := sum(map(bool, test.errors)):
        notes.append(f"counted as wrong: {counted(failed, 'shape')} that could not be classified")
    if model.clip.name == "embedded" and dataset == "sweethome3d":
        notes += _of_our_own_head(test, val)
    if choices and val is None:
        notes.append(f"left out, for there are no shapes to choose on besides the judged ones: {', '.join(choices)}")
    if choices and val is not None and len(val) < FEW:
        notes.append(f"only {counted(len(val), 'validation shape')} to choose {', '.join(choices)} on")
    return notes + _of_few_shots(model, test, val, choices, shots)


def _of_our_own_head(test: Judged, val: Judged | None) -> list[str]:
    if test.split == "train":
        return ["the head of 'embedded' was trained on these very shapes: nothing here says how good it is"]
    if val is None:
        return []
    return [
        "the head of 'embedded' was trained on the train split: what was chosen on part of it (temperature, "
        "threshold, weight) takes the model for better than it is on other shapes"
    ]


def _of_few_shots(
    model: "PointCLIP", test: Judged, val: Judged | None, choices: Sequence[str], shots: int
) -> list[str]:
    if model.few_shot is None:
        return []
    notes, taught = [], model.few_shot.shot_ids
    if judged := len(taught.intersection(test.ids)):
        notes.append(f"judged were {counted(judged, 'shot')} of the few-shot head too: the numbers are optimistic")
    if shots:
        notes.append(f"left out of the validation shapes: {counted(shots, 'shot')} of the few-shot head")
    all_left_out = 0 < len(taught) == shots
    if choices and val is not None and val.split == "train" and not all_left_out:
        notes.append(
            "validation shapes come from train and may have taught the few-shot head: what was chosen on them "
            f"({', '.join(choices)}) is optimistic"
        )
    return notes

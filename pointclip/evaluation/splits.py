"""Where choices are made: the validation split, or a fixed part of train; never a split named test."""

from collections.abc import Sequence

import torch

from pointclip._base.leaks import refuse_test_split
from pointclip._base.seeds import draw
from pointclip.errors import InputError

MOST, SHARE = 500, 0.25


def validation_split(splits: Sequence[str], judged: str, wanted: str | None = None) -> str | None:
    """Name the split to choose on while another one is judged.

    Args:
        splits: What the dataset has.
        judged: The split that is judged; ``"all"`` leaves nothing to choose on.
        wanted: The user's choice; None takes ``val``, else ``train``.

    Returns:
        The split, or None where there is nothing besides what is judged.

    Raises:
        InputError: The wanted split is named test, is the one judged, or is not there.

    Example:
        >>> validation_split(["train", "test"], "test"), validation_split(["all"], "all")
        ('train', None)
    """
    if wanted is not None:
        refuse_test_split(wanted)
        if judged in (wanted, "all"):
            raise InputError(f"nothing is chosen on shapes that are judged (split {judged!r}): name other splits")
        if wanted not in splits:
            raise InputError(f"the dataset has no split {wanted!r} for validation, it has {', '.join(splits)}")
        return wanted
    if judged == "all":
        return None
    return next((name for name in ("val", "train") if name in splits and name != judged), None)


def validation_part(labels: Sequence[str], split: str, seed: int = 0) -> list[int]:
    """Draw the shapes to choose on: all of a validation split, a quarter of train, and 500 at most.

    Shapes are shuffled within their class by the seed and the class's name, laid class after class, and taken at even
    steps, so that each class is there in proportion.

    Args:
        labels: The class of each shape of the split.
        split: Its name.
        seed: Of the draw.

    Returns:
        Places in the split, ascending.

    Example:
        >>> labels = ["cup"] * 8 + ["bowl"] * 4
        >>> part = validation_part(labels, "train")
        >>> [labels[place] for place in part], len(validation_part(labels, "val"))
        (['cup', 'cup', 'bowl'], 12)
    """
    refuse_test_split(split)
    share = SHARE if split == "train" else 1.0
    count = min(MOST, max(1, round(share * len(labels)))) if labels else 0
    line: list[int] = []
    for name in sorted(set(labels)):
        places = [place for place, label in enumerate(labels) if label == name]
        order = torch.randperm(len(places), generator=draw(seed, f"validation/{name}", 0)).tolist()
        line += [places[k] for k in order]
    return sorted(line[place] for place in evenly(len(line), count))


def evenly(total: int, count: int | None) -> list[int]:
    """Give ``count`` places spread evenly over ``total``, ascending; all of them where that is fewer, or for None.

    Example:
        >>> evenly(10, 4), evenly(2, 4)
        ([1, 3, 6, 8], [0, 1])
    """
    if count is None or count >= total:
        return list(range(total))
    return [(2 * step + 1) * total // (2 * count) for step in range(count)]

"""Which shapes teach and which judge: K shots by seed, the rest for validation, folds where there is no rest."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from pointclip._base.seeds import draw
from pointclip.errors import DatasetError, InputError


@dataclass(frozen=True)
class Split:
    """Places in a list of shapes.

    Attributes:
        train: Places of the shots, class by class.
        rest: Places left for validation, class by class; empty where a class has none.
    """

    train: tuple[int, ...]
    rest: tuple[int, ...]


def sample_shots(
    labels: Sequence[str], classes: Sequence[str], shots: int, seed: int = 0, most_rest: int | None = None
) -> Split:
    """Draw K shapes of each class, and leave the others for validation.

    Each class is shuffled by the seed and its own name: the shots of K = 2 contain those of K = 1, and a class draws
    alike whatever other classes there are.

    Args:
        labels: The class of each shape; shapes of other classes are left out.
        classes: The classes.
        shots: K; a class with fewer gives all it has.
        seed: Of the draw.
        most_rest: Most validation shapes of a class; None keeps all.

    Returns:
        The split. Where one class has no shape left, ``rest`` is empty: then cross-validation serves all classes alike.

    Raises:
        InputError: K is below 1.
        DatasetError: A class has no shape.

    Example:
        >>> split = sample_shots(["cup", "bowl", "cup", "bowl"], ["bowl", "cup"], shots=1)
        >>> len(split.train), len(split.rest)
        (2, 2)
    """
    if shots < 1:
        raise InputError(f"shots must be at least 1, got {shots}: zero-shot needs no fit")
    train: list[int] = []
    rest: list[tuple[int, ...]] = []
    for name in classes:
        places = [place for place, label in enumerate(labels) if label == name]
        if not places:
            raise DatasetError(f"class {name!r} has no training shape: leave it out or add at least one")
        order = torch.randperm(len(places), generator=draw(seed, f"shots/{name}", 0)).tolist()
        mixed = [places[k] for k in order]
        train += mixed[:shots]
        rest.append(tuple(mixed[shots:][:most_rest]))
    return Split(tuple(train), tuple(place for part in rest for place in part) if all(rest) else ())


def folds(targets: Sequence[int], most: int = 4) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Cut few shots into folds so that every class teaches in every fold.

    Args:
        targets: Class of each shot.
        most: Most folds.

    Returns:
        Pairs of (places that teach, places that judge). A class of a single shape always teaches. No fold at all where
        every class has a single shape: then nothing can be judged.

    Example:
        >>> folds([0, 0, 1, 1])
        [((1, 2), (0, 3)), ((0, 3), (1, 2))]
        >>> folds([0, 1])
        []
    """
    counts: dict[int, int] = {}
    for target in targets:
        counts[target] = counts.get(target, 0) + 1
    number = min(most, max(counts.values()))
    if number < 2:
        return []
    seen: dict[int, int] = {}
    fold_of = []
    for target in targets:
        place = seen[target] = seen.get(target, -1) + 1
        fold_of.append((place + target) % number if counts[target] > 1 else None)
    made = []
    for fold in range(number):
        judges = tuple(k for k, own in enumerate(fold_of) if own == fold)
        if judges:
            made.append((tuple(k for k, own in enumerate(fold_of) if own != fold), judges))
    return made

"""What words of the command line stand for: class names and numbers for each channel."""

from pathlib import Path
from typing import TYPE_CHECKING

from pointclip.errors import InputError

if TYPE_CHECKING:
    from pointclip.cli.options import Shared

_LISTS = (".txt", ".csv", ".json")  # files of class names: a label does not end like that


def channels(option: str, told: str | None) -> tuple[float, ...] | None:
    """Read three numbers apart by commas; None stays None.

    Raises:
        InputError: They are not three, or no numbers.

    Example:
        >>> channels("--std", "0.5,0.5,0.5")
        (0.5, 0.5, 0.5)
    """
    try:
        found = None if told is None else tuple(float(word) for word in told.split(","))
    except ValueError:
        found = ()
    if found is not None and len(found) != 3:
        raise InputError(f"{option} takes three numbers apart by commas, such as 0.5,0.5,0.5, got {told!r}")
    return found


def class_names(asked: "Shared") -> tuple[str, ...]:
    """Read the class names of ``--labels`` or ``--labels-file``, or ModelNet40's where neither is given.

    Raises:
        InputError: Both are given, or the names are empty or repeated, or the file cannot be read.
    """
    from pointclip._base.assets import asset
    from pointclip.prompts import clean_labels, read_labels

    if asked.labels is not None and asked.labels_file is not None:
        raise InputError("--labels and --labels-file name classes twice: give one of the two")
    if asked.labels is not None:
        given = Path(asked.labels)
        if given.suffix and (given.suffix.lower() in _LISTS or given.is_file()):
            raise InputError(f"--labels takes class names, got {asked.labels!r}: give a file of names to --labels-file")
        return clean_labels(asked.labels.split(","))
    return read_labels(asset("labels/modelnet40.txt") if asked.labels_file is None else asked.labels_file)

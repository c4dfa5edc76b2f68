"""Nothing is chosen on a test split."""

import re

from pointclip.errors import InputError


def refuse_test_split(split: str) -> None:
    """Refuse to choose anything on a split whose name says test.

    Raises:
        InputError: The name contains the word test.

    Example:
        >>> refuse_test_split("val")
        >>> refuse_test_split("modelnet40_test")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        pointclip.errors.InputError: nothing is chosen on a test split, and 'modelnet40_test' is one by its name: ...
    """
    if re.search(r"(^|[^a-z])test(ing|set)?([^a-z]|$)", split.lower()):
        raise InputError(
            f"nothing is chosen on a test split, and {split!r} is one by its name: choose on another one, such as val "
            "or a part of train"
        )

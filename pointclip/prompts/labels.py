"""Lists of class names as people keep them: a name a line, JSON, one line, or with a number before each name."""

import json
import re

from pointclip.errors import InputError

_NUMBERED = re.compile(r"(\d+)\s*[\s,;:.)]\s*(\S.*)")


def names_in(text: str) -> list[str]:
    r"""Return the class names that a text holds, in their order.

    A JSON list of names; a JSON object between numbers and names, in the order of the numbers; one line with names
    apart by commas, semicolons or tabs; lines with a counting number first; else each line that is not empty and does
    not begin with ``#``.

    Raises:
        InputError: It is JSON of another form, or lines have columns.

    Example:
        >>> names_in('{"1": "table", "0": "chair"}'), names_in("chair, table"), names_in("0 chair\n1 table\n")
        (['chair', 'table'], ['chair', 'table'], ['chair', 'table'])
    """
    if text.lstrip()[:1] in ("[", "{"):
        return _from_json(text)
    lines = [line.strip().rstrip(",;").strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if len(lines) == 1:
        return [name.strip().strip('"') for name in re.split(r"[,;\t]", lines[0]) if name.strip()]
    numbered = [_NUMBERED.fullmatch(line) for line in lines]
    numbers = [int(found[1]) for found in numbered if found]
    if len(numbers) == len(lines) and numbers in (list(range(len(lines))), list(range(1, len(lines) + 1))):
        lines = [found[2] for found in numbered if found]
    columns = next((line for line in lines if ";" in line or "\t" in line), None)
    if columns is not None:
        raise InputError(f"the line {columns!r} has several columns: write one class name a line")
    return lines


def _from_json(text: str) -> list[str]:
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError("it begins like JSON and is damaged: write one class name a line") from error
    if isinstance(tree, dict):
        pairs = list(tree.items())
        if all(isinstance(value, int) for _, value in pairs):
            pairs = [(str(value), key) for key, value in pairs]
        if all(key.isdigit() for key, _ in pairs):
            pairs.sort(key=lambda pair: int(pair[0]))
        tree = [value for _, value in pairs]
    if not isinstance(tree, list) or not all(isinstance(name, str) for name in tree):
        raise InputError("it is JSON and no list of names: write one class name a line")
    return tree

"""Class names and templates to sentences, and the template sets."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from pointclip._base.checks import nearest
from pointclip.errors import InputError
from pointclip.prompts.labels import names_in

_SETS: dict[str, tuple[str, ...]] = {
    "label": ("{}",),
    "single": ("a photo of a {}.",),
    "pointclip": ("point cloud depth map of a {}.", "point cloud of a big {}."),
    "shape": (
        "a {}.",
        "a 3D model of a {}.",
        "a grey 3D model of a {}.",
        "a depth map of a {}.",
        "a grey render of a {} without texture.",
        "a plaster model of a {}.",
        "a {} seen from the side on a plain background.",
        "a {} seen from above on a plain background.",
        "the shape of a {}.",
    ),
}
_IMAGENET = "imagenet-80"


def template_names() -> tuple[str, ...]:
    """List the template sets.

    Example:
        >>> template_names()
        ('label', 'single', 'pointclip', 'shape', 'imagenet-80')
    """
    return (*_SETS, _IMAGENET)


def templates(source: str | Path | Sequence[str], others: Sequence[str] = ()) -> tuple[str, ...]:
    """Look up a template set, or take the user's own templates.

    Args:
        source: The name of a set; or a text file with one template per line (empty lines and lines that start with
            ``#`` are skipped); or one template; or a list of templates. A template holds ``{}`` once, for the label.
        others: What else the caller takes, to be named beside the sets where ``source`` is none of them.

    Returns:
        The templates, at least one.

    Raises:
        InputError: There is no such set or file, or a template does not hold ``{}`` exactly once.

    Example:
        >>> templates("pointclip")
        ('point cloud depth map of a {}.', 'point cloud of a big {}.')
        >>> templates("a clay {}")
        ('a clay {}',)
    """
    if not isinstance(source, str | Path):
        return _checked(tuple(source), "the list of templates")
    if isinstance(source, str):
        if source in _SETS:
            return _SETS[source]
        if source == _IMAGENET:
            return _imagenet()
        if "{}" in source:
            return _checked((source,), "the template")
    return _from_file(Path(source), others)


def clean_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """Turn class names into plain words: underscores become spaces, surplus white space goes.

    Args:
        labels: Class names, such as those of folders.

    Returns:
        As many names, in the same order.

    Raises:
        InputError: There is no label, one is empty, or two are the same.

    Example:
        >>> clean_labels(["night_stand", " tv  stand "])
        ('night stand', 'tv stand')
    """
    if isinstance(labels, str):
        raise InputError(f"labels must be a list of class names, got the one string {labels!r}: write [{labels!r}]")
    cleaned = tuple(" ".join(_text(label).replace("_", " ").split()) for label in labels)
    if not cleaned:
        raise InputError("labels must hold at least one class name, got none")
    first: dict[str, str] = {}
    for given, label in zip(labels, cleaned, strict=True):
        if not label:
            raise InputError(f"labels must not be empty, got {given!r}: remove it")
        if label.casefold() in first:
            raise InputError(f"labels must differ, got {first[label.casefold()]!r} and {given!r}: remove one")
        first[label.casefold()] = given
    return cleaned


def sentences(labels: Sequence[str], templates: Sequence[str]) -> list[str]:
    """Put every label into every template.

    Args:
        labels: K class names; they are cleaned first.
        templates: T templates with ``{}``.

    Returns:
        K * T sentences: all of the first label, then all of the second.

    Raises:
        InputError: A label is empty or there twice.

    Example:
        >>> sentences(["chair", "night_stand"], ["a {}.", "a big {}."])
        ['a chair.', 'a big chair.', 'a night stand.', 'a big night stand.']
    """
    return [template.replace("{}", label) for label in clean_labels(labels) for template in templates]


def mean_direction(features: Tensor) -> Tensor:
    """Fuse the templates of each label: the mean of unit vectors, made a unit vector again.

    Args:
        features: (K, T, C) floating point, unit length in C.

    Returns:
        (K, C), unit length.

    Example:
        >>> mean_direction(torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]))
        tensor([[0.7071, 0.7071]])
    """
    return torch.nn.functional.normalize(features.mean(dim=1), dim=-1)


def read_labels(path: str | Path) -> tuple[str, ...]:
    """Read a file of class names: one a line, or in one of the other forms that ``names_in`` knows.

    Args:
        path: A UTF-8 text file; empty lines and lines that start with ``#`` are skipped.

    Returns:
        The class names, cleaned.

    Raises:
        InputError: The file cannot be read, holds no label, one twice, or columns.
    """
    text = _read(Path(path), "file of labels")
    try:
        return clean_labels(names_in(text))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _text(label: object) -> str:
    if not isinstance(label, str):
        raise InputError(f"labels must be strings, got {label!r} of type {type(label).__name__}")
    return label


def _imagenet() -> tuple[str, ...]:
    from open_clip import OPENAI_IMAGENET_TEMPLATES

    return tuple(template("{}") for template in OPENAI_IMAGENET_TEMPLATES)


def _from_file(path: Path, others: Sequence[str]) -> tuple[str, ...]:
    if not path.is_file():
        known = nearest(str(path), (*template_names(), *others))
        raise InputError(f"no template set and no file is called {str(path)!r}: {known}")
    return _checked(tuple(_lines(path, "file of templates")), str(path))


def _lines(path: Path, what: str, comments: bool = True) -> list[str]:
    lines = [line.strip() for line in _read(path, what).splitlines()]
    return [line for line in lines if line and not (comments and line.startswith("#"))]


def _read(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(f"the {what} {path} does not exist: check the path") from error
    except IsADirectoryError as error:
        raise InputError(f"the {what} {path} is a folder: name a text file with one entry a line") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the {what} {path} cannot be read as UTF-8 text: {error}") from error


def _checked(found: tuple[str, ...], where: str) -> tuple[str, ...]:
    if not found:
        raise InputError(f"{where} holds no template: write one a line, with {{}} where the label goes")
    for template in found:
        if not isinstance(template, str) or template.count("{}") != 1:
            raise InputError(f"{where} holds {template!r}, which must have {{}} exactly once, where the label goes")
    return found

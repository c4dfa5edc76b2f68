"""Class descriptions: what a class looks like, in sentences, in place of a name in templates."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pointclip._base.assets import asset
from pointclip._base.checks import nearest
from pointclip.errors import InputError
from pointclip.prompts import sentences as prompts
from pointclip.prompts.meanings import MEANING, meaning_sentences

SHIPPED = {"modelnet40-descriptions": "labels/modelnet40_descriptions.json"}
_OTHERS = (MEANING, *SHIPPED)
_FORM = 'write {"chair": ["a seat with a back and four legs"], ...}'
Prompts = str | Path | Sequence[str] | Mapping[str, Any]


@dataclass(frozen=True)
class Descriptions:
    """Sentences for each class, and the templates they are put into.

    Attributes:
        by_label: The descriptions of each class, at least one, by its cleaned name in lower case.
        templates: Hold ``{}`` once, for the description, and may hold ``{label}`` for the class name.
        where: What to call them in messages.
    """

    by_label: dict[str, tuple[str, ...]]
    templates: tuple[str, ...]
    where: str

    def sentences(self, labels: Sequence[str]) -> list[tuple[str, ...]]:
        """Give the sentences of each label.

        Args:
            labels: K class names; they are cleaned first.

        Returns:
            For each label, its descriptions in every template.

        Raises:
            InputError: A label has no description: nothing else is put in its place.

        Example:
            >>> told = {"templates": ["{label}: {}."], "descriptions": {"cup": ["round", "small"]}}
            >>> read_descriptions(told).sentences(["Cup"])
            [('Cup: round.', 'Cup: small.')]
        """
        names = prompts.clean_labels(labels)
        missing = [name for name in names if name.casefold() not in self.by_label]
        if missing:
            some = ", ".join(map(repr, missing[:5])) + ", ..." * (len(missing) > 5)
            hint = nearest(missing[0].casefold(), self.by_label).partition("? Known: ")
            also = f" ({hint[0]}?)" if hint[1] else ""
            raise InputError(
                f"{self.where} has no description of {some}{also}: add one for each class, if only its own name"
            )
        return [
            tuple(
                template.replace("{label}", name).replace("{}", one)
                for one in self.by_label[name.casefold()]
                for template in self.templates
            )
            for name in names
        ]


def class_sentences(labels: Sequence[str], source: Prompts) -> list[tuple[str, ...]]:
    """Give the sentences that stand for each class, whose embeddings are averaged; of meanings, see there.

    Args:
        labels: K class names; they are cleaned first.
        source: Descriptions, as of :func:`read`; ``"meaning"``, as of :func:`pointclip.prompts.meaning_sentences`; or
            a template set, a file of templates, or templates, as of :func:`pointclip.prompts.sentences.templates`.

    Returns:
        K tuples of at least one sentence.

    Raises:
        InputError: A label is empty, there twice or not described, or there is no such source.

    Example:
        >>> class_sentences(["cup", "tv_stand"], "single")
        [('a photo of a cup.',), ('a photo of a tv stand.',)]
    """
    if source == MEANING:
        return meaning_sentences(labels)
    if are_descriptions(source):
        return read_descriptions(source).sentences(labels)
    forms = prompts.templates(cast(Any, source), _OTHERS)
    return [tuple(prompts.sentences([name], forms)) for name in prompts.clean_labels(labels)]


def check_prompts(source: Prompts, labels: Sequence[str] = ()) -> None:
    """Refuse what is neither descriptions, of all the labels, nor templates.

    Raises:
        InputError: There is no such set or file, or what it holds does not fit.

    Example:
        >>> check_prompts({"cup": ["round"]}, ["cup"])
    """
    if source == MEANING:
        return
    if not are_descriptions(source):
        prompts.templates(cast(Any, source), _OTHERS)
        return
    found = read_descriptions(source)
    if labels:
        found.sentences(labels)


def are_descriptions(source: Prompts) -> bool:
    """Tell descriptions from templates: a mapping, a name of :data:`SHIPPED`, or a file whose name ends in .json.

    Example:
        >>> are_descriptions("mine.json"), are_descriptions("shape")
        (True, False)
    """
    return isinstance(source, Mapping) or (
        isinstance(source, str | Path) and (str(source) in SHIPPED or Path(source).suffix.lower() == ".json")
    )


def read_descriptions(source: Prompts) -> Descriptions:
    """Read class descriptions and check them.

    Args:
        source: ``"modelnet40-descriptions"``, a JSON file, or a mapping. It holds a list of descriptions for each
            class, ``{"chair": ["a seat with a back and four legs", ...], ...}``, whose sentences are taken as they
            are; or ``{"templates": [...], "descriptions": {...}}``, where each template holds ``{}`` for the
            description and may hold ``{label}`` for the class name.

    Returns:
        The descriptions.

    Raises:
        InputError: The file cannot be read, is no JSON, or a class has no list of descriptions or is there twice.
    """
    where = "the mapping of descriptions" if isinstance(source, Mapping) else str(source)
    held = source if isinstance(source, Mapping) else _parsed(source, where)
    templates: tuple[str, ...] = ("{}",)
    if isinstance(held.get("descriptions"), Mapping):
        unknown = sorted(set(held) - {"templates", "descriptions"})
        if unknown:
            raise InputError(f"{where} holds {unknown[0]!r} beside templates and descriptions: remove it")
        templates = prompts._checked(tuple(_texts(held.get("templates", ["{}"]), "templates", where)), where)
        held = held["descriptions"]
    if not held:
        raise InputError(f"{where} describes no class: {_FORM}")
    try:
        names = prompts.clean_labels(list(held))
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    texts = [tuple(_texts(found, name, where)) for name, found in zip(names, held.values(), strict=True)]
    return Descriptions(dict(zip([name.casefold() for name in names], texts, strict=True)), templates, where)


def _parsed(source: Any, where: str) -> Mapping[str, Any]:
    path = asset(SHIPPED[source]) if source in SHIPPED else Path(source)
    text = "\n".join(prompts._lines(path, "file of descriptions", comments=False))
    try:
        held = json.loads(text, object_pairs_hook=_no_repeats)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{where} is no JSON ({error}): {_FORM}") from error
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    if not isinstance(held, dict):
        raise InputError(f"{where} holds a {type(held).__name__} where an object belongs: {_FORM}")
    return held


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise InputError(f"{key!r} is there twice: join the two lists")
        found[key] = value
    return found


def _texts(found: Any, name: str, where: str) -> list[str]:
    """Check a list of sentences."""
    whole = isinstance(found, list | tuple) and found and all(isinstance(text, str) and text.strip() for text in found)
    if not whole:
        raise InputError(f"{where} has for {name!r} no list of sentences, but {found!r}: {_FORM}")
    return [" ".join(text.split()) for text in found]

"""What a label means, in words: the one place that says what a sentence encoder is told about it.

A sentence encoder knows words, not things: "crown" is as near to dentistry as to a king. So a label stands for itself
and, with half the weight, for "label: definition". Definitions are those of WordNet, as far as they lie in the data
files of the installed timm (the 22,000 nouns that pictures were collected for); a few common things, of which WordNet
knows another sense first or none, are defined here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from torch import Tensor
from torch.nn.functional import normalize

from pointclip._base.optional import require
from pointclip.prompts.sentences import clean_labels

MEANING = "meaning"
WEIGHT = 0.5  # of the definition beside the bare label; chosen on validation
_MOST = 8  # senses that are compared
_OWN = {
    "ball": "a round toy for games",
    "bar stool": "a tall stool without a back",
    "club": "a heavy stick used as a weapon",
    "crown": "a metal ring that a king wears on the head",
    "cup": "a small vessel with a handle for drinking",
    "dresser": "a chest of drawers for clothes",
    "door": "a panel that closes an entrance",
    "fork": "cutlery with prongs for eating",
    "glass": "a vessel of glass for drinking",
    "horse": "a large animal with hooves that people ride",
    "key": "a small metal tool that opens a lock",
    "ladder": "two rails with rungs for climbing",
    "nightstand": "a small cabinet or table beside a bed",
    "night stand": "a small cabinet or table beside a bed",
    "office chair": "a chair on a pillar with wheels",
    "orange": "a round citrus fruit",
    "plane": "an aircraft with wings",
    "plate": "a flat round dish for food",
    "pot": "a round vessel for cooking",
    "potted plant": "a plant that grows in a pot",
    "ring": "a round band worn on a finger",
    "sink": "a basin with a tap for washing",
    "speaker": "a box that gives sound",
    "staircase": "a flight of steps",
    "stairs": "a flight of steps",
    "star": "a figure with five points",
    "tree": "a tall plant with a trunk and branches",
    "tv stand": "a low piece of furniture that carries a television",
    "xbox": "a game console",
}
_THINGS = ((1_300_000, 4_620_000), (7_550_000, 7_950_000))  # WordNet's numbers of animals and artefacts, and of food


@dataclass(frozen=True)
class Meaning:
    """What is told about a label.

    Attributes:
        label: The label, cleaned.
        definition: In words; None where none is known and the bare label has to do.
        synonyms: Other words for it; they are not told, and help to see which sense was taken.
    """

    label: str
    definition: str | None = None
    synonyms: tuple[str, ...] = ()

    def __str__(self) -> str:
        also = f" (also {', '.join(self.synonyms)})" * bool(self.synonyms)
        return f"{self.label}: {self.definition}{also}" if self.definition else f"{self.label}: no definition is known"


def senses(label: str) -> tuple[Meaning, ...]:
    """Give the senses of a label that come into question; the one nearest to the bare label is told.

    Senses whose first name is the label go before those that it is a by-name of, and things, animals and food before
    persons, ideas and shapes.

    Args:
        label: A class name.

    Returns:
        At most 8 meanings; none for a label that is not known.

    Example:
        >>> [meaning.definition for meaning in senses("night_stand")]
        ['a small cabinet or table beside a bed']
        >>> senses("flurb")
        ()
    """
    (word,) = clean_labels([label])
    if own := _OWN.get(word.lower()):
        return (Meaning(word, own),)
    known = _synsets().get(word.lower(), ())
    known = [synset for synset in known if synset.names[0].lower() == word.lower()] or known
    known = [synset for synset in known if synset.is_thing] or known
    return tuple(
        Meaning(word, synset.definition, tuple(n for n in synset.names if n.lower() != word.lower()))
        for synset in known[:_MOST]
    )


def unknown_labels(labels: Sequence[str]) -> list[str]:
    """Name the labels of which neither the whole nor the last word, the kind of thing, is known.

    Example:
        >>> unknown_labels(["cup", "glass_box", "flurb"])
        ['flurb']
    """
    return [label for label in clean_labels(labels) if not senses(label) and not senses(label.split()[-1])]


def meaning_sentences(labels: Sequence[str]) -> list[tuple[str, ...]]:
    """Give for each label the bare label and "label: definition" for each sense.

    Example:
        >>> meaning_sentences(["plate"])
        [('plate', 'plate: a flat round dish for food')]
    """
    return [(label, *(f"{label}: {meaning.definition}" for meaning in senses(label))) for label in clean_labels(labels)]


def nearest_sense(vectors: Tensor) -> int | None:
    """Choose the sense that is nearest to the bare label.

    Args:
        vectors: (1 + senses, C), unit length: of :func:`meaning_sentences` of one label.

    Returns:
        Its number, or None where there is no sense.
    """
    return int((vectors[1:] @ vectors[0]).argmax()) if len(vectors) > 1 else None


def joined_meaning(vectors: Tensor) -> Tensor:
    """Join the bare label with its nearest sense.

    Args:
        vectors: (1 + senses, C), unit length: of :func:`meaning_sentences` of one label.

    Returns:
        (C,), unit length.

    Example:
        >>> import torch
        >>> joined_meaning(torch.eye(2)).mul(1000).round().tolist()
        [894.0, 447.0]
    """
    best = nearest_sense(vectors)
    return vectors[0] if best is None else normalize(vectors[0] + WEIGHT * vectors[1 + best], dim=0)


def imagenet_meanings() -> list[Meaning]:
    """Give the names and definitions of ImageNet's 1000 classes, in its order; the label is the first name.

    Raises:
        MissingDependency: timm is not installed.

    Example:
        >>> str(imagenet_meanings()[504])
        'coffee mug: a mug intended for serving coffee'
    """
    require("timm", extra="embedded")
    lemmas, definitions = _tables()
    order = (_folder() / "imagenet_synsets.txt").read_text(encoding="utf-8").split()
    names = [lemmas[synset].split(", ") for synset in order]
    return [Meaning(one[0], definitions[synset], tuple(one[1:])) for one, synset in zip(names, order, strict=True)]


@dataclass(frozen=True)
class _Synset:
    number: int
    names: tuple[str, ...]
    definition: str

    @property
    def is_thing(self) -> bool:
        return any(low <= self.number < high for low, high in _THINGS)


@cache
def _synsets() -> dict[str, list[_Synset]]:
    """Map every name in lower case to what it may mean; empty where timm is not installed."""
    lemmas, definitions = _tables()
    found: dict[str, list[_Synset]] = {}
    for key, names in lemmas.items():
        synset = _Synset(int(key[1:]), tuple(names.split(", ")), definitions.get(key, ""))
        for name in synset.names if synset.definition else ():
            found.setdefault(name.lower(), []).append(synset)
    return found


@cache
def _tables() -> tuple[dict[str, str], dict[str, str]]:
    """Names and definition of each synset."""
    lemma, definition = (_table(_folder() / f"imagenet_synset_to_{what}.txt") for what in ("lemma", "definition"))
    return lemma, definition


def _folder() -> Path:
    spec = find_spec("timm")  # not imported: that takes a second
    return Path("." if spec is None or spec.origin is None else spec.origin).parent / "data" / "_info"


def _table(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t", 1) for line in lines if "\t" in line)

"""Class names to sentences."""

from pointclip.prompts.descriptions import (
    SHIPPED,
    Descriptions,
    Prompts,
    check_prompts,
    class_sentences,
    read_descriptions,
)
from pointclip.prompts.meanings import (
    MEANING,
    Meaning,
    imagenet_meanings,
    joined_meaning,
    meaning_sentences,
    nearest_sense,
    senses,
    unknown_labels,
)
from pointclip.prompts.sentences import clean_labels, mean_direction, read_labels, template_names

__all__ = [
    "MEANING",
    "SHIPPED",
    "Descriptions",
    "Meaning",
    "Prompts",
    "check_prompts",
    "class_sentences",
    "clean_labels",
    "imagenet_meanings",
    "joined_meaning",
    "mean_direction",
    "meaning_sentences",
    "nearest_sense",
    "read_descriptions",
    "read_labels",
    "senses",
    "template_names",
    "unknown_labels",
]

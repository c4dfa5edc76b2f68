"""Class names to sentences."""

from pointclip.prompts.descriptions import (
    SHIPPED,
    Descriptions,
    Prompts,
    check_prompts,
    class_sentences,
    read_descriptions,
)
from pointclip.prompts.sentences import clean_labels, mean_direction, read_labels, template_names

__all__ = [
    "SHIPPED",
    "Descriptions",
    "Prompts",
    "check_prompts",
    "class_sentences",
    "clean_labels",
    "mean_direction",
    "read_descriptions",
    "read_labels",
    "template_names",
]

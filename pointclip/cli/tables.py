"""What can be named on the command line, read from the package's tables when it is asked for."""

from collections.abc import Callable, Sequence
from typing import Any

import typer
from typer.core import TyperCommand


def rigs() -> Sequence[str]:
    """Name the rigs."""
    from pointclip.cameras import rig_names

    return rig_names()


def styles() -> Sequence[str]:
    """Name the styles."""
    from pointclip import images

    return images.style_names()


def templates() -> Sequence[str]:
    """Name the template sets and the descriptions that are shipped."""
    from pointclip import prompts

    return ["auto", *prompts.template_names(), prompts.MEANING, *prompts.SHIPPED]


def datasets() -> Sequence[str]:
    """Name the datasets."""
    from pointclip.datasets import dataset_names

    return dataset_names()


def methods() -> Sequence[str]:
    """Name the few-shot methods."""
    from pointclip.heads import METHODS

    return list(METHODS)


def protocols() -> Sequence[str]:
    """Name the papers' protocols."""
    from pointclip.evaluation import PROTOCOLS

    return list(PROTOCOLS)


TABLES: dict[str, Callable[[], Sequence[str]]] = {
    "rigs": rigs,
    "styles": styles,
    "templates": templates,
    "datasets": datasets,
    "methods": methods,
    "protocols": protocols,
}


class FromTables(TyperCommand):
    """A command whose help names what the tables hold, where a help text says ``{datasets}`` or another table.

    The tables are behind torch, so they are read when this command's help is asked for, and never before.
    """

    def format_help(self, context: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        """Fill the tables in, write the help, and leave the texts as they were: a table may grow."""
        asked = {parameter: text for parameter in self.params if (text := getattr(parameter, "help", None))}
        try:
            for parameter, text in asked.items():
                parameter.help = _filled(text)  # type: ignore[attr-defined]
            super().format_help(context, formatter)
        finally:
            for parameter, text in asked.items():
                parameter.help = text  # type: ignore[attr-defined]


def _filled(text: str) -> str:
    for name, table in TABLES.items():
        if f"{{{name}}}" in text:
            text = text.replace(f"{{{name}}}", ", ".join(table()))
    return text

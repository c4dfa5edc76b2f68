"""What can be named on the command line, read from the package's tables when it is asked for."""

from collections.abc import Callable, Sequence
from typing import Any

import typer
from typer.core import TyperCommand


def rigs() -> Sequence[str]:
    """Name the rigs."""
    from pointclip.cameras.rigs import rig_names

    return rig_names()


def styles() -> Sequence[str]:
    """Name the styles."""
    from pointclip import images

    return images.style_names()


def templates() -> Sequence[str]:
    """Name the template sets and the descriptions that are shipped."""
    from pointclip.prompts import descriptions
    from pointclip.prompts import sentences as prompts

    return ["auto", *prompts.names(), *descriptions.OTHERS]


def datasets() -> Sequence[str]:
    """Name the datasets."""
    from pointclip.datasets import NAMES

    return NAMES


def methods() -> Sequence[str]:
    """Name the few-shot methods."""
    from pointclip.heads.solvers import METHODS

    return METHODS


def trained_methods() -> Sequence[str]:
    """Name the few-shot methods that are trained in epochs."""
    from pointclip.fewshot.tuning import ADAPTERS

    return ADAPTERS


TABLES: dict[str, Callable[[], Sequence[str]]] = {
    "rigs": rigs,
    "styles": styles,
    "templates": templates,
    "datasets": datasets,
    "methods": methods,
}


class FromTables(TyperCommand):
    """A command whose help names what the tables hold, where a help text says ``{datasets}`` or another table.

    The tables are behind torch, so they are read when this command's help is asked for, and never before.
    """

    def format_help(self, context: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        """Fill the tables in, then write the help."""
        for parameter in self.params:
            text = getattr(parameter, "help", None) or ""
            for name, table in TABLES.items():
                if f"{{{name}}}" in text:
                    text = text.replace(f"{{{name}}}", ", ".join(table()))
                    parameter.help = text  # type: ignore[attr-defined]
        super().format_help(context, formatter)

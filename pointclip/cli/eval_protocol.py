"""How ``--protocol`` takes the place of other options of ``pointclip eval``."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pointclip.cli import options as _options
from pointclip.errors import InputError

if TYPE_CHECKING:
    from pointclip.evaluation import Protocol

Name = Annotated[
    str | None,
    typer.Option(
        "--protocol",
        metavar="NAME",
        help="Do what a paper's own code does, faults included, and print its published number: {protocols}. Brings "
        "points, views, style, sentence and fusion.",
    ),
]


def with_protocol(
    name: str | None, asked: _options.Shared, up: _options.UpAxis | None
) -> tuple["Protocol | None", _options.Shared]:
    """Look a protocol up and put what it brings into the options.

    Raises:
        InputError: There is no such protocol, or an option contradicts it.
    """
    if name is None:
        return None, asked
    from pointclip.evaluation import protocol_named

    found, usual = protocol_named(name), _options.Shared()
    brought: dict[str, Any] = {"views": found.rig, "style": found.style, "templates": found.template}
    if found.free_templates and asked.templates is not None:
        del brought["templates"]
    told: dict[str, Any] = {option: getattr(asked, option) for option in brought} | {"up": up}
    told["points"] = None if asked.points in (usual.points, found.num_points) else asked.points
    told["pose"] = None if asked.pose is usual.pose else asked.pose
    for option, value in told.items():
        if value not in (None, brought.get(option)):
            raise InputError(f"--protocol {name} brings its own {option}: leave --{option} out")
    brought = {} if found.adapter and asked.adapter is not None else brought
    return found, replace(asked, points=found.num_points, **brought)

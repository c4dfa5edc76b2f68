"""``pointclip convert-v1``: an adapter of PointCLIP's own code in, a few-shot head out."""

from typing import Annotated

import typer
from rich.text import Text

from pointclip._base.words import counted
from pointclip.cli import console as _console
from pointclip.cli import options as _options
from pointclip.cli.boundary import bounded
from pointclip.cli.report import shown
from pointclip.errors import InputError

File = Annotated[str, typer.Argument(metavar="FILE", help="model-best.pth.tar of PointCLIP's code.")]
Out = Annotated[
    str, typer.Option("--out", "-o", metavar="FILE", help="The file to write, for classify or eval --adapter FILE.")
]
Ratio = Annotated[float, typer.Option("--ratio", min=0, max=1, help="The residual ratio it was trained with.")]
_NOT_ASKED = ("adapter", "views", "style", "templates", "up", "pose", "points", "seed", "keep_outliers")


@bounded
@_options.shared(*_NOT_ASKED, "skip_background")
def convert_v1(file: File, out: Out, asked: _options.Shared, ratio: Ratio = 0.6, json: _options.Json = False) -> None:
    """Make of an adapter that PointCLIP's own code trained a few-shot head that gives the same answers.

    Name with --model the CLIP that it was trained with, such as RN101/openai for the published one.
    """
    from pointclip._base.files import check_out
    from pointclip.fewshot import convert_v1 as converted

    if asked.model == "embedded":
        raise InputError("name the CLIP that the adapter was trained with: --model RN101/openai for the published one")
    check_out(out)
    labels = _options.class_names(asked)
    chosen = _options.settings(asked, labels)
    found = converted(file, _options.load_network(chosen).clip, labels, ratio=ratio)
    found.save(out)
    told = {"adapter": out, "labels": list(found.labels), "views": found.spec.rig, "style": found.spec.style}
    if json:
        _console.write_json({**told, **found.about})
        return
    size = f"{counted(found.head.num_views, 'view')}, {counted(len(labels), 'class', 'classes')}"
    _console.printer()(Text(shown(f"{out}: {size}"), "bold"))
    _console.say_note(
        f"now: pointclip eval modelnet40:FOLDER --protocol pointclip-v1-few-shot --adapter {out} --model {asked.model}"
    )

"""``pointclip fit``: a folder of classes in, a few-shot head out."""

from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from pointclip._base.words import counted
from pointclip.cli import console as _console
from pointclip.cli import options as _options
from pointclip.cli.boundary import EXIT_INTERRUPTED, bounded
from pointclip.cli.report import shown
from pointclip.errors import InputError

if TYPE_CHECKING:
    from pointclip.datasets import Dataset
    from pointclip.fewshot import FewShotResult
    from pointclip.heads import Method, Recipe


class Optimizer(str, Enum):
    """What ``--optimizer`` takes."""

    SGD, ADAMW = "sgd", "adamw"


class Features(str, Enum):
    """What ``--features`` takes."""

    UNIT, RAW = "unit", "raw"


Folder = Annotated[
    str,
    typer.Argument(
        metavar="DATASET",
        help="A folder of shapes per class, in it train/, val/, test/ where it has them; or what eval takes: a .csv of "
        "paths and labels, or NAME:FOLDER of these: {datasets}.",
    ),
]
Out = Annotated[
    str, typer.Option("--out", "-o", metavar="FILE", help="The file to write, for classify --adapter FILE.")
]
Labels = Annotated[
    str | None,
    typer.Option("--labels", "-l", metavar="A,B,C", help="Classes to learn.", show_default="all folders"),
]
HowMany = Annotated[int, typer.Option("--shots", min=1, help="Shapes of each class to learn from.")]
How = Annotated[
    str,
    typer.Option("--method", help="How to learn: {methods}. adapter is the paper's, light is small and quick."),
]
Draw = Annotated[int, typer.Option("--seed", min=0, help="Seed of the shots, their copies and the training.")]
Copies = Annotated[int, typer.Option("--copies", min=0, help="Augmented copies of each shot.")]
Epochs = Annotated[
    int | None, typer.Option("--epochs", min=1, help="Of an adapter.", show_default="250 with sgd, 100 with adamw")
]
Solver = Annotated[
    Optimizer | None,
    typer.Option("--optimizer", help="Of an adapter; sgd is the paper's.", show_default="sgd, adamw for light"),
]
Rate = Annotated[
    float | None, typer.Option("--lr", help="Learning rate.", show_default="0.01 with sgd, 0.001 with adamw")
]
Up = Annotated[
    _options.UpAxis | None,
    typer.Option("--up", help="Axis that points up in the files.", show_default="the dataset's own, else y"),
]
Kind = Annotated[
    Features,
    typer.Option("--features", help="What an adapter takes: unit length, or raw, as in the paper's code."),
]
Cache = Annotated[
    str | None,
    typer.Option("--cache", metavar="DIR", help="Where features and stopped runs are kept.", show_default="the user's"),
]


@bounded
@_options.shared("labels", "labels_file", "adapter", "seed", "pose", "up")
def fit(
    folder: Folder,
    out: Out,
    asked: _options.Shared,
    shots: HowMany = 16,
    method: How = "adapter",
    seed: Draw = 0,
    labels: Labels = None,
    up: Up = None,
    copies: Copies = 4,
    epochs: Epochs = None,
    optimizer: Solver = None,
    lr: Rate = None,
    features: Kind = Features.UNIT,
    cache: Cache = None,
    json: _options.Json = False,
) -> None:
    """Learn the classes of a folder from a few shapes of each; a test/ folder is never looked at.

    Stopped at any moment, the same command goes on where it was.
    """
    from pointclip.heads import method_named

    recipe = _recipe(method_named(method), epochs, optimizer, lr)
    chosen = _options.settings(replace(asked, up=up or _options.UpAxis.Y))
    read = partial(_open, folder, None if up is None else up.value, chosen)
    how: dict[str, Any] = {"shots": shots, "method": method, "seed": seed, "recipe": recipe, "cache": cache}
    result = _run(read, chosen, labels, copies, out, **how, features=features.value)
    if json:
        _console.write_json({"adapter": out, "labels": list(result.labels), **result.checkpoint.about})
    else:
        _tell(result, out)


def _recipe(method: "Method", epochs: int | None, optimizer: Optimizer | None, lr: float | None) -> "Recipe | None":
    from pointclip.heads import Recipe

    given: dict[str, Any] = {name: value for name, value in (("epochs", epochs), ("lr", lr)) if value is not None}
    if not given and optimizer is None:
        return None
    if not method.variant:
        raise InputError(f"--epochs, --optimizer and --lr are for adapters, not for --method {method.name}")
    wanted = method.recipe().optimizer if optimizer is None else optimizer.value
    return Recipe.adamw(**given) if wanted == "adamw" else Recipe(**given)


def _open(name: str, up: str | None, chosen: _options.Settings, split: str | None = None) -> "Dataset":
    from pointclip.datasets import open_dataset

    reading: dict[str, Any] = {"num_points": chosen.points, "seed": chosen.seed, "drop_outliers": chosen.drop_outliers}
    return open_dataset(name, split, up=up, **reading)


def _run(
    read: Callable[..., "Dataset"],
    chosen: _options.Settings,
    labels: str | None,
    copies: int,
    out: str,
    **how: Any,
) -> "FewShotResult":
    from pointclip._base.files import check_out
    from pointclip.encoding import Augmentation
    from pointclip.fewshot import FitInterrupted
    from pointclip.fewshot import fit as learn

    check_out(out)
    train = read()
    val = read("val") if "val" in getattr(train, "splits", ()) else None
    network = _options.load_network(chosen)
    try:
        known = [name for name in (labels or "").split(",") if name.strip()] or None
        return learn(network, train, val, known, augmentation=Augmentation(copies=copies), out=out, **how)
    except FitInterrupted as stop:
        _console.say_error(str(stop))
        raise typer.Exit(EXIT_INTERRUPTED) from None


def _tell(result: "FewShotResult", out: str) -> None:
    """Say what was learned, how well, and what to do with it."""
    about, show = result.checkpoint.about, _console.printer()
    table = Table.grid("", "", padding=(0, 2))
    table.add_row("method", f"{about['method']}, {_words(result.chosen)}")
    classes = counted(len(result.labels), "class", "classes")
    table.add_row("learned from", f"{counted(result.num_train, 'shape')} of {classes}")
    table.add_row("judged on", result.validation)
    for name, accuracy in (("accuracy", result.val_accuracy), ("without the head", result.zero_shot_accuracy)):
        if accuracy is not None:
            table.add_row(name, f"{100 * accuracy:.1f} %")
    show(Text(shown(out), "bold"))
    show(table)
    if fewer := about["fewer_shots"]:
        known = ", ".join(f"{name} {count}" for name, count in fewer.items())
        _console.say_note(f"note: {counted(len(fewer), 'class', 'classes')} had fewer than {about['shots']}: {known}")
    _console.say_note(f"now: pointclip classify FILE --adapter {out}{_other_model(result)}")


def _words(chosen: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in chosen.items())


def _other_model(result: "FewShotResult") -> str:
    name = result.checkpoint.spec.model
    return "" if name == "embedded" else f" --model {name}"

"""``pointclip fit``: a folder of classes in, a few-shot head out."""

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from pointclip._base.words import counted
from pointclip.cli import console as _console
from pointclip.cli import options as _options
from pointclip.cli import tables
from pointclip.cli.boundary import EXIT_INTERRUPTED, bounded
from pointclip.cli.report import shown
from pointclip.errors import InputError

if TYPE_CHECKING:
    from pointclip.fewshot.fitting import FewShotResult
    from pointclip.heads.recipe import Recipe


class Optimizer(str, Enum):
    """What ``--optimizer`` takes."""

    SGD, ADAMW = "sgd", "adamw"


Folder = Annotated[
    str,
    typer.Argument(metavar="FOLDER", help="A folder of shapes per class; in it train/, val/, test/ where it has them."),
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
Cache = Annotated[
    str | None,
    typer.Option("--cache", metavar="DIR", help="Where features and stopped runs are kept.", show_default="the user's"),
]


@bounded
@_options.shared("labels", "labels_file", "adapter", "seed", "pose")
def fit(
    folder: Folder,
    out: Out,
    asked: _options.Shared,
    shots: HowMany = 16,
    method: How = "adapter",
    seed: Draw = 0,
    labels: Labels = None,
    copies: Copies = 4,
    epochs: Epochs = None,
    optimizer: Solver = None,
    lr: Rate = None,
    cache: Cache = None,
    json: _options.Json = False,
) -> None:
    """Learn the classes of a folder from a few shapes of each; a test/ folder is never looked at.

    Stopped at any moment, the same command goes on where it was.
    """
    from pointclip._base.checks import nearest
    from pointclip.heads.recipe import Recipe

    if method not in tables.methods():
        raise InputError(f"method {method!r} is unknown: {nearest(method, tables.methods())}")
    recipe = _recipe(method, epochs, optimizer, lr, Recipe)
    chosen = _options.settings(asked)
    result = _run(Path(folder), chosen, labels, method, shots, seed, copies, recipe, out, cache)
    if json:
        _console.write_json({"adapter": out, "labels": list(result.labels), **result.checkpoint.about})
    else:
        _tell(result, out)


def _recipe(
    method: str, epochs: int | None, optimizer: Optimizer | None, lr: float | None, make: "type[Recipe]"
) -> "Recipe | None":
    given: dict[str, Any] = {name: value for name, value in (("epochs", epochs), ("lr", lr)) if value is not None}
    if not given and optimizer is None:
        return None
    if method not in tables.trained_methods():
        raise InputError(f"--epochs, --optimizer and --lr are for adapters, not for --method {method}")
    by_default = Optimizer.ADAMW if method == "light" else Optimizer.SGD
    return make.adamw(**given) if (optimizer or by_default) is Optimizer.ADAMW else make(**given)


def _run(
    folder: Path,
    chosen: _options.Settings,
    labels: str | None,
    method: str,
    shots: int,
    seed: int,
    copies: int,
    recipe: "Recipe | None",
    out: str,
    cache: str | None,
) -> "FewShotResult":
    from pointclip._base.files import check_out
    from pointclip.datasets.folder import ClassFolder
    from pointclip.encoding.looks import Augmentation
    from pointclip.fewshot.fitting import fit as learn
    from pointclip.fewshot.resume import FitInterrupted

    check_out(out)
    reading: dict[str, Any] = {"num_points": chosen.points, "up": chosen.up, "seed": chosen.seed}
    train = ClassFolder(folder, **reading)
    val = ClassFolder(folder, "val", **reading) if "val" in train.splits else None
    for split in filter(None, (train, val)):
        split.drop_outliers = chosen.drop_outliers
    network = _options.load_network(chosen)
    try:
        return learn(
            network,
            train,
            val,
            [name for name in (labels or "").split(",") if name.strip()] or None,
            shots=shots,
            method=method,
            seed=seed,
            recipe=recipe,
            augmentation=Augmentation(copies=copies),
            out=out,
            cache=cache,
        )
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
    _console.say_note(f"now: pointclip classify FILE --adapter {out}{_other_model(result)}")


def _words(chosen: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in chosen.items())


def _other_model(result: "FewShotResult") -> str:
    name = result.checkpoint.spec.model
    return "" if name == "embedded" else f" --model {name}"

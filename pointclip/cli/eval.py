"""``pointclip eval``: a dataset in, a result folder out; and two result folders side by side."""

import shlex
from dataclasses import asdict, replace
from enum import Enum
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pointclip._base.words import counted
from pointclip.cli import console as _console
from pointclip.cli import eval_protocol as _protocol
from pointclip.cli import eval_tables as _judged
from pointclip.cli import options as _options
from pointclip.cli.boundary import EXIT_BAD_INPUT, bounded
from pointclip.errors import InputError

if TYPE_CHECKING:
    from pointclip.datasets import Dataset as Shapes
    from pointclip.evaluation import OpenSplit, Protocol, Request


_ERRORS_TOLD = 10  # predictions.csv holds all
Dataset = Annotated[
    str | None,
    typer.Argument(
        metavar="DATASET",
        help="A folder of shapes per class, a .csv of paths and labels, or NAME:FOLDER of these: {datasets}; NAME "
        "alone where the set has a usual place.",
    ),
]
Split = Annotated[
    str | None,
    typer.Option("--split", help="The split to judge.", show_default="test; all of a dataset without splits"),
]
ValSplit = Annotated[
    str | None,
    typer.Option(
        "--val-split",
        help="The split to choose temperature, threshold and weight on; never test.",
        show_default="val, else a part of train",
    ),
]
Out = Annotated[
    str | None,
    typer.Option("--out", "-o", metavar="FOLDER", help="The result folder; a result in it is replaced."),
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Judge so many shapes, spread evenly.")]
NoCalibrate = Annotated[bool, typer.Option("--no-calibrate", help="Fit no temperature: nothing else is encoded.")]
WithLogits = Annotated[
    str | None,
    typer.Option("--with-logits", metavar="FILE", help="An .npz of another network's ids and logits, to join in."),
]
Reject = Annotated[bool, typer.Option("--reject", help="Say 'unknown' of shapes of no listed class, and judge that.")]
Unknown = Annotated[
    str | None,
    typer.Option("--unknown", metavar="A,B", help="Classes struck off the list.", show_default="a fifth, by --seed"),
]
Up = Annotated[
    _options.UpAxis | None,
    typer.Option("--up", help="Axis that points up in the files.", show_default="the dataset's own, else y"),
]
Goal = Annotated[
    float, typer.Option("--reject-at-most", help="Share of validation shapes of listed classes that may be rejected.")
]
Compare = Annotated[
    tuple[str, str] | None,
    typer.Option("--compare", metavar="A B", help="Two result folders side by side, with a paired test."),
]


@bounded
@_options.shared("labels", "labels_file", "up")
def eval_(
    context: typer.Context,
    asked: _options.Shared,
    dataset: Dataset = None,
    split: Split = None,
    out: Out = None,
    compare: Compare = None,
    limit: Limit = None,
    up: Up = None,
    val_split: ValSplit = None,
    no_calibrate: NoCalibrate = False,
    reject: Reject = False,
    unknown: Unknown = None,
    reject_at_most: Goal = 0.05,
    with_logits: WithLogits = None,
    protocol: _protocol.Name = None,
    engine: _options.Where = _options.Engine.LOCAL,
    workers: _options.Workers = None,
    json: _options.Json = False,
) -> None:
    """Judge a model on a dataset: accuracies with intervals, calibration, plots.

    A shape that cannot be read is a row with its error and counts as wrong, and the exit code is 2. Stopped at any
    moment, the same command goes on where it was.
    """
    if compare is not None:
        _compare(dataset, compare, json)
        return
    if dataset is None:
        raise InputError("name a dataset to judge the model on, or two result folders with --compare A B")
    _refuse_inside(dataset, out)
    found, asked = _protocol.with_protocol(protocol, asked, up)
    chosen = _options.settings(replace(asked, up=up or _options.UpAxis.Y))
    chosen = replace(chosen, up="own" if up is None else up.value)
    how: dict[str, Any] = {"split": split, "val_split": val_split, "limit": limit, "seed": chosen.seed}
    how |= {"reject": reject, "goal": reject_at_most, "with_logits": with_logits}
    how |= {"unknown": tuple(name.strip() for name in (unknown or "").split(",") if name.strip())}
    how |= {"engine": engine.value, "workers": workers, "pose": chosen.pose}
    how |= {} if found is not None else {"calibrate": not no_calibrate}
    opened = cache(partial(_open, dataset, up, chosen, found))  # a split is listed once
    _run(opened, chosen, _request(found, _short(dataset), how), out, json, _command(context), found)


def _request(protocol: "Protocol | None", dataset: str, how: dict[str, Any]) -> "Request":
    from pointclip.evaluation import Request

    return Request(dataset, **how) if protocol is None else protocol.request(dataset, **how)


def _open(
    name: str, up: _options.UpAxis | None, chosen: _options.Settings, protocol: "Protocol | None", split: str | None
) -> "Shapes":
    from pointclip.datasets import open_dataset

    reading: dict[str, Any] = {"num_points": chosen.points, "seed": chosen.seed, "drop_outliers": chosen.drop_outliers}
    found = open_dataset(name, split, up=None if up is None else up.value, **reading)
    return found if protocol is None else protocol.stored(found)


def _run(
    opened: "OpenSplit",
    chosen: _options.Settings,
    request: "Request",
    out: str | None,
    json: bool,
    command: str,
    protocol: "Protocol | None",
) -> None:
    """Evaluate, write and tell; leave with code 2 where shapes failed."""
    from pointclip._base.files import check_folder, make_folder
    from pointclip.evaluation import as_document, evaluate, open_judged, seconds_per_shape, write_result

    open_judged(opened, request)
    folder = None if out is None else check_folder(out)
    network = _options.load_network(chosen)
    if protocol is not None:
        protocol.prepare(network, request.dataset)
    with _console.kept_progress() as bar:
        found = evaluate(network, opened, request, watch=bar.reach)
    used = {"device": str(network.device), "precision": network.clip.precision.name, "templates": network.templates}
    settings = {name: value for name, value in (asdict(chosen) | used).items() if name != "labels"}
    document = as_document(found, request.dataset, settings | {"limit": request.limit}, command)
    if protocol is not None:
        document["protocol"] = protocol.document(network, request.dataset)
    if folder is not None:
        make_folder(folder)
        write_result(folder, found, document)
    seconds = seconds_per_shape(found.test)
    if json:
        _console.write_json(document | {"seconds_per_shape": seconds})
    else:
        _judged.tell_result(document, seconds, out)
    if found.failed:
        for error in [error for error in found.test.errors if error][:_ERRORS_TOLD]:
            _console.say_error(error)
        _console.say_error(f"{found.failed} of {counted(len(found.test), 'shape')} could not be classified")
        raise typer.Exit(EXIT_BAD_INPUT)


def _refuse_inside(dataset: str, out: str | None) -> None:
    """Refuse a result folder inside a class folder: the next run would take it for a class."""
    if out is not None and Path(dataset).is_dir() and Path(out).resolve().is_relative_to(Path(dataset).resolve()):
        raise InputError(f"{out} lies in the dataset, where it would be taken for a class: name a folder outside of it")


def _compare(dataset: str | None, folders: tuple[str, str], json: bool) -> None:
    from pointclip.evaluation import compare

    if dataset is not None:
        raise InputError(f"--compare takes two result folders and no dataset: leave {dataset!r} out")
    told = compare(*folders)
    if json:
        _console.write_json(told)
    else:
        _judged.tell_comparison(told)


def _short(dataset: str) -> str:
    """Name a dataset without the place where it lies: ``modelnet40:/data/m`` is ``modelnet40``."""
    kind, colon, _ = dataset.partition(":")
    return kind.lower() if colon and not Path(dataset).exists() else Path(dataset).resolve().name


def _command(context: typer.Context) -> str:
    """Write the command line down: what was given, the dataset first, then in the order of the options."""
    words = ["pointclip", "eval"]
    for option in sorted(context.command.params, key=lambda known: known.param_type_name != "argument"):
        source = context.get_parameter_source(option.name or "")
        if source is None or source.name != "COMMANDLINE":
            continue
        value = context.params[option.name or ""]
        value = value.value if isinstance(value, Enum) else value
        words += [option.opts[0]] if option.param_type_name == "option" else []
        words += [] if value is True else [str(value)]
    return shlex.join(words)

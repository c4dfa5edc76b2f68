"""``pointclip classify``: files in, class names out."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pointclip import __version__
from pointclip.cli import console as _console
from pointclip.cli import options as _options
from pointclip.cli import report
from pointclip.cli.boundary import bounded, exit_code, sentence
from pointclip.cli.kept import keeping
from pointclip.cli.notes import in_document, run_notes, tell_notes
from pointclip.errors import InputError

if TYPE_CHECKING:
    from pointclip.datasets import Item
    from pointclip.model import PointCLIP
    from pointclip.points import PointCloud
    from pointclip.prediction import Prediction

FEW = 8  # files up to which the pictures that say whether kept features are still good would cost too much
SaveViews = Annotated[
    str | None, typer.Option("--save-views", metavar="DIR", help="Save each shape's pictures, one PNG per view.")
]
Csv = Annotated[
    str | None,
    typer.Option(
        "--csv",
        metavar="FILE",
        help="Also write rows of path, rank, label, probability, error; stopped, the same command goes on.",
    ),
]


@bounded
@_options.shared()
def classify(
    paths: _options.Paths,
    asked: _options.Shared,
    top_k: _options.TopK = 5,
    save_views: SaveViews = None,
    json: _options.Json = False,
    csv: Csv = None,
) -> None:
    """Name the class of each shape: rank, label and probability.

    A file that cannot be read is a row with its error; the others are classified, and the exit code is 2.
    """
    chosen = _options.settings(asked, _options.class_names(asked))
    code = _run(paths, chosen, top_k, _Outputs(json, csv, save_views))
    if code:
        raise typer.Exit(code)


@dataclass(frozen=True)
class _Outputs:
    """Where the answers go: JSON or tables on stdout, perhaps a CSV file, perhaps a folder of pictures."""

    json: bool
    csv: str | None
    save_views: str | None


def _run(paths: Sequence[str], chosen: _options.Settings, top_k: int, outputs: _Outputs) -> int:
    """Classify all files; return the exit code."""
    from pointclip._base.files import check_folder
    from pointclip.datasets import find_shapes

    items = find_shapes(paths)
    if outputs.csv is not None and Path(outputs.csv).resolve() in {Path(item.path).resolve() for item in items}:
        raise InputError(f"{outputs.csv} is one of the shapes: name another file for --csv")
    with ExitStack() as stack:
        csv = None if outputs.csv is None else stack.enter_context(report.open_csv(outputs.csv))
        root = None if outputs.save_views is None else check_folder(outputs.save_views)
        network = None if all(item.error for item in items) else _options.load_network(chosen)
        notes = run_notes(paths, chosen.labels, network)
        if not outputs.json:
            tell_notes(notes)
            if network is not None:
                _console.say_note(_options.about(network))
        bar = stack.enter_context(_console.progress(len(items)))
        tell = _teller(outputs.json, len(items))
        rows, faults = [], []
        folders = {} if root is None else report.picture_folders([item.path for item in items], root)
        answers, kept = partial(_classified, network, chosen=chosen, top_k=top_k, folders=folders), None
        if network is not None and csv is not None and not csv.at_once:
            kept = stack.enter_context(
                keeping(csv.path, {**_as_run(chosen, network), "top": top_k, "at": outputs.save_views}, chosen, network)
            )
        for row, error in answers(items) if kept is None else kept.merged(items, answers):
            with bar.aside():
                tell(row)
            bar.advance()
            if csv is not None:
                csv.add(row)
            if outputs.json:
                rows.append(row)
            if error is not None:
                faults.append(exit_code(error))
    if kept is not None:
        kept.forget()
    if outputs.json:
        _console.write_json(report.as_document(rows, _as_run(chosen, network) | in_document(notes)))
    if faults and len(items) > 1:
        _console.say_error(f"{len(faults)} of {len(items)} shapes could not be classified")
    return min(faults, default=0)  # a fault of the program (1) weighs more than bad input (2)


def _as_run(chosen: _options.Settings, network: "PointCLIP | None") -> dict[str, Any]:
    run = {"pointclip": __version__, **asdict(chosen)}
    if chosen.pose == "search":
        del run["up"]  # each shape tells its own
    if network is not None:
        run |= {
            "templates": network.templates,
            "device": str(network.device),
            "precision": network.clip.precision.name,
        }
    return run


def _teller(json: bool, total: int) -> Callable[[report.Row], None]:
    """Choose how a shape is told as it comes: of a JSON document, or of one bad file, only the error, on stderr."""
    show = _console.printer()

    def tell(row: report.Row) -> None:
        if row.error is not None and (json or total == 1):
            _console.say_error(row.error)
        elif not json:
            show(report.as_table(row))

    return tell


def _classified(
    network: "PointCLIP | None",
    items: "Sequence[Item]",
    chosen: _options.Settings,
    top_k: int,
    folders: dict[str, Path],
) -> "Iterator[tuple[report.Row, Exception | None]]":
    """Yield each file's row, and the exception where there is one; without a network all files have one."""
    for item, prediction in _predicted(network, items, chosen, top_k):
        if item.error is not None:
            yield _failed(item.path, item.error), item.error
        elif network is not None and item.cloud is not None and prediction is not None:
            cloud = item.cloud.turned(prediction.up)
            saved = _save(network, cloud, folders[item.path]) if folders else ()
            row = replace(report.Row.of(item.path, prediction, _style(network, cloud), saved), notes=cloud.notes)
            yield (replace(row, up=prediction.up) if chosen.pose == "search" else row), None


def _predicted(
    network: "PointCLIP | None", items: "Sequence[Item]", chosen: _options.Settings, top_k: int
) -> "Iterator[tuple[Item, Prediction | None]]":
    """Read and classify files in order; the features of many are kept."""
    from pointclip.datasets import Files
    from pointclip.encoding import encode_clouds, predict
    from pointclip.points import load
    from pointclip.reading import read_clouds

    how = (chosen.points, chosen.up, chosen.seed, chosen.drop_outliers)
    good = Files([item.path for item in items if item.error is None], *how)
    if network is not None and len(good) > FEW:
        with closing(encode_clouds(network, good, chosen.pose)) as shapes:
            for item in items:
                seen = None if item.error is not None else next(shapes)
                if seen is None or seen.error is not None:
                    yield item if seen is None else replace(item, error=seen.error), None
                else:
                    known = predict(network, seen, chosen.labels, top_k, chosen.pose)
                    yield replace(item, cloud=seen.cloud), known
        return
    for item in read_clouds(
        items,
        partial(load, num_points=chosen.points, up=chosen.up, seed=chosen.seed, drop_outliers=chosen.drop_outliers),
    ):
        if network is None or item.cloud is None:
            yield item, None
            continue
        try:
            prediction = network.classify(item.cloud, chosen.labels, top_k, chosen.pose)
        except InputError as error:  # a style that needs what this shape lacks
            yield replace(item, error=error), None
            continue
        yield item, prediction


def _failed(path: str, error: Exception) -> report.Row:
    text = sentence(error)
    return report.Row(path, error=text if str(Path(path)) in text else f"{path}: {text}")


def _style(network: "PointCLIP", cloud: "PointCloud") -> str:
    """Name the style a cloud is drawn in, ``auto`` resolved."""
    from pointclip.images import STYLES

    used = network.style_for(cloud)
    return next(name for name, style in STYLES.items() if style == used)


def _save(network: "PointCLIP", cloud: "PointCloud", folder: Path) -> tuple[str, ...]:
    import torch

    from pointclip.images import viewable

    with torch.no_grad():
        pictures = network.render(cloud)[0]
    return report.save_pictures(viewable(pictures), network.views.names, folder)

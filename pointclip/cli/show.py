"""``pointclip show``: what the encoder sees of a shape, and why it answers as it does."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from pointclip import __version__
from pointclip.cli import console as _console
from pointclip.cli import options as _options
from pointclip.cli.boundary import bounded, exit_code, sentence
from pointclip.cli.notes import in_document, run_notes, tell_notes
from pointclip.cli.pictures import Shown, best, drawn
from pointclip.errors import InputError

Out = Annotated[
    str,
    typer.Option(
        "--out", "-o", metavar="PATH", help="Folder for the contact sheets, or the .png file of a single one."
    ),
]
Compare = Annotated[bool, typer.Option("--compare", help="Draw the shape in every style, one under the other.")]
Html = Annotated[
    str | None, typer.Option("--html", metavar="FILE", help="Also write an interactive page that needs no network.")
]
Window = Annotated[bool, typer.Option("--window", help="Open an Open3D window with the cloud and the cameras.")]
Snapshot = Annotated[
    str | None, typer.Option("--snapshot", metavar="FILE", help="Save what the window would show as a PNG.")
]
Explain = Annotated[
    bool, typer.Option("--explain", help="Paint what each view and each part of the shape adds to the answer.")
]
Ply = Annotated[
    str | None, typer.Option("--ply", metavar="FILE", help="With --explain: save the points' importance as a PLY.")
]


@dataclass(frozen=True)
class _Wishes:
    """What to make of each shape besides its sheet."""

    out: str
    compare: bool
    html: str | None
    window: bool
    snapshot: str | None
    explain: bool
    ply: str | None


@bounded
@_options.shared()
def show(
    paths: _options.Paths,
    asked: _options.Shared,
    out: Out = ".",
    compare: Compare = False,
    html: Html = None,
    window: Window = False,
    snapshot: Snapshot = None,
    explain: Explain = False,
    ply: Ply = None,
    json: _options.Json = False,
) -> None:
    """Draw each shape's views on one contact sheet, SHAPE-views.png.

    With --labels, --labels-file, --adapter, --explain or --pose search a model is loaded, and each view's best label
    stands under it.
    """
    wishes = _Wishes(out, compare, html, window, snapshot, explain, ply)
    searched = asked.pose is _options.Pose.SEARCH
    answers = bool(asked.labels or asked.labels_file or asked.adapter or explain or searched)
    chosen = _options.settings(asked, _options.class_names(asked) if answers else ())
    if ply and not explain:
        raise InputError("--ply saves what --explain finds: give both")
    if asked.skip_background and not answers:
        raise InputError("--skip-background is for a model's answers, and none is asked for: name the --labels too")
    if compare and asked.adapter:
        raise InputError("--adapter knows one style: leave --compare out")
    code = _run(paths, chosen, wishes, answers, json)
    if code:
        raise typer.Exit(code)


def _run(paths: Sequence[str], chosen: _options.Settings, wishes: _Wishes, answers: bool, json: bool) -> int:
    from pointclip.datasets import find_shapes
    from pointclip.points import load
    from pointclip.reading import read_clouds

    items = find_shapes(paths)
    for name in ("html", "window", "snapshot", "ply"):
        if len(items) > 1 and getattr(wishes, name):
            raise InputError(f"--{name} takes one shape, and {len(items)} are named")
    targets = _targets([item.path for item in items], wishes.out)
    network = _options.load_network(chosen) if answers and not all(item.error for item in items) else None
    notes = run_notes(paths, chosen.labels, network)
    tell_notes([] if json else notes)
    told, faults = [], []
    read = partial(load, num_points=chosen.points, up=chosen.up, seed=chosen.seed, drop_outliers=chosen.drop_outliers)
    for item in read_clouds(items, read):
        try:
            if item.error is not None:
                raise item.error
            if item.cloud is not None:
                shown = drawn(item.cloud, chosen, wishes.compare, wishes.explain, network)
                _write(shown, targets[item.path], wishes)
                told.append(_entry(item.path, shown))
                if not json:
                    _tell(told[-1])
        except Exception as error:  # the other shapes are still to be shown
            text = sentence(error)
            told.append({"path": item.path, "error": text if str(Path(item.path)) in text else f"{item.path}: {text}"})
            _console.say_error(told[-1]["error"])
            faults.append(exit_code(error))
    if json:
        _console.write_json({"pointclip": __version__, **asdict(chosen), **in_document(notes), "shapes": told})
    return min(faults, default=0)


def _targets(paths: Sequence[str], out: str) -> dict[str, Path]:
    """Name each shape's sheet; shapes of one name in several folders keep their folders."""
    from pointclip._base.files import check_folder
    from pointclip.cli.report import picture_folders

    if out.lower().endswith(".png"):
        if len(paths) > 1:
            raise InputError(f"--out {out} names one file, and {len(paths)} shapes are named: name a folder")
        return {path: Path(out) for path in paths}
    root = check_folder(out)
    places = picture_folders(paths, root)
    stems = [place.with_suffix("") for place in places.values()]
    return {
        path: place.with_name(f"{place.stem if stems.count(place.with_suffix('')) == 1 else place.name}-views.png")
        for path, place in places.items()
    }


def _write(shown: Shown, target: Path, wishes: _Wishes) -> None:
    from pointclip import viz
    from pointclip._base.files import make_folder
    from pointclip.explain import write_saliency

    make_folder(target.parent)
    answer = "" if shown.prediction is None else best(shown.prediction, 5) + "; "
    viz.write_sheet(target, shown.panels, shown.cloud.name, answer + shown.note)
    shown.files["sheet"] = str(target)
    if wishes.ply and shown.saliency is not None:
        write_saliency(wishes.ply, shown.cloud.points, shown.saliency)
        shown.files["ply"] = wishes.ply
    if wishes.html:
        said = (
            [] if shown.prediction is None else list(zip(shown.prediction.labels, shown.prediction.probs, strict=True))
        )
        viz.write_page(wishes.html, shown.cloud, shown.views, shown.panels, said, shown.saliency, shown.note)
        shown.files["html"] = wishes.html
    if wishes.snapshot:
        viz.write_snapshot(wishes.snapshot, shown.cloud, shown.views, shown.panels[0])
        shown.files["snapshot"] = wishes.snapshot
    if wishes.window:
        viz.open_window(shown.cloud, shown.views, shown.panels[0])


def _entry(path: str, shown: Shown) -> dict[str, Any]:
    up = {} if shown.up is None else {"up": shown.up}
    entry: dict[str, Any] = {"path": path, **shown.files, **up, "views": list(shown.views.names)}
    entry |= in_document(shown.cloud.notes)
    if shown.prediction is None:
        return entry
    prediction = shown.prediction
    found = prediction.explain()
    ranked = [{"label": label, "probability": p} for label, p in zip(prediction.labels, prediction.probs, strict=True)]
    shares = {label: found.of_label(label).tolist() for label in prediction.labels}
    return entry | {"predictions": ranked, "contributions": shares}


def _tell(entry: dict[str, Any]) -> None:
    from rich.text import Text

    from pointclip.cli.report import shown

    show_line = _console.printer()
    files = ", ".join(entry[kind] for kind in ("sheet", "html", "snapshot", "ply") if kind in entry)
    show_line(Text.assemble((shown(entry["path"]), "bold"), " -> ", shown(files)))
    for note in entry.get("notes", []):
        show_line(Text(f"  note: {shown(note)}", "dim"))
    for ranked in entry.get("predictions", [])[:1]:
        show_line(Text(f"  {shown(ranked['label'])} {ranked['probability']:.3f}", "green"))

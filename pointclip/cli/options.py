"""The options that several commands share, how they become settings, and the model that these name."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pointclip.cli import console as _console
from pointclip.cli.values import channels
from pointclip.cli.values import class_names as class_names
from pointclip.errors import InputError

if TYPE_CHECKING:
    from pointclip.model import PointCLIP

AUTO_TEMPLATES = "auto"  # the model picks those it was trained with
_ONLY_NAMED = inspect.Parameter.KEYWORD_ONLY


# What --up, --pose, --precision, --engine and --surface take.
UpAxis = Enum("UpAxis", {"Y": "y", "Z": "z", "X": "x", "MINUS_Y": "-y", "MINUS_Z": "-z", "MINUS_X": "-x"}, type=str)
Pose = Enum("Pose", {"GIVEN": "given", "SEARCH": "search"}, type=str)
Format = Enum("Format", {"AUTO": "auto", "FP32": "fp32", "BF16": "bf16", "FP16": "fp16"}, type=str)
Engine = Enum("Engine", {"LOCAL": "local", "RAY": "ray"}, type=str)
Surface = Enum("Surface", {"AUTO": "auto", "TRIANGLES": "triangles", "POINTS": "points"}, type=str)

Paths = Annotated[
    list[str],
    typer.Argument(
        metavar="PATH", help="Files, folders (searched to any depth) or quoted patterns ('*.obj'); - is standard input."
    ),
]
Model = Annotated[
    str,
    typer.Option(
        "--model", "-m", help="'embedded', 'ARCH/TAG' of open_clip, 'hf-hub:ORG/NAME', 'local-dir:PATH' or 'ARCH@FILE'."
    ),
]
Labels = Annotated[
    str | None,
    typer.Option("--labels", "-l", metavar="A,B,C", help="Class names.", show_default="the 40 of ModelNet40"),
]
LabelsFile = Annotated[
    str | None, typer.Option("--labels-file", metavar="FILE", help="A file of class names, one a line.")
]
TopK = Annotated[int, typer.Option("--top-k", "-k", min=1, help="Labels told of each shape.")]
Views = Annotated[
    str | None, typer.Option("--views", help="Rig of cameras (see: pointclip models).", show_default="ring-6")
]
Style = Annotated[
    str | None,
    typer.Option("--style", help="Style of the pictures (see: pointclip models).", show_default="auto"),
]
Templates = Annotated[
    str | None,
    typer.Option(
        "--templates",
        help="Template set (see: pointclip models), file of templates, one template with {} for the label, or a .json "
        "file of class descriptions.",
        show_default=AUTO_TEMPLATES,
    ),
]
Adapter = Annotated[
    str | None,
    typer.Option(
        "--adapter", metavar="FILE", help="A few-shot head of pointclip fit: it knows its labels, views and style."
    ),
]
Up = Annotated[UpAxis, typer.Option("--up", help="Axis that points up in the files.")]
PoseChoice = Annotated[
    Pose, typer.Option("--pose", help="search: try all six axes as up and keep the most confident answer; 6x the time.")
]
Points = Annotated[int, typer.Option("--points", "-n", min=2, help="Points drawn on a mesh, and most kept of a cloud.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of the points drawn on a mesh.")]
KeepOutliers = Annotated[
    bool, typer.Option("--keep-outliers", help="Draw even the few points far outside of all others.")
]
SkipBackground = Annotated[
    bool,
    typer.Option(
        "--skip-background", help="Only for ViT models: leave out what is blank; faster, not quite the same answers."
    ),
]
DrawnFrom = Annotated[
    Surface | None, typer.Option("--surface", help="Draw meshes by triangles or points.", show_default="auto")
]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda, or auto: cuda where there is one.")]
Precision = Annotated[
    Format,
    typer.Option("--precision", help="Number format of the image tower; auto is the fastest that keeps answers."),
]
Mean = Annotated[
    str | None,
    typer.Option("--mean", metavar="R,G,B", help="Subtracted from pictures in [0, 1].", show_default="the model's"),
]
Std = Annotated[
    str | None,
    typer.Option("--std", metavar="R,G,B", help="What they are then divided by.", show_default="the model's"),
]
Where = Annotated[
    Engine, typer.Option("--engine", help="local: this process. ray: a Ray cluster, RAY_ADDRESS or one of its own.")
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Threads, or actors of Ray.", show_default="one a core, one a GPU"),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]


@dataclass(frozen=True)
class Shared:
    """What every command takes that looks at shapes; :func:`shared` makes it a command's options."""

    labels: Labels = None
    labels_file: LabelsFile = None
    adapter: Adapter = None
    model: Model = "embedded"
    views: Views = None
    style: Style = None
    templates: Templates = None
    up: Up = UpAxis.Y
    pose: PoseChoice = Pose.GIVEN
    points: Points = 20_000
    seed: Seed = 0
    keep_outliers: KeepOutliers = False
    skip_background: SkipBackground = False
    surface: DrawnFrom = None
    device: Device = "auto"
    precision: Precision = Format.AUTO
    mean: Mean = None
    std: Std = None


def shared(*without: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Put the options of :class:`Shared` in the place of a command's one parameter of that type.

    Args:
        without: Options that the command does not have; they keep their defaults.
    """

    def expand(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command).parameters
        place = next(name for name, parameter in own.items() if is_dataclass(parameter.annotation))
        options = {option.name: option for option in fields(Shared) if option.name not in without}

        @wraps(command)
        def run(**given: Any) -> None:
            command(**{place: Shared(**{name: given.pop(name) for name in options})}, **given)

        made = [inspect.Parameter(o.name, _ONLY_NAMED, default=o.default, annotation=o.type) for o in options.values()]
        listed: list[inspect.Parameter] = []
        for name, parameter in own.items():
            listed += made if name == place else [parameter.replace(kind=_ONLY_NAMED)]
        run.__signature__ = inspect.Signature(listed)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in listed}
        return run

    return expand


@dataclass(frozen=True)
class Settings:
    """What a run was asked to do: checked, with the defaults filled in.

    Attributes:
        model: Name of the model.
        views: Name of the rig.
        style: Name of the style.
        templates: Template set, file, template or descriptions.
        up: Axis that points up in the files.
        points: Points drawn on a mesh, and most kept of a cloud.
        seed: Seed of the points drawn.
        device: Name of the device.
        precision: Number format of the image tower.
        labels: Class names, cleaned.
        adapter: File of a few-shot head, whose labels, rig and style these are.
        drop_outliers: Leave out the few points far outside of all others.
        pose: Whether ``up`` is given or searched for.
        skip_background: Leave the blank parts of pictures out of the image tower.
        surface: What meshes are drawn from.
        mean: In place of the model's own; None is that.
        std: Likewise.
    """

    model: str
    views: str
    style: str
    templates: str
    up: str
    points: int
    seed: int
    device: str
    precision: str
    labels: tuple[str, ...]
    adapter: str | None = None
    drop_outliers: bool = True
    pose: str = "given"
    skip_background: bool = False
    surface: str = "auto"
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None


def settings(asked: Shared, labels: tuple[str, ...] = ()) -> Settings:
    """Fill in defaults and refuse what is wrong, before any weight is loaded.

    Args:
        asked: The options as they were given.
        labels: Class names, cleaned; a few-shot head brings its own, and its rig and style.

    Raises:
        InputError: A name is unknown, the device cannot be used, or two options contradict each other.
        WeightsError: The few-shot head is missing, damaged or none.
    """
    from pointclip import images
    from pointclip import model as defaults
    from pointclip.cameras import views as rig_named
    from pointclip.clip import pick_device
    from pointclip.prompts import check_prompts

    views = defaults.DEFAULT_VIEWS if asked.views is None else asked.views
    style = defaults.DEFAULT_STYLE if asked.style is None else asked.style
    templates = defaults.DEFAULT_TEMPLATES if asked.templates is None else asked.templates
    rig_named(views)
    if style != images.AUTO:
        images.style(style)
    if templates != AUTO_TEMPLATES:
        check_prompts(templates, labels)
    pick_device(asked.device)
    if asked.pose is Pose.SEARCH and asked.up is not UpAxis.Y:
        raise InputError(f"--pose search finds the axis that points up: leave --up {asked.up.value} out")
    surface = "auto"
    if asked.adapter is not None:
        views, style, surface, labels = _of_adapter(asked, asked.adapter)
    named = (asked.model, views, style, templates, asked.up.value, asked.points, asked.seed, asked.device)
    drawn = Surface(surface) if asked.surface is None else asked.surface
    treated = (not asked.keep_outliers, asked.pose.value, asked.skip_background, drawn.value)
    normed = (channels("--mean", asked.mean), channels("--std", asked.std))
    return Settings(*named, asked.precision.value, labels, asked.adapter, *treated, *normed)


def _of_adapter(asked: Shared, adapter: str) -> tuple[str, str, str, tuple[str, ...]]:
    from pointclip.heads import load_checkpoint

    for name in ("labels", "labels_file", "views", "style", "templates"):
        if getattr(asked, name) is not None:
            option = name.replace("_", "-")
            raise InputError(f"--adapter brings its own labels, views, style and templates: leave --{option} out")
    head = load_checkpoint(adapter)
    return head.spec.rig, head.spec.style, head.spec.surface, head.labels


def load_network(chosen: Settings, **others: Any) -> "PointCLIP":
    """Load the model that settings name.

    Args:
        chosen: The settings.
        others: What :meth:`pointclip.PointCLIP.from_pretrained` is to take instead of theirs.
    """
    own = {"views": None, "style": None} if chosen.adapter else {}
    made: dict[str, Any] = {"views": chosen.views, "style": chosen.style, **own, "templates": chosen.templates}
    made |= {"adapter": chosen.adapter, "device": chosen.device, "precision": chosen.precision}
    made |= {"drop_outliers": chosen.drop_outliers, "skip_background": chosen.skip_background}
    made |= {"surface": chosen.surface, "mean": chosen.mean, "std": chosen.std}
    with _console.waiting(f"loading {chosen.model}"):
        return named_network(chosen.model, **made | others)


def named_network(name: str, **how: Any) -> "PointCLIP":
    """Load a model by name; the one place of the command line that does."""
    from pointclip.model import PointCLIP

    return PointCLIP.from_pretrained(name, **how)


def about(network: "PointCLIP") -> str:
    """Word what a model is and where it runs."""
    known = f"{network.clip.name} on {network.device}, {network.clip.precision.name}"
    return f"{known}: a small default that needs no network, not CLIP" if network.clip.name == "embedded" else known

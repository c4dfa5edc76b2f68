"""The options that several commands share, and how they become settings."""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Annotated

import typer

from pointclip.errors import InputError

AUTO_TEMPLATES = "auto"  # the model picks those it was trained with


class UpAxis(str, Enum):
    """What ``--up`` takes."""

    Y, Z, X, MINUS_Y, MINUS_Z, MINUS_X = "y", "z", "x", "-y", "-z", "-x"


class Pose(str, Enum):
    """What ``--pose`` takes."""

    GIVEN, SEARCH = "given", "search"


class Format(str, Enum):
    """What ``--precision`` takes."""

    AUTO, FP32, BF16, FP16 = "auto", "fp32", "bf16", "fp16"


class Engine(str, Enum):
    """What ``--engine`` takes."""

    LOCAL, RAY = "local", "ray"


Paths = Annotated[
    list[str],
    typer.Argument(metavar="PATH", help="Files, folders (searched to any depth) or quoted patterns such as '*.obj'."),
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
Device = Annotated[str, typer.Option("--device", help="cpu, cuda, or auto: cuda where there is one.")]
Precision = Annotated[
    Format,
    typer.Option("--precision", help="Number format of the image tower; auto is the fastest that keeps answers."),
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


def settings(
    *,
    views: str | None,
    style: str | None,
    templates: str | None,
    labels: tuple[str, ...],
    up: UpAxis,
    precision: Format,
    device: str,
    model: str,
    points: int,
    seed: int,
    keep_outliers: bool = False,
    skip_background: bool = False,
) -> Settings:
    """Fill in defaults and refuse what is wrong, before any weight is loaded.

    Raises:
        InputError: A name is unknown, or the device cannot be used.
    """
    from pointclip import images
    from pointclip import model as defaults
    from pointclip.cameras import rigs
    from pointclip.clip.frozen import pick_device
    from pointclip.prompts import descriptions

    views = defaults.DEFAULT_VIEWS if views is None else views
    style = defaults.DEFAULT_STYLE if style is None else style
    templates = defaults.DEFAULT_TEMPLATES if templates is None else templates
    rigs.views(views)
    if style != images.AUTO:
        images.style(style)
    if templates != AUTO_TEMPLATES:
        descriptions.check(templates, labels)
    pick_device(device)
    named = (model, views, style, templates, up.value, points, seed, device, precision.value, labels)
    return Settings(*named, drop_outliers=not keep_outliers, skip_background=skip_background)


def with_adapter(chosen: Settings, adapter: str | None, **given: str | None) -> Settings:
    """Take labels, rig and style from a few-shot head.

    Raises:
        InputError: One of them is given besides, in ``given`` by the name of its option.
        WeightsError: The file is missing, damaged or no few-shot head.
    """
    if adapter is None:
        return chosen
    from pointclip.heads.checkpoint import load_checkpoint

    for name, value in given.items():
        if value is not None:
            raise InputError(f"--adapter brings its own labels, views, style and templates: leave --{name} out")
    head = load_checkpoint(adapter)
    return replace(chosen, views=head.eye.rig, style=head.eye.style, labels=head.labels, adapter=adapter)


def pose_beside(pose: Pose, up: UpAxis | None) -> str:
    """Give the pose's name.

    Args:
        pose: What was asked for.
        up: The axis that was given; None, or y as the default, where none was.

    Raises:
        InputError: The up axis is to be searched for, and given besides.
    """
    if pose is Pose.SEARCH and up not in (None, UpAxis.Y):
        raise InputError(f"--pose search finds the axis that points up: leave --up {up.value} out")
    return pose.value


def class_names(labels: str | None, labels_file: str | None) -> tuple[str, ...]:
    """Read the class names of ``--labels`` or ``--labels-file``, or ModelNet40's where neither is given.

    Raises:
        InputError: Both are given, or the names are empty or repeated, or the file cannot be read.
    """
    from pointclip._base.assets import asset
    from pointclip.prompts.sentences import clean_labels, read_labels

    if labels is not None and labels_file is not None:
        raise InputError("--labels and --labels-file name classes twice: give one of the two")
    if labels is not None:
        return clean_labels(labels.split(","))
    return read_labels(asset("labels/modelnet40.txt") if labels_file is None else labels_file)

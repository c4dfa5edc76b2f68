"""What ``pointclip show`` draws of one shape."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pointclip._base.words import counted
from pointclip.cli import console as _console
from pointclip.cli import options as _options

if TYPE_CHECKING:
    from torch import Tensor

    from pointclip.cameras import Views as Rig
    from pointclip.images import Style
    from pointclip.model import PointCLIP, Prediction
    from pointclip.points import PointCloud
    from pointclip.viz import Panel

_PICTURE_SIZE = 224


@dataclass
class Shown:
    """What was made of a shape.

    Attributes:
        cloud: The shape.
        views: The cameras.
        panels: Pictures, a panel for each style, and of the occlusion where it was asked for.
        prediction: What the model says in the first style, where there is one.
        saliency: (N,) what each point's part adds to the answer.
        note: The model, the rig and the number of points.
        files: What was written, by kind.
        up: Axis that was found to point up, where it was searched for.
        surface: What a mesh is drawn from.
        drop_outliers: Whether what lies far outside is left out.
    """

    cloud: "PointCloud"
    views: "Rig"
    panels: "list[Panel]"
    prediction: "Prediction | None" = None
    saliency: "Tensor | None" = None
    note: str = ""
    files: dict[str, str] = field(default_factory=dict)
    up: str | None = None
    surface: str = "auto"
    drop_outliers: bool = True


def drawn(
    cloud: "PointCloud", chosen: _options.Settings, compare: bool, explain: bool, network: "PointCLIP | None"
) -> Shown:
    """Make all pictures of a shape, and with a model, what it says of them.

    Raises:
        InputError: The style needs colours or normals that the shape lacks.
    """
    from pointclip.cameras import views as rig_named

    rig = rig_named(chosen.views) if network is None else network.views
    up = None
    if network is not None and chosen.pose == "search":
        up = network.classify(cloud, chosen.labels, pose=chosen.pose).up
        cloud = cloud.turned(up)
    size = counted(len(cloud), "point") if cloud.mesh is None else counted(len(cloud.mesh.faces), "face")
    shown = Shown(cloud, rig, [], note=f"{rig.rig}, {size}" + f", up {up}" * (up is not None), up=up)
    treated = chosen if network is None else network
    shown.surface, shown.drop_outliers = treated.surface, treated.drop_outliers
    for name, style in _styles(cloud, chosen, compare, network):
        shown.panels.append(_panel(shown, name, style, network, chosen.labels, explain))
    if network is not None:
        shown.note = f"{network.clip.name}, {shown.note}"
        if explain:
            _add_occlusion(shown, network, chosen.labels)
    return shown


def _styles(
    cloud: "PointCloud", chosen: _options.Settings, compare: bool, network: "PointCLIP | None"
) -> "list[tuple[str, Style]]":
    """List the styles to draw, ``auto`` resolved; the chosen one comes first."""
    from pointclip import images

    wanted = chosen.style if network is None else network.style
    surface = chosen.surface if network is None else network.surface
    first = images.fitting_style(cloud, surface) if wanted == images.AUTO else images.style(wanted)
    named = [name for name, style in images.STYLES.items() if style == first]
    styles = [(named[0] if named else str(chosen.style), first)]
    if compare:
        styles += [
            (name, style)
            for name, style in images.STYLES.items()
            if style != first and (name != "color" or cloud.colors is not None)
        ]
    return styles


def _panel(
    shown: Shown, name: str, style: "Style", network: "PointCLIP | None", labels: tuple[str, ...], explain: bool
) -> "Panel":
    from pointclip import viz

    pictures, names = _pictures(shown, style, network), shown.views.names
    if network is None:
        return viz.Panel(name, pictures, names)
    prediction = _as_drawn(network, style).classify(shown.cloud, labels, top_k=min(5, len(labels)))
    shown.prediction = shown.prediction or prediction
    answer = f"{name}: {best(prediction, 3)}"
    if not explain:
        return viz.Panel(answer, pictures, names, viz.view_captions(prediction))
    found = prediction.explain()
    margins = found.margins(prediction.label)
    rival = f" over {found.rival(prediction.label)}" * (len(labels) > 1)
    title = f"{answer}; bars: what each view adds to the lead of {prediction.label}{rival}"
    captions = [f"{text} ({margin:+.3f})" for text, margin in zip(viz.view_captions(prediction), margins, strict=True)]
    return viz.Panel(title, pictures, names, tuple(captions), tuple(margins.tolist()))


def _as_drawn(network: "PointCLIP", style: "Style") -> "PointCLIP":
    """The same model, drawing in another style."""
    from pointclip.model import PointCLIP

    if network.head is not None or network.style == style:
        return network
    own = (network.view_weights, None, network.drop_outliers, network.surface)
    return PointCLIP(network.clip, network.views, style, network.templates, *own)


def _pictures(shown: Shown, style: "Style", network: "PointCLIP | None", cloud: "PointCloud | None" = None) -> "Tensor":
    import torch

    from pointclip import images

    size = _PICTURE_SIZE if network is None else network.clip.image_size
    treated = (shown.surface, shown.drop_outliers)
    with torch.no_grad():
        drawn = images.render_shape(cloud or shown.cloud, style, shown.views.to("cpu"), size, *treated)
    return images.viewable(drawn[0])


def _add_occlusion(shown: Shown, network: "PointCLIP", labels: tuple[str, ...]) -> None:
    from pointclip import images, viz
    from pointclip.explain import occlusion, painted

    if shown.prediction is None:
        return
    label = shown.prediction.label
    with _console.waiting("dropping the shape's parts one by one"):
        shown.saliency = occlusion(network, shown.cloud, labels, label)
    pictures = _pictures(shown, images.style("color"), network, painted(shown.cloud, shown.saliency))
    largest = shown.saliency.abs().max().item()
    title = f"occlusion: red parts speak for {label}, blue against; full colour is {largest:.3f} of logit"
    shown.panels.append(viz.Panel(title, pictures, shown.views.names))


def best(prediction: "Prediction", count: int) -> str:
    """Word the best labels with their probabilities."""
    pairs = list(zip(prediction.labels, prediction.probs, strict=True))[:count]
    return ", ".join(f"{label} {prob:.2f}" for label, prob in pairs)

"""A page of HTML that holds everything: the cloud to turn with the mouse, the views, what each of them says."""

import base64
import html
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pointclip._base.files import refusals, whole
from pointclip.cameras import Views
from pointclip.points import PointCloud, normalize_unit_sphere
from pointclip.viz.panels import Panel

MAX_POINTS = 30_000
_TEMPLATE = Path(__file__).with_name("page.html")
_QUANTUM = 32_000


def page(
    cloud: PointCloud,
    views: Views,
    panels: Sequence[Panel],
    answer: Sequence[tuple[str, float]] = (),
    saliency: Tensor | None = None,
    note: str = "",
) -> str:
    """Make the page.

    Args:
        cloud: The shape; more than 30,000 points are thinned evenly.
        views: V cameras; a click on a picture turns the cloud to its camera.
        panels: Pictures of the V views, a panel for each style.
        answer: Labels and probabilities, best first.
        saliency: (N,) float colours of the points to switch to, see :func:`pointclip.explain.saliency_colors`.
        note: A line under the title.

    Returns:
        HTML that loads nothing: its own content policy forbids any request.
    """
    keep = torch.linspace(0, len(cloud) - 1, min(len(cloud), MAX_POINTS)).round().long()
    points = normalize_unit_sphere(cloud.points)[keep]
    data = {
        "points": _packed((points * _QUANTUM).round().numpy().astype("<i2")),
        "quantum": _QUANTUM,
        "paints": _paints(cloud, keep, saliency),
        "cameras": [rotation.flatten().tolist() for rotation in views.rotations.cpu()],
        "panels": [_as_data(panel) for panel in panels],
        "answer": [[label, prob] for label, prob in answer],
    }
    inside = json.dumps(data, allow_nan=False).replace("<", "\\u003c")
    filled = _TEMPLATE.read_text(encoding="utf-8").replace("{{title}}", html.escape(cloud.name or "shape"))
    return filled.replace("{{note}}", html.escape(note)).replace("{{data}}", inside)


def write_page(path: str | Path, *args: Any, **kwargs: Any) -> None:
    """Write what :func:`page` makes of the other arguments to a file.

    Raises:
        InputError: The file cannot be written.
    """
    text = page(*args, **kwargs)
    with whole(path) as draft, refusals(Path(path)):
        draft.write_text(text, encoding="utf-8")


def _paints(cloud: PointCloud, keep: Tensor, saliency: Tensor | None) -> list[list[str]]:
    """Name and pack the ways to colour the points."""
    from pointclip.explain import saliency_colors

    plain = torch.full((len(keep), 3), 0.72)
    if cloud.normals is not None:
        plain = 0.25 + 0.6 * (cloud.normals[keep] @ torch.tensor([0.3, 0.8, 0.52])).abs()[:, None].expand(-1, 3)
    choices = {"plain": plain}
    if cloud.colors is not None:
        choices["colours"] = cloud.colors[keep]
    if saliency is not None:
        choices["occlusion"] = saliency_colors(saliency)[keep]
    return [[name, _packed((rgb.clamp(0, 1) * 255).round().numpy().astype("u1"))] for name, rgb in choices.items()]


def _as_data(panel: Panel) -> dict[str, Any]:
    pictures = []
    for pixels in panel.pixels():
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
        pictures.append(base64.b64encode(buffer.getvalue()).decode("ascii"))
    fields = {"names": panel.names, "captions": panel.captions, "scores": panel.scores}
    return {"title": panel.title, "pictures": pictures, **fields}


def _packed(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")

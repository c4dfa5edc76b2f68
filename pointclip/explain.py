"""Why a shape was called what it was: what each view adds to a logit, and which points it hangs on."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from pointclip import images
from pointclip._base.checks import check_shape, nearest
from pointclip._base.files import refusals, whole
from pointclip.errors import InputError
from pointclip.points import PointCloud, far_outliers, farthest_point_subset, normalize_unit_sphere
from pointclip.prediction import Explanation as Explanation

if TYPE_CHECKING:
    from pointclip.model import PointCLIP

DEFAULT_PATCHES = 32
_PATCHES_AT_ONCE = 8
# Blue takes away from the label, grey does nothing, red speaks for it.
_AGAINST, _NEUTRAL, _FOR = ((0.13, 0.33, 0.75), (0.82, 0.82, 0.82), (0.80, 0.10, 0.12))


@torch.no_grad()
def occlusion(
    model: "PointCLIP",
    cloud: PointCloud,
    labels: list[str] | tuple[str, ...],
    label: str,
    patches: int = DEFAULT_PATCHES,
) -> Tensor:
    """Measure how much a label's lead hangs on each part of a shape: drop a patch of points, watch the lead.

    Args:
        model: The model.
        cloud: The shape.
        labels: The K classes that were asked for.
        label: The class to explain, one of them.
        patches: Number of patches: each point belongs to the nearest of as many points spread over the shape.

    Returns:
        (N,) float32: the label's logit less the best other logit, before the point's patch is dropped less after.
        Above 0, the patch speaks for the label. Far outliers, which are not drawn, are 0.

    Raises:
        InputError: The label is none of the labels, or there are fewer than 2 patches.

    Note:
        The picture keeps the whole shape's frame, so what remains neither moves nor grows. Dropped points become copies
        of kept ones, which changes no z-buffer. Costs ``patches`` more classifications.
    """
    if label not in labels:
        raise InputError(f"no class is named {label!r}: {nearest(label, labels)}")
    if patches < 2:
        raise InputError(f"patches must be at least 2, got {patches}")
    strays = far_outliers(cloud.points)
    if bool(strays.any()) and model.drop_outliers:
        found = torch.zeros(len(cloud))
        found[~strays] = occlusion(model, cloud.rows(~strays), labels, label, patches)
        return found
    text = model.encode_labels(labels) if model.head is None else model.head.text
    row = list(labels).index(label)
    patch = _patches(cloud.points, min(patches, len(cloud)))
    variants = [torch.arange(len(cloud))] + [_without(patch == number) for number in range(int(patch.max()) + 1)]
    leads = torch.cat([_leads(model, cloud, kept, text, row) for kept in _batches(variants)])
    return (leads[0] - leads[1:])[patch]


def _patches(points: Tensor, count: int) -> Tensor:
    """Number of the nearest of ``count`` spread points, (N,)."""
    centres = points[farthest_point_subset(points, count)]
    return torch.cat([torch.cdist(part, centres).argmin(1) for part in points.split(100_000)])


def _without(dropped: Tensor) -> Tensor:
    """Indices (N,) of points in which kept ones stand in for the dropped."""
    kept = (~dropped).nonzero()[:, 0]
    index = torch.arange(len(dropped))
    if len(kept):
        index[dropped] = kept[torch.arange(int(dropped.sum())) % len(kept)]
    return index


def _batches(variants: list[Tensor]) -> Iterator[Tensor]:
    for start in range(0, len(variants), _PATCHES_AT_ONCE):
        yield torch.stack(variants[start : start + _PATCHES_AT_ONCE])


def _leads(model: "PointCLIP", cloud: PointCloud, index: Tensor, text: Tensor, row: int) -> Tensor:
    """Lead (B,) of one class over the best other, of variants (B, N) of a cloud drawn in the whole cloud's frame."""
    normals = None if cloud.normals is None else cloud.normals[index].to(model.device)
    colors = None if cloud.colors is None else cloud.colors[index].to(model.device)
    style = model.style_for(normals)
    points = cloud.points.to(model.device)
    points = normalize_unit_sphere(points) if style.unit_sphere else points
    frame = points.expand(len(index), -1, -1)
    pictures = images.render(
        points[index.to(model.device)], model.views, style, model.clip.image_size, normals, colors, frame
    )
    features = model.clip.encode_images(pictures.flatten(0, 1), normalized=style.clip_normalized)
    features = features.unflatten(0, pictures.shape[:2])
    logits = model.logits(features, text).float().cpu()
    if logits.shape[1] == 1:
        return logits[:, 0]
    others = logits.clone()
    others[:, row] = -torch.inf
    return logits[:, row] - others.amax(1)


def saliency_colors(saliency: Tensor) -> Tensor:
    """Colour numbers: red above 0, grey at 0, blue below, full at the largest size.

    Args:
        saliency: (N,) float.

    Returns:
        (N, 3) float in [0, 1].

    Example:
        >>> saliency_colors(torch.tensor([0.0])).tolist() == [[0.8199999928474426] * 3]
        True
    """
    check_shape("saliency", saliency, "N")
    share = (saliency / saliency.abs().amax().clamp_min(1e-12))[:, None]
    against, neutral, in_favour = (saliency.new_tensor(rgb) for rgb in (_AGAINST, _NEUTRAL, _FOR))
    return neutral + share.clamp_min(0) * (in_favour - neutral) + (-share).clamp_min(0) * (against - neutral)


def write_saliency(path: str | Path, points: Tensor, saliency: Tensor) -> None:
    """Write a coloured cloud to a binary PLY file, with the numbers themselves as the property ``saliency``.

    Args:
        path: The file; one that exists is replaced.
        points: (N, 3) float.
        saliency: (N,) float.

    Raises:
        InputError: A shape does not fit, or the file cannot be written.
    """
    check_shape("points", points, "N 3")
    check_shape("saliency", saliency, f"{len(points)}")
    kinds: list[Any] = [(axis, "<f4") for axis in "xyz"]
    kinds += [(colour, "u1") for colour in ("red", "green", "blue")] + [("saliency", "<f4")]
    rows = np.empty(len(points), dtype=kinds)
    for column, axis in enumerate("xyz"):
        rows[axis] = points[:, column].cpu().numpy()
    painted = (saliency_colors(saliency) * 255).round().byte().cpu().numpy()
    for column, colour in enumerate(("red", "green", "blue")):
        rows[colour] = painted[:, column]
    rows["saliency"] = saliency.cpu().numpy()
    properties = "".join(f"property {'uchar' if kind == 'u1' else 'float'} {name}\n" for name, kind in kinds)
    header = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(rows)}\n{properties}end_header\n"
    with whole(path) as draft, refusals(Path(path)):
        draft.write_bytes(header.encode("ascii") + rows.tobytes())

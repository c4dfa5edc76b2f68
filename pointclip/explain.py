"""Why a shape was called what it was: what each view adds to a logit, and which points it hangs on."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from pointclip import images
from pointclip._base.checks import check_shape, nearest
from pointclip._base.files import refusals, whole
from pointclip.errors import InputError
from pointclip.meshes import Mesh
from pointclip.points import MeshCloud, PointCloud, far_outliers, farthest_point_subset, normalize_unit_sphere
from pointclip.prediction import Explanation as Explanation

if TYPE_CHECKING:
    from pointclip.model import PointCLIP

DEFAULT_PATCHES = 32
_PATCHES_AT_ONCE = 8
_FINE = 0.1  # longest edge of a face that is dropped or painted by itself, in shares of the shape
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
        The picture keeps the whole shape's frame, so what remains neither moves nor grows. Of a mesh that is drawn by
        its triangles, faces are dropped, large ones cut into small; dropped points become copies of kept ones, which
        changes no z-buffer. Costs ``patches`` more classifications.
    """
    if label not in labels:
        raise InputError(f"no class is named {label!r}: {nearest(label, labels)}")
    if patches < 2:
        raise InputError(f"patches must be at least 2, got {patches}")
    by_triangles = isinstance(cloud, MeshCloud) and model.surface != "points" and model.style_for(cloud).surfaces
    if not by_triangles and bool((strays := far_outliers(cloud.points)).any()) and model.drop_outliers:
        found = torch.zeros(len(cloud))
        found[~strays] = occlusion(model, cloud.rows(~strays), labels, label, patches)
        return found
    text = model.encode_labels(labels) if model.head is None else model.head.text
    style, row = model.style_for(cloud), list(labels).index(label)
    centres = cloud.points[farthest_point_subset(cloud.points, min(patches, len(cloud)))]
    variants = _meshes(model, cloud, style, centres) if by_triangles else _clouds(model, cloud, style, centres)
    leads = torch.cat([_leads(model, torch.cat(batch), style, text, row) for batch in _batches(variants)])
    return (leads[0] - leads[1:])[_nearest(cloud.points, centres)]


def _nearest(points: Tensor, centres: Tensor) -> Tensor:
    """Number of the nearest centre of each point, (N,)."""
    return torch.cat([torch.cdist(part, centres).argmin(1) for part in points.split(100_000)])


def _meshes(model: "PointCLIP", shape: PointCloud, style: images.Style, centres: Tensor) -> Iterator[Tensor]:
    """Yield pictures (1, V, 3, S, S) of a mesh: whole, then without the faces nearest to each of the centres."""
    assert isinstance(shape, MeshCloud) and isinstance(style, images.Framed)  # it is drawn by its triangles
    shape = shape.without_outliers() if model.drop_outliers else shape
    mesh = _fine(shape)
    patch = _nearest(torch.from_numpy(mesh.vertices[mesh.faces].mean(1)).to(centres), centres).numpy()
    placed = shape.with_mesh(mesh).normalized().mesh if style.unit_sphere else mesh
    for number in range(-1, len(centres)):
        kept = patch != number
        part = placed.with_faces(kept) if kept.any() else placed
        yield images.render_mesh(part, model.views, style, model.clip.image_size)


def _clouds(model: "PointCLIP", cloud: PointCloud, style: images.Style, centres: Tensor) -> Iterator[Tensor]:
    """Yield pictures (1, V, 3, S, S) of a cloud: whole, then without the points nearest to each of the centres."""
    points, normals, colors = (None if one is None else one.to(model.device) for one in cloud.batched())
    assert points is not None  # a cloud has them
    points = normalize_unit_sphere(points) if style.unit_sphere else points
    patch = _nearest(cloud.points, centres)
    for number in range(-1, len(centres)):
        index = _without(patch == number).to(model.device)
        kept_normals, kept_colors = (None if one is None else one[:, index] for one in (normals, colors))
        how = (model.views, style, model.clip.image_size)
        yield images.render(points[:, index], *how, kept_normals, kept_colors, points)


def _without(dropped: Tensor) -> Tensor:
    """Indices (N,) of points in which kept ones stand in for the dropped."""
    kept = (~dropped).nonzero()[:, 0]
    index = torch.arange(len(dropped))
    if len(kept):
        index[dropped] = kept[torch.arange(int(dropped.sum())) % len(kept)]
    return index


def _batches(pictures: Iterator[Tensor]) -> Iterator[list[Tensor]]:
    while batch := list(islice(pictures, _PATCHES_AT_ONCE)):
        yield batch


def _leads(model: "PointCLIP", pictures: Tensor, style: images.Style, text: Tensor, row: int) -> Tensor:
    """Lead (B,) of one class over the best other in pictures (B, V, 3, S, S)."""
    features = model.clip.encode_images(pictures.flatten(0, 1), normalized=style.clip_normalized)
    features = features.unflatten(0, pictures.shape[:2])
    logits = model.logits(features, text).float().cpu()
    if logits.shape[1] == 1:
        return logits[:, 0]
    others = logits.clone()
    others[:, row] = -torch.inf
    return logits[:, row] - others.amax(1)


def _fine(shape: MeshCloud) -> Mesh:
    """The mesh in faces small enough to be dropped and painted one by one."""
    extent = float(np.ptp(shape.mesh.vertices, axis=0).max())
    return shape.mesh.split(_FINE * extent)


def painted(shape: PointCloud, saliency: Tensor) -> PointCloud:
    """Colour a shape by what each of its points adds to an answer.

    Args:
        shape: The shape.
        saliency: (N,) float, of its points, from :func:`occlusion`.

    Returns:
        The shape in the colours of :func:`saliency_colors`; a mesh stays one, each corner in the colour of the sample
        nearest to it.
    """
    colors = saliency_colors(saliency)
    if not isinstance(shape, MeshCloud):
        return replace(shape, colors=colors)
    mesh = _fine(shape)
    nearest_sample = cKDTree(shape.points.numpy()).query(mesh.vertices)[1]
    known = colors.numpy()[nearest_sample][mesh.faces]
    plain = replace(mesh, corner_colors=known, corner_uv=None, face_texture=None, textures=(), face_opacity=None)
    return shape.with_mesh(plain)


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

"""Stray points far from a shape, which would otherwise decide its centre and its scale."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from pointclip.meshes import Mesh
from pointclip.points.frames import _check_points

# Most points that can be strays: one in so many. Clouds of fewer points than that have none.
ONE_IN = 100
# Strays begin where the next point is farther than this many times the farthest before it. Surface samples stay below
# 1.25 (287 furniture meshes, 2,048 samples); a stray at 3 times the radius of its shape lies above 2.
JUMP = 1.5


def far_outliers(points: torch.Tensor) -> torch.Tensor:
    """Find the few points that lie far outside of all others.

    With the points in order of their distance from the shape's middle, ``d_1 <= d_2 <= ... <= d_N``, strays are the
    points from the first one on with ``d_i > 1.5 d_(i-1)``, looked for among the last hundredth of the points only: an
    empty shell, half as thick as all within is wide, parts them from the rest. The middle is that of the bounding box
    once a hundredth of the points is cut off on each of its sides, so the strays do not move it.

    Args:
        points: (N, 3) or (B, N, 3) floating point, any unit.

    Returns:
        (N,) or (B, N) bool, True for a stray. Nothing is one in a cloud of fewer than 100 points, or where 98 % of the
        points are at one place.

    Raises:
        InputError: The shape or the dtype does not fit.

    Note:
        The order, the unit and the place of the points do not matter. Rows with NaN or infinite values do not count
        and are no strays. Costs some passes over N numbers and the sorting of N/100.

    Example:
        >>> cloud = torch.nn.functional.normalize(torch.randn(1000, 3), dim=1)
        >>> cloud[7] = torch.tensor([3.0, 0.0, 0.0])
        >>> far_outliers(cloud).nonzero().tolist()
        [[7]]
    """
    _check_points(points)
    cloud = points.detach()
    known = cloud.isfinite().all(-1)
    count = known.sum(-1, keepdim=True)
    spare, most = count // ONE_IN, cloud.shape[-2] // ONE_IN + 1
    axes = cloud.transpose(-1, -2)
    low = _ranked(torch.where(known[..., None, :], -axes, -torch.inf), most, spare[..., None, :])
    high = _ranked(torch.where(known[..., None, :], axes, -torch.inf), most, spare[..., None, :])
    half = (high / 2 + low / 2).amax(-1, keepdim=True)
    x, y, z = ((cloud - (high / 2 - low / 2)[..., None, :]) / half[..., None]).unbind(-1)
    distance = (x * x + y * y + z * z).sqrt()
    farthest = torch.where(known, distance, -torch.inf).topk(most).values
    rank = torch.arange(most, device=cloud.device)
    jumps = (rank < spare) & (farthest > JUMP * farthest.roll(-1, -1)) & (half > 0)
    limit = torch.where(jumps, farthest, torch.inf).amin(-1, keepdim=True)
    return known & jumps.any(-1, keepdim=True) & (distance >= limit)


def _ranked(values: torch.Tensor, most: int, rank: torch.Tensor) -> torch.Tensor:
    """Take of each axis (..., 3, N) the value that ``rank`` (..., 1, 1) others exceed, (..., 3)."""
    return values.topk(most).values.gather(-1, rank.expand(*values.shape[:-1], 1)).squeeze(-1)


def far_faces(mesh: Mesh) -> np.ndarray:
    """Find the few faces of a mesh that lie far outside of all others: what :func:`far_outliers` is for points.

    With the faces in order of the distance of their nearest corner from the shape's middle, strays are the faces from
    the first one on that is 1.5 times as far as the farthest corner of all before it, looked for among those that hold
    the last hundredth of the area only. The middle is that of the bounding box once a hundredth of the area is cut off
    on each of its sides.

    Args:
        mesh: The triangles.

    Returns:
        (F,) bool, True for a stray.

    Example:
        >>> import trimesh
        >>> ball, crumb = trimesh.creation.icosphere(), trimesh.creation.box((0.01, 0.01, 0.01))
        >>> vertices = np.concatenate([ball.vertices, crumb.vertices + 3.0])
        >>> strays = far_faces(Mesh(vertices, np.concatenate([ball.faces, crumb.faces + len(ball.vertices)])))
        >>> len(strays), int(strays.sum())
        (1292, 12)
    """
    corners = (mesh.vertices / mesh.size)[mesh.faces]
    area = mesh.unit_normals[1]
    middles, spare = corners.mean(axis=1), area.sum() / ONE_IN
    low, high = np.empty(3), np.empty(3)
    for axis, places in enumerate(middles.T):
        order = np.argsort(places)
        reach = np.cumsum(area[order])
        ends = np.searchsorted(reach, [spare, reach[-1] - spare]).clip(max=len(order) - 1)
        low[axis], high[axis] = places[order[ends]]
    distance = np.linalg.norm(corners - (low / 2 + high / 2), axis=2)
    near = distance.min(axis=1)
    order = np.argsort(near)
    beyond = np.cumsum(area[order][::-1])[::-1]
    before = np.maximum.accumulate(distance.max(axis=1)[order])[:-1]
    begins = np.flatnonzero((near[order][1:] > JUMP * before) & (beyond[1:] <= spare) & (before > 0))
    strays = np.zeros(len(order), dtype=bool)
    if len(begins):
        strays[order[begins[0] + 1 :]] = True
    return strays


def without_outliers(points: Tensor, *others: Tensor | None) -> Iterator[tuple[Tensor, ...]]:
    """Yield a batch without its far outliers: whole where it has none, else cloud by cloud.

    Args:
        points: (B, N, 3) float.
        *others: (B, N, ...) what belongs to the points, or None.

    Yields:
        Points and others of some clouds, in their order; the clouds then differ in N.

    Example:
        >>> [len(points) for points, in without_outliers(torch.rand(2, 100, 3))]
        [2]
    """
    strays = far_outliers(points)
    if not bool(strays.any()):
        yield points, *others  # type: ignore[misc,arg-type]
        return
    for row, kept in enumerate(~strays):
        yield tuple(None if one is None else one[row : row + 1, kept] for one in (points, *others))  # type: ignore[misc,arg-type]

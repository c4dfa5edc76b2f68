"""Farthest-point subsets: exact for usual clouds, in rounds for large ones."""

import numpy as np
import torch

from pointclip._base.checks import check_floating, check_shape
from pointclip.errors import InputError

EXACT_WORK = 400_000_000  # distances that the exact method may compute: about a second
CANDIDATES_PER_POINT = 4


def farthest_point_subset(points: torch.Tensor, num_points: int) -> torch.Tensor:
    """Choose points that cover a cloud evenly: each next one is the farthest from those chosen before.

    The first is the one farthest from the middle of the bounding box; among equals the lowest index wins.

    Args:
        points: (N, 3) floating point, finite.
        num_points: Number of points wanted, 1 to N.

    Returns:
        (num_points,) int64 indices into ``points``, in the order of choice.

    Raises:
        InputError: ``num_points`` is not in 1 to N.

    Note:
        Deterministic, without a random number. Exact while N x num_points is at most 400 million. Above that, the cloud
        is first thinned to one point per cell of a grid (about four cells per wanted point), and the farthest points
        are taken in rounds: all points of a round are farther than r from each other and from those of earlier rounds,
        and r shrinks by a quarter per round. Ten million points take seconds.

    Example:
        >>> line = torch.tensor([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [10, 0, 0]])
        >>> farthest_point_subset(line, 3).tolist()
        [0, 3, 2]
    """
    check_shape("points", points, "N 3")
    check_floating("points", points)
    if not 1 <= num_points <= len(points):
        raise InputError(f"num_points must be from 1 to the {len(points)} points of the cloud, got {num_points}")
    cloud = points.detach().cpu().double().numpy()
    cloud = cloud - (cloud.max(axis=0) + cloud.min(axis=0)) / 2
    if len(cloud) * num_points <= EXACT_WORK:
        chosen = _one_by_one(cloud, num_points)[0]
    else:
        kept = _one_per_cell(cloud, num_points)
        chosen = kept[_in_rounds(cloud[kept], num_points)]
    return torch.from_numpy(chosen)


def _one_by_one(cloud: np.ndarray, num_points: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the chosen indices and the distance of every point to the nearest chosen one."""
    size = np.abs(cloud).max() or 1.0
    axes = np.ascontiguousarray((cloud / size).T, dtype=np.float32)
    chosen = np.empty(num_points, dtype=np.int64)
    gap = np.full(len(cloud), np.inf, dtype=np.float32)
    square, step = np.empty_like(gap), np.empty_like(gap)
    newest = int(np.argmax(np.einsum("kn,kn->n", axes, axes)))
    for rank in range(num_points):
        chosen[rank] = newest
        np.subtract(axes[0], axes[0, newest], out=square)
        np.multiply(square, square, out=square)
        for axis in axes[1:]:
            np.subtract(axis, axis[newest], out=step)
            np.multiply(step, step, out=step)
            np.add(square, step, out=square)
        np.minimum(gap, square, out=gap)
        gap[newest] = -1.0  # chosen: not to be chosen again, even among identical points
        newest = int(np.argmax(gap))
    return chosen, np.sqrt(np.maximum(gap, 0.0).astype(np.float64)) * size


def _in_rounds(cloud: np.ndarray, num_points: int) -> np.ndarray:
    from scipy.spatial import cKDTree

    first = max(1, min(num_points, EXACT_WORK // (4 * len(cloud))))
    chosen, gap = _one_by_one(cloud, first)
    taken = np.zeros(len(cloud), dtype=bool)
    taken[chosen] = True
    while len(chosen) < num_points:
        radius = 0.75 * gap.max()
        far = np.flatnonzero((gap >= radius) & ~taken)
        far = far[np.argsort(-gap[far], kind="stable")]
        if radius > 0:
            far = far[_first_per_cell(cloud[far], radius / 2)]
            far = far[_apart(cloud[far], radius)]
        far = far[: num_points - len(chosen)]
        chosen = np.concatenate([chosen, far])
        taken[far] = True
        gap = np.minimum(gap, cKDTree(cloud[far]).query(cloud, distance_upper_bound=gap.max() * 1.001)[0])
    return chosen


def _apart(ranked: np.ndarray, radius: float) -> np.ndarray:
    """Keep the points that a walk in rank order would keep: those without a kept point of better rank within radius."""
    from scipy.spatial import cKDTree

    pairs = cKDTree(ranked).query_pairs(radius, output_type="ndarray")
    better, worse = pairs.min(axis=1), pairs.max(axis=1)
    kept = np.zeros(len(ranked), dtype=bool)
    dropped = np.zeros(len(ranked), dtype=bool)
    while not (kept | dropped).all():
        open_pair = ~dropped[better] & ~dropped[worse]
        better, worse = better[open_pair], worse[open_pair]
        blocked = np.zeros(len(ranked), dtype=bool)
        blocked[worse] = True
        kept |= ~blocked & ~dropped
        dropped[worse[kept[better]]] = True
    return kept


def _one_per_cell(cloud: np.ndarray, num_points: int) -> np.ndarray:
    """Return the lowest index of each occupied cell of a cubic grid with enough occupied cells, or all indices."""
    wanted = CANDIDATES_PER_POINT * num_points
    if len(cloud) <= 2 * wanted:
        return np.arange(len(cloud))
    probe = cloud[:: max(1, len(cloud) // (8 * wanted))]
    extent = float(np.ptp(cloud, axis=0).max()) or 1.0
    cells = max(2.0, wanted ** (1 / 3))
    while len(np.unique(_cell_keys(probe, extent / cells))) < wanted and cells < 1e6:
        cells *= 1.25
    kept = _first_per_cell(cloud, extent / cells)
    return kept if len(kept) >= 2 * num_points else np.arange(len(cloud))


def _first_per_cell(cloud: np.ndarray, cell: float) -> np.ndarray:
    """Return the lowest index in each occupied cell, ascending."""
    return np.sort(np.unique(_cell_keys(cloud, cell), return_index=True)[1])


def _cell_keys(cloud: np.ndarray, cell: float) -> np.ndarray:
    keys = np.zeros(len(cloud), dtype=np.int64)
    for axis in cloud.T:
        keys = (keys << 21) + ((axis - axis.min()) * (1 / cell)).astype(np.int64)
    return keys

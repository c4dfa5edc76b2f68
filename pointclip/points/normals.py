"""Normals of a cloud that has none, from a plane through each point's neighbours."""

import numpy as np
import torch

from pointclip.errors import InputError
from pointclip.points.frames import _check_points

_ROWS_AT_ONCE = 200_000


def estimate_normals(points: torch.Tensor, k: int = 16) -> torch.Tensor:
    """Fit a plane to the neighbours of each point and return its normal, turned away from the middle of the cloud.

    The sign is a guess: it is right for convex shapes and wrong in hollows, so shade with |n . light|.

    Args:
        points: (N, 3) or (B, N, 3) floating point, finite.
        k: Neighbours per plane, the point itself among them; at least 3. Smaller clouds use all their points.

    Returns:
        Unit normals, same shape, dtype and device as the points.

    Raises:
        InputError: The shape does not fit, a cloud has less than 3 points, or ``k`` is below 3.

    Note:
        No gradient: the normals are constants. The direction is that of the smallest spread, so on a line or among
        identical points it is arbitrary, of unit length all the same.

    Example:
        >>> grid = torch.cartesian_prod(torch.arange(9.0), torch.zeros(1), torch.arange(9.0))
        >>> estimate_normals(grid)[0].abs().tolist()
        [0.0, 1.0, 0.0]
    """
    _check_points(points)
    if k < 3 or points.shape[-2] < 3:
        raise InputError(f"a plane needs 3 points: got k={k} and clouds of {points.shape[-2]} points")
    clouds = points.detach().cpu().double().reshape(-1, *points.shape[-2:]).numpy()
    normals = np.stack([_plane_normals(cloud, min(k, len(cloud))) for cloud in clouds])
    return torch.from_numpy(normals).to(points).reshape(points.shape)


def _plane_normals(cloud: np.ndarray, k: int) -> np.ndarray:
    from scipy.spatial import cKDTree

    tree = cKDTree(cloud)
    outward = cloud - (cloud.max(axis=0) + cloud.min(axis=0)) / 2
    normals = np.empty_like(cloud)
    for start in range(0, len(cloud), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        around = cloud[tree.query(cloud[rows], k=k)[1]]
        around = around - around.mean(axis=1, keepdims=True)
        spread = np.einsum("nki,nkj->nij", around, around)
        normals[rows] = np.linalg.eigh(spread)[1][:, :, 0]
    inward = np.einsum("nk,nk->n", normals, outward) < 0
    normals[inward] *= -1.0
    return normals

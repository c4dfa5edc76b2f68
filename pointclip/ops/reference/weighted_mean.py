"""The weighted mean of depths per pixel in pure torch, forward and backward."""

import torch

from pointclip.ops.reference.memory import chunks
from pointclip.ops.reference.points import Located, locate


def weighted_mean(
    uvz: torch.Tensor, weights: torch.Tensor, height: int, width: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Average z over the points of a pixel with weights.

    Args:
        uvz: (B, V, N, 3) float32 or float64.
        weights: (B, V, N) of the same dtype, often an expanded view.
        height: Rows H of the image.
        width: Columns W of the image.

    Returns:
        The mean (B, V, H, W), 0 where the sum of the weights is 0; and that sum (B, V, H, W).
    """
    num_clouds, num_views, num_points, _ = uvz.shape
    rows = uvz.flatten(0, 1)
    mean, total = (uvz.new_zeros(rows.shape[0], height * width) for _ in range(2))
    for part in chunks(rows.shape[0], num_points):
        at, z, weight = _read(rows[:, part], weights[:, :, part], (height, width))
        total.scatter_add_(1, at.pixel, weight)
        mean.scatter_add_(1, at.pixel, weight * z)
    shape = (num_clouds, num_views, height, width)
    return average(mean, total).view(shape), total.view(shape)


def weighted_mean_backward(
    grad: torch.Tensor, uvz: torch.Tensor, weights: torch.Tensor, mean: torch.Tensor, total: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the gradients to uvz (B, V, N, 3) and to the weights (B, V, N)."""
    height, width = mean.shape[-2:]
    rows = uvz.flatten(0, 1)
    grad_uvz, grad_weights = torch.zeros_like(rows), uvz.new_zeros(rows.shape[:2])
    per_weight = (grad / divisor(total)).mul_(total != 0).flatten(2).flatten(0, 1)
    mean_flat = mean.flatten(2).flatten(0, 1)
    for part in chunks(rows.shape[0], rows.shape[1]):
        at, z, weight = _read(rows[:, part], weights[:, :, part], (height, width))
        share = per_weight.gather(1, at.pixel)
        grad_uvz[:, part, 2] = share * weight
        counts = at.valid & weights[:, :, part].flatten(0, 1).isfinite()
        grad_weights[:, part] = share.mul_(z - mean_flat.gather(1, at.pixel)).mul_(counts)
    return grad_uvz.view(uvz.shape), grad_weights.view(weights.shape)


def average(weighted: torch.Tensor, total: torch.Tensor) -> torch.Tensor:
    """Divide the weighted sums, in place, by the sums of the weights; 0 where those are 0."""
    return weighted.div_(total).nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0)


def divisor(total: torch.Tensor) -> torch.Tensor:
    """Return the sums to divide by: 1 in place of 0."""
    return total + (total == 0)


def _read(
    rows: torch.Tensor, weights: torch.Tensor, size: tuple[int, int]
) -> tuple[Located, torch.Tensor, torch.Tensor]:
    """Locate a chunk of points, with z and weight 0 where the point or its weight does not count."""
    at = locate(rows, size)
    weight = weights.reshape(rows.shape[:2])
    return at, rows[..., 2].where(at.valid, 0.0), weight.where(at.valid & weight.isfinite(), 0.0)

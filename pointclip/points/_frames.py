"""Where a cloud stands: centre, scale and up axis."""

import torch


def normalize_unit_sphere(points: torch.Tensor) -> torch.Tensor:
    """Centre points on their bounding box and scale the farthest to distance 1.

    Args:
        points: (..., N, 3) floating point.

    Returns:
        (..., N, 3): (p - c) / max|p - c|, with c the middle of the bounding box.
    """
    centre = (points.amax(dim=-2, keepdim=True) + points.amin(dim=-2, keepdim=True)) / 2
    centred = points - centre
    radius = torch.linalg.vector_norm(centred, dim=-1).amax(dim=-1)[..., None, None]
    return centred / radius.clamp_min(torch.finfo(points.dtype).tiny)

"""Tensors as the kernels read them: pictures of all clouds in one row, contiguous."""

import numpy as np
import torch


def pictures(tensor: torch.Tensor) -> np.ndarray:
    """Read (B, V, ...) as (B * V, ...) without copying what lies in order.

    Example:
        >>> pictures(torch.zeros(2, 3, 4, 3)).shape
        (6, 4, 3)
    """
    return tensor.detach().flatten(0, 1).contiguous().numpy()


def per_point(tensor: torch.Tensor) -> np.ndarray:
    """Read (B, V, N, ...) numbers of points as they are, or (B, 1, N, ...) where all views share one set.

    Example:
        >>> per_point(torch.zeros(2, 1, 4).expand(2, 3, 4)).shape
        (2, 1, 4)
    """
    shared = tensor.shape[1] > 0 and tensor.stride(1) == 0
    return (tensor[:, :1] if shared else tensor).detach().contiguous().numpy()

"""Per-point attributes read into an image."""

import torch
from torch.nn.functional import pad

from pointclip._base.checks import check_shape
from pointclip.errors import InputError


def gather(index: torch.Tensor, values: torch.Tensor, background: float = 0.0) -> torch.Tensor:
    """Read per-point values (normals, colours, labels) into an image, channels last.

    Args:
        index: (B, V, H, W) int64 point numbers as ``zbuffer`` returns them, -1 where no point fell.
        values: Per point and any dtype: (B, N, D), or (B, V, N, D) where each view has its own, or (B, N) for one
            number per point.
        background: What a pixel without a point shows.

    Returns:
        (B, V, H, W, D), or (B, V, H, W) for (B, N) values: ``values[b, index[b, v, r, c]]``, else ``background``.

    Raises:
        InputError: The shapes do not fit each other, or index does not hold int64.

    Note:
        Differentiable in ``values``: a pixel's gradient goes to its winner. An index of N or above is an error of
        torch's indexing, as everywhere in torch.

    Example:
        >>> index = torch.tensor([[[[1, -1]]]])
        >>> gather(index, torch.tensor([[[0.1, 0.2], [0.3, 0.4]]]))
        tensor([[[[[0.3000, 0.4000],
                   [0.0000, 0.0000]]]]])
        >>> gather(index, torch.tensor([[7, 8]]), background=-1)
        tensor([[[[ 8, -1]]]])
    """
    check_shape("index", index, "B V H W")
    if index.dtype != torch.int64:
        raise InputError(f"index must hold int64 point numbers, got {index.dtype}: pass the index of a ZBuffer")
    if values.ndim == 2:
        return gather(index, values.unsqueeze(-1), background).squeeze(-1)
    check_shape("values", values, "B V N D" if values.ndim == 4 else "B N D")
    num_clouds, num_views = index.shape[:2]
    num_groups = num_views if values.ndim == 4 else 1
    if values.shape[:-2] not in ((num_clouds,), (num_clouds, num_views)):
        raise InputError(
            f"values of shape {tuple(values.shape)} do not fit an index of {num_clouds} clouds and {num_views} views"
        )
    num_points, num_channels = values.shape[-2:]
    if num_points == 0:
        return values.new_full((*index.shape, num_channels), background)
    with_background = pad(values, (0, 0, 1, 0), value=background).reshape(-1, num_channels)
    first = torch.arange(1, num_clouds * num_groups * (num_points + 1), num_points + 1, device=index.device)
    flat = (index + first.view(num_clouds, num_groups, 1, 1)).flatten()
    rows = with_background.squeeze(1) if num_channels == 1 else with_background  # plain numbers are read faster
    return rows.index_select(0, flat).view(*index.shape, num_channels)

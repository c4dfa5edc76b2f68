"""Which patches of a picture see something: the others need not pass a transformer."""

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

_STEP = 8


def seen_patches(images: Tensor, patch: int) -> Tensor:
    """Find the patches that see more than background.

    The background of a picture is the most common value on its outermost pixels, channel by channel. A patch is blank
    when every pixel of it has exactly that value.

    Args:
        images: (B, channels, S, S), any dtype.
        patch: Side of a patch in pixels; S is a multiple of it, else what is left over is not looked at.

    Returns:
        (B, S // patch, S // patch) bool.

    Example:
        >>> image = torch.ones(1, 1, 6, 6)
        >>> image[..., 2, 3] = 0
        >>> seen_patches(image, 2).int().tolist()
        [[[0, 0, 0], [0, 1, 0], [0, 0, 0]]]
    """
    rim = torch.cat([images[..., 0, :], images[..., -1, :], images[..., 1:-1, 0], images[..., 1:-1, -1]], -1)
    background = rim.mode(-1).values[..., None, None]
    grid = images.shape[-1] // patch
    other = (images != background).any(1)[:, : grid * patch, : grid * patch]
    return other.unflatten(2, (grid, patch)).unflatten(1, (grid, patch)).any(4).any(2)


def kept_patches(images: Tensor, patch: int) -> list[Tensor]:
    """Choose the patches of each picture that enter a transformer.

    Kept are the patches that see something and one ring of patches around them, then, up to the next multiple of 8,
    the patches nearest to them: lengths fall into few sizes, and a picture's patches depend on that picture alone. A
    picture that is blank all over keeps every patch.

    Args:
        images: (B, channels, S, S), any dtype.
        patch: Side of a patch in pixels.

    Returns:
        For each picture the patches' places in the grid, row by row, ascending, (T,) int64.

    Example:
        >>> image = torch.ones(1, 1, 224, 224)
        >>> image[..., 100, 100] = 0
        >>> len(kept_patches(image, 16)[0])
        16
    """
    covered = seen_patches(images, patch)
    grid = covered.shape[-1]
    rings = torch.zeros(covered.shape, dtype=torch.int64, device=images.device)
    for _ in range(grid):
        rings += ~covered
        covered = max_pool2d(covered[:, None].float(), 3, 1, 1)[:, 0] > 0
    rings = rings.flatten(1)
    near = (rings <= 1).sum(1)
    counts = ((near + _STEP - 1) // _STEP * _STEP).clamp(max=grid * grid)
    counts = torch.where(near == 0, grid * grid, counts)
    order = rings.argsort(dim=1, stable=True)
    return [row[:count].sort().values for row, count in zip(order, counts.tolist(), strict=True)]


def batches_by_length(kept: list[Tensor], most_tokens: int) -> list[tuple[Tensor, Tensor]]:
    """Put pictures that keep equally many patches together.

    Args:
        kept: What :func:`kept_patches` gave for B pictures.
        most_tokens: Patches of a batch, all its pictures together; a single picture may have more.

    Returns:
        Batches: the pictures' places (b,) int64, and their patches (b, T) int64.

    Example:
        >>> batches = batches_by_length([torch.arange(8), torch.arange(16), torch.arange(8)], 100)
        >>> [places.tolist() for places, _ in batches]
        [[0, 2], [1]]
    """
    found = []
    for length in sorted({len(row) for row in kept}):
        places = [place for place, row in enumerate(kept) if len(row) == length]
        pieces = -(-len(places) * length // most_tokens)
        for piece in torch.tensor(places).tensor_split(min(pieces, len(places))):
            found.append((piece, torch.stack([kept[place] for place in piece.tolist()])))
    return found

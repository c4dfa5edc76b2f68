"""What the three references share: which points count, their pixel, the pixels their disc covers."""

from collections.abc import Iterator
from typing import NamedTuple

import torch

from pointclip.ops.footprint import offsets, squared_radius

_INFINITE = 0x7F800000


class Located(NamedTuple):
    """Where a chunk of points falls, each (R, N).

    Attributes:
        valid: bool, the point counts: inside the frame, finite, z > 0 as float32.
        row: int64 pixel row, clamped into the image where not valid.
        col: int64 pixel column, clamped likewise.
        pixel: int64 ``row * W + col``.
        bits: int32, the bits of z as float32.
    """

    valid: torch.Tensor
    row: torch.Tensor
    col: torch.Tensor
    pixel: torch.Tensor
    bits: torch.Tensor


class Neighbour(NamedTuple):
    """One step of the footprint, seen from all points of a chunk, each (R, N).

    Attributes:
        covers: bool, the point covers the pixel at this step from its own.
        pixel: int64 that pixel; some address inside the image where ``covers`` is false.
        du: u minus that pixel's centre.
        dv: v minus that pixel's centre.
    """

    covers: torch.Tensor
    pixel: torch.Tensor
    du: torch.Tensor
    dv: torch.Tensor


def locate(rows: torch.Tensor, size: tuple[int, int]) -> Located:
    """Say which points of (R, N, 3) count, and their pixel."""
    u, v, z = rows.unbind(-1)
    bits = z.to(torch.float32).contiguous().view(torch.int32)
    valid = (bits > 0) & (bits < _INFINITE)
    valid &= (u >= 0) & (u < size[1]) & (v >= 0) & (v < size[0])
    row = v.to(torch.int64).clamp_(0, size[0] - 1)
    col = u.to(torch.int64).clamp_(0, size[1] - 1)
    return Located(valid, row, col, row * size[1] + col, bits)


def neighbours(rows: torch.Tensor, at: Located, size: tuple[int, int], radius: float) -> Iterator[Neighbour]:
    """Walk over the footprint: a point's own pixel, and those whose centre may lie within ``radius`` of it.

    Distances are compared as ``du * du + dv * dv <= float32(radius**2)``, each step rounded, nothing fused.
    """
    height, width = size
    for i, j in offsets(radius):
        du, dv = centred(rows[..., 0]) - j, centred(rows[..., 1]) - i
        row, col = at.row + i, at.col + j
        covers = at.valid & (row >= 0) & (row < height) & (col >= 0) & (col < width)
        if i or j:
            covers &= dv.square() + du.square() <= squared_radius(radius)
        yield Neighbour(covers, (row * width + col).where(covers, 0), du, dv)


def centred(coordinate: torch.Tensor) -> torch.Tensor:
    """Return where in its pixel a coordinate lies, from the pixel's centre: -0.5 <= x < 0.5."""
    return (coordinate - coordinate.floor()).sub_(0.5)

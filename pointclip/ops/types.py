"""What the ops return."""

from typing import NamedTuple

import torch


class ZBuffer(NamedTuple):
    """The nearest point of every pixel.

    Attributes:
        index: (B, V, H, W) int64, the winning point in ``0..N-1``, or -1 where no point fell.
        depth: (B, V, H, W) floating, the z of the winner, 0 where ``index`` is -1. ``index`` is what tells an empty
            pixel: ask ``index >= 0``.
    """

    index: torch.Tensor  # type: ignore[assignment]  # tuple has a method of this name
    depth: torch.Tensor


class Splat(NamedTuple):
    """The soft averages of every pixel.

    Attributes:
        depth: (B, V, H, W) floating, the soft average of z, 0 where no footprint reaches.
        coverage: (B, V, H, W) floating in [0, 1), how much of the pixel is covered.
        values: (B, V, H, W, D) floating, the soft average of the values, 0 where no footprint reaches; None where no
            values were given.
    """

    depth: torch.Tensor
    coverage: torch.Tensor
    values: torch.Tensor | None


class Triangles(NamedTuple):
    """The nearest triangle of every pixel.

    Attributes:
        face: (B, V, H, W) int64, the winning triangle in ``0..F-1`` of its own mesh, or -1 where none is.
        depth: (B, V, H, W) floating, z of the surface at the pixel's centre, 0 where ``face`` is -1.
        barycentric: (B, V, H, W, 3) floating in [0, 1], how much of each corner of the triangle there is at the
            pixel's centre; adds up to 1, or 0 where ``face`` is -1.
    """

    face: torch.Tensor
    depth: torch.Tensor
    barycentric: torch.Tensor

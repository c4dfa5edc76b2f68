"""Small shapes with known samples, for tests that look at pictures."""

import torch
from torch import Tensor


def box(num_points: int, sides: tuple[float, float, float] = (1.0, 1.0, 1.0), seed: int = 0) -> tuple[Tensor, Tensor]:
    """Sample a box's surface by area: points (N, 3) and outward normals (N, 3)."""
    generator = torch.Generator().manual_seed(seed)
    x, y, z = sides
    areas = torch.tensor([y * z, y * z, x * z, x * z, x * y, x * y])
    face = torch.multinomial(areas, num_points, replacement=True, generator=generator)
    points = torch.rand(num_points, 3, generator=generator) - 0.5
    axis, sign = face // 2, (face % 2) * 2.0 - 1
    points[torch.arange(num_points), axis] = sign / 2
    normals = torch.zeros(num_points, 3)
    normals[torch.arange(num_points), axis] = sign
    return points * torch.tensor(sides), normals


def letter_f(num_points: int = 6000, seed: int = 0) -> Tensor:
    """Sample a flat letter F in the x-y plane, facing +z: it reads wrong in a mirror."""
    generator = torch.Generator().manual_seed(seed)
    bars = torch.tensor([[-0.4, -0.2, -0.6, 0.6], [-0.2, 0.5, 0.4, 0.6], [-0.2, 0.3, -0.1, 0.1]])
    areas = (bars[:, 1] - bars[:, 0]) * (bars[:, 3] - bars[:, 2])
    which = bars[torch.multinomial(areas, num_points, replacement=True, generator=generator)]
    share = torch.rand(num_points, 2, generator=generator)
    x = which[:, 0] + share[:, 0] * (which[:, 1] - which[:, 0])
    y = which[:, 2] + share[:, 1] * (which[:, 3] - which[:, 2])
    return torch.stack([x, y, torch.zeros_like(x)], dim=1)

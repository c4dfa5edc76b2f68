"""The gradients of the splat are useful: a camera and a point find their way to a target image."""

import pytest
import torch
from support.ops import INTERPRETED

from pointclip import ops

pytestmark = pytest.mark.skipif(INTERPRETED, reason="hundreds of steps are for a compiled backend")
SIZE = (32, 32)


def bunny_of_blobs() -> torch.Tensor:
    """Return a cloud (1, 150, 3) without symmetry."""
    generator = torch.Generator().manual_seed(2)
    centres = torch.tensor([[0.5, 0.1, 0.0], [-0.3, 0.5, 0.2], [-0.2, -0.5, -0.4]])
    return (centres.repeat(50, 1) + 0.12 * torch.randn(150, 3, generator=generator)).unsqueeze(0)


def see(points: torch.Tensor, yaw_rad: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """Project points by a turned, shifted perspective camera at distance 2.5 to uvz (1, 1, N, 3)."""
    cos, sin = torch.cos(yaw_rad), torch.sin(yaw_rad)
    x = cos * points[..., 0] + sin * points[..., 2] + shift[0]
    y = points[..., 1] + shift[1]
    z = 2.5 - (cos * points[..., 2] - sin * points[..., 0])
    return torch.stack((16 + 32 * x / z, 16 - 32 * y / z, z), -1).unsqueeze(1)


def picture(uvz: torch.Tensor) -> torch.Tensor:
    """Compose coverage and depth over a far background."""
    soft = ops.splat(uvz, SIZE, sigma=1.5, tau=0.1)
    return torch.stack((soft.coverage, soft.coverage * soft.depth + (1 - soft.coverage) * 3.5))


def test_a_camera_turns_and_shifts_to_the_target():
    points = bunny_of_blobs()
    goal = torch.tensor(0.4), torch.tensor([0.10, -0.05])
    target = picture(see(points, *goal))
    yaw_rad, shift = torch.tensor(0.0, requires_grad=True), torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.Adam([yaw_rad, shift], lr=0.02)
    losses = []
    for _ in range(120):
        optimizer.zero_grad()
        loss = (picture(see(points, yaw_rad, shift)) - target).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert abs(yaw_rad.item() - 0.4) < 0.02
    assert (shift - goal[1]).abs().max() < 0.01
    assert losses[-1] < losses[0] / 100


def test_a_point_moves_to_the_target_in_all_three_axes():
    goal = torch.tensor([[[[20.3, 12.6, 1.8]]]])
    target = picture(goal)
    uvz = torch.tensor([[[[17.0, 15.0, 2.2]]]], requires_grad=True)
    optimizer = torch.optim.Adam([uvz], lr=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        (picture(uvz) - target).square().sum().backward()
        optimizer.step()
    assert (uvz - goal).abs().max() < 0.05


def test_a_value_is_learnt_from_the_image():
    uvz = torch.tensor([[[[4.5, 4.5, 1.0], [9.5, 9.5, 1.0]]]])
    colours = torch.zeros(1, 2, 3, requires_grad=True)
    target = torch.tensor([[[1.0, 0.0, 0.5], [0.0, 1.0, 0.25]]])
    wanted = ops.splat(uvz, (14, 14), target).values
    optimizer = torch.optim.Adam([colours], lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        (ops.splat(uvz, (14, 14), colours).values - wanted).square().sum().backward()
        optimizer.step()
    assert (colours - target).abs().max() < 0.02

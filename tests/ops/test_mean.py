"""The weighted mean on every backend: drawn grid, a dense twin for values and gradients, weights that do not count."""

import pytest
import torch
from support.ops import assert_close, clustered_points, counts, drawn, on_each_target, random_points

from pointclip import ops


def dense(uvz: torch.Tensor, weights: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Write the sums out over all points and pixels, in float64."""
    valid = counts(uvz, size) & weights.isfinite()
    clean = torch.where(valid.unsqueeze(-1), uvz.double(), 0.0)
    weights = torch.where(valid, weights.double(), 0.0)
    pixel = (clean[..., 1].floor() * size[1] + clean[..., 0].floor()).long()
    member = torch.nn.functional.one_hot(pixel, size[0] * size[1]).double() * weights.unsqueeze(-1)
    total = member.sum(2)
    mean = (member * clean[..., 2:]).sum(2) / torch.where(total == 0, 1.0, total)
    return torch.where(total == 0, 0.0, mean).view(*uvz.shape[:2], *size)


@on_each_target
def test_drawn_grid(backend, device):
    uvz = drawn().to(device)
    mean = ops.weighted_mean(uvz, torch.ones_like(uvz[..., 2]), (5, 5), backend=backend).cpu()[0, 0]
    expected = torch.zeros(5, 5)
    expected[0, 0], expected[0, 4], expected[4, 4] = 1.0, 1e-40, 1.0
    expected[1, 1], expected[1, 3], expected[3, 2] = 1.75, 3.0, 2.5
    torch.testing.assert_close(mean, expected)


@on_each_target
def test_weights_one_over_z_give_the_harmonic_mean(backend, device):
    uvz = torch.tensor([[[[0.5, 0.5, 1.0], [0.2, 0.9, 2.0], [0.7, 0.1, 4.0], [1.5, 0.5, 3.0]]]], device=device)
    mean = ops.weighted_mean(uvz, 1 / uvz[..., 2], (1, 3), backend=backend)
    assert_close(mean, torch.tensor([[[[3 / 1.75, 3.0, 0.0]]]]), "weighted_mean", "forward")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("per_view", [False, True])
@on_each_target
def test_equals_the_dense_sums_with_gradients(backend, device, per_view, dtype):
    uvz = random_points(dtype=dtype)
    weights = torch.rand((2, 3, 120) if per_view else (2, 120), dtype=dtype) + 0.1
    weights[1, ..., 9] = torch.nan
    grad = torch.randn(2, 3, 12, 17, dtype=dtype)
    leaves = [tensor.clone().to(device).requires_grad_() for tensor in (uvz, weights)]
    mean = ops.weighted_mean(*leaves, (12, 17), backend=backend)
    mean.backward(grad.to(device))
    twins = [tensor.clone().requires_grad_() for tensor in (uvz, weights)]
    expected = dense(twins[0], twins[1] if per_view else twins[1].unsqueeze(1).expand(2, 3, 120), (12, 17))
    expected.backward(grad.double())
    assert_close(mean, expected, "weighted_mean", "forward")
    assert_close(leaves[0].grad, twins[0].grad.nan_to_num(), "weighted_mean", "backward")
    assert_close(leaves[1].grad, twins[1].grad.nan_to_num(), "weighted_mean", "backward")


@on_each_target
def test_many_points_in_one_pixel(backend, device):
    uvz = clustered_points(5_000).to(device)
    mean = ops.weighted_mean(uvz, torch.ones_like(uvz[..., 2]), (5, 10), backend=backend)
    for col in range(10):
        here = uvz[0, 0, uvz[0, 0, :, 0].floor() == col, 2]
        torch.testing.assert_close(mean[0, 0, 2, col], here.double().mean().float(), rtol=1e-4, atol=0)


@on_each_target
def test_weights_that_add_up_to_nothing_give_nothing(backend, device):
    uvz = torch.tensor([[[[0.5, 0.5, 1.0], [0.5, 0.5, 2.0]]]], device=device, requires_grad=True)
    weights = torch.tensor([[2.0, -2.0]], device=device, requires_grad=True)
    mean = ops.weighted_mean(uvz, weights, (1, 1), backend=backend)
    mean.sum().backward()
    assert mean.item() == 0
    assert (uvz.grad == 0).all()
    assert (weights.grad == 0).all()


@pytest.mark.parametrize("shape", [(0, 2, 5), (2, 0, 5), (2, 2, 0)])
@on_each_target
def test_nothing_in_gives_zeros(backend, device, shape):
    uvz = torch.zeros(*shape, 3, device=device, requires_grad=True)
    mean = ops.weighted_mean(uvz, torch.zeros(shape, device=device), (4, 5), backend=backend)
    assert mean.shape == (*shape[:2], 4, 5)
    assert (mean == 0).all()
    mean.sum().backward()
    assert uvz.grad.shape == uvz.shape

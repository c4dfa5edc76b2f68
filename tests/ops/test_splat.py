"""The soft splat on every backend: a drawn footprint, a dense twin for values and gradients, dropped points."""

import math

import numpy as np
import pytest
import torch
from support.ops import DRAWN_POINTS, assert_close, counts, drawn, on_each_target, random_points

from pointclip import ops

RIM = math.exp(-4.5)


def dense(uvz, values, size, sigma, tau):
    """Write the formulas out over all points and pixels, in float64; z_front takes part in the graph here.

    sigma and the rim are held in float32, as the contract says.
    """
    scale, rim = float(np.float32(-0.5 / sigma**2)), float(np.float32(RIM))
    valid = counts(uvz, size)
    clean = torch.where(valid.unsqueeze(-1), uvz.double(), 1.0)
    values = torch.where(valid.unsqueeze(-1), values.double(), 0.0)
    row, col = torch.meshgrid(*(torch.arange(side) + 0.5 for side in size), indexing="ij")
    square = (clean[..., 0, None] - col.flatten()) ** 2 + (clean[..., 1, None] - row.flatten()) ** 2
    covers = valid.unsqueeze(-1) & (square <= (3 * sigma) ** 2)
    g = torch.where(covers, torch.exp(square * scale), 0.0)
    z = clean[..., 2, None]
    front = torch.where(covers, z, torch.inf).amin(2, keepdim=True)
    w = g * torch.exp(torch.where(covers, -(z - front) / tau, 0.0))
    total = w.sum(2)
    some = torch.where(total > 0, total, 1.0)
    depth = (w * z).sum(2) / some
    averages = torch.einsum("bvnp,bvnd->bvpd", w, values) / some.unsqueeze(-1)
    coverage = 1 - torch.exp(-torch.where(covers, (g - rim) / (1 - rim), 0.0).sum(2))
    shape = (*uvz.shape[:2], *size)
    return depth.view(shape), coverage.view(shape), averages.view(*shape, -1)


@on_each_target
def test_drawn_footprint(backend, device):
    uvz = torch.tensor([[[[2.5, 2.5, 2.0]]]], device=device)
    values = torch.tensor([[[7.0, -1.0]]], device=device)
    depth, coverage, averages = ops.splat(uvz, (5, 5), values, sigma=0.5, backend=backend)
    drawn_rows = [". . . . .", ". # # # .", ". # # # .", ". # # # .", ". . . . ."]  # 3 sigma = 1.5 pixels
    expected = torch.tensor([[cell == "#" for cell in row.split()] for row in drawn_rows])
    assert torch.equal((depth != 0).cpu()[0, 0], expected)
    assert torch.equal(depth.cpu()[0, 0], 2.0 * expected)
    assert torch.equal(averages.cpu()[0, 0, ..., 0], 7.0 * expected)
    assert torch.equal(averages.cpu()[0, 0, ..., 1], -1.0 * expected)
    for (row, col), square in {(2, 2): 0, (2, 3): 1, (1, 1): 2}.items():
        h = (math.exp(-square / 0.5) - RIM) / (1 - RIM)
        assert coverage[0, 0, row, col].item() == pytest.approx(1 - math.exp(-h), rel=1e-5)


@on_each_target
def test_points_that_do_not_count_leave_no_trace(backend, device):
    uvz = drawn().to(device).requires_grad_()
    kept = [0, 1, 6, 7, 8, 9, 17, 18, 19]
    dropped = [number for number in range(len(DRAWN_POINTS)) if number not in kept]
    values = torch.arange(1.0, len(DRAWN_POINTS) + 1, device=device).view(1, -1, 1)
    values[0, dropped] = torch.nan
    values.requires_grad_()
    soft = ops.splat(uvz, (5, 5), values, sigma=0.7, backend=backend)
    expected = ops.splat(drawn()[:, :, kept].to(device), (5, 5), values[:, kept], sigma=0.7, backend=backend)
    for got, wanted in zip(soft, expected, strict=True):
        assert_close(got, wanted, "splat", "forward")
    sum(image.sum() for image in soft).backward()
    assert (uvz.grad[0, 0, dropped] == 0).all()
    assert (values.grad[0, dropped] == 0).all()
    assert uvz.grad.isfinite().all()
    assert (uvz.grad[0, 0, kept] != 0).any(-1).all()


@on_each_target
def test_a_point_behind_fades_by_e_per_tau(backend, device):
    uvz = torch.tensor([[[[0.5, 0.5, 1.0], [0.5, 0.5, 1.3]]]], device=device)
    values = torch.tensor([[[1.0], [0.0]]], device=device)
    soft = ops.splat(uvz, (1, 1), values, tau=0.1, backend=backend)
    assert soft.values.item() == pytest.approx(1 / (1 + math.exp(-3)), rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("sigma", "channels", "per_view"), [(0.4, 0, False), (0.8, 3, False), (1.0, 1, True)])
@on_each_target
def test_equals_the_dense_formula_with_gradients(backend, device, sigma, channels, per_view, dtype):
    torch.manual_seed(1)
    uvz, size = random_points((2, 2, 60), (9, 11), dtype), (9, 11)
    values = torch.randn(2, *([2] if per_view else []), 60, channels, dtype=dtype)
    grads = [torch.randn(2, 2, 9, 11, dtype=dtype) for _ in range(2)] + [
        torch.randn(2, 2, 9, 11, channels, dtype=dtype)
    ]
    tau = 0.125  # a number float32 holds exactly
    leaves = [tensor.clone().to(device).requires_grad_() for tensor in (uvz, values)]
    soft = ops.splat(leaves[0], size, leaves[1], sigma, tau, backend=backend)
    torch.autograd.backward(list(soft), [grad.to(device) for grad in grads])
    twins = [tensor.clone().requires_grad_() for tensor in (uvz, values)]
    full = twins[1] if per_view else twins[1].unsqueeze(1).expand(2, 2, 60, channels)
    expected = dense(twins[0], full, size, sigma, tau)
    torch.autograd.backward(list(expected), [grad.double() for grad in grads])
    for got, wanted in zip(soft, expected, strict=True):
        assert_close(got, wanted, "splat", "forward")
    for leaf, twin in zip(leaves, twins, strict=True):
        assert_close(leaf.grad, twin.grad.nan_to_num(), "splat", "backward")


@on_each_target
def test_permuting_the_points_changes_nothing(backend, device):
    uvz, values = random_points((1, 1, 90)).to(device), torch.rand(1, 90, 2, device=device)
    order = torch.randperm(90, generator=torch.Generator().manual_seed(0)).to(device)
    expected = ops.splat(uvz, (12, 17), values, sigma=0.6, backend=backend)
    got = ops.splat(uvz[:, :, order], (12, 17), values[:, order], sigma=0.6, backend=backend)
    for one, other in zip(got, expected, strict=True):
        assert_close(one, other, "splat", "forward")


@pytest.mark.parametrize("shape", [(0, 2, 5), (2, 0, 5), (2, 2, 0)])
@on_each_target
def test_nothing_in_gives_zeros(backend, device, shape):
    uvz = torch.zeros(*shape, 3, device=device, requires_grad=True)
    soft = ops.splat(uvz, (4, 5), torch.zeros(shape[0], shape[2], 2, device=device), backend=backend)
    assert soft.values.shape == (*shape[:2], 4, 5, 2)
    assert all((image == 0).all() for image in soft)
    soft.depth.sum().backward()
    assert uvz.grad.shape == uvz.shape


def test_without_values_there_are_none():
    assert ops.splat(random_points(), (12, 17)).values is None

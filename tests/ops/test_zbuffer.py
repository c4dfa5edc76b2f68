"""The z-buffer on every backend: drawn grids, a naive twin, order, dtypes, gradient."""

import pytest
import torch
from support.ops import (
    DRAWN_INDEX,
    clustered_points,
    counts,
    drawn,
    on_each_target,
    random_points,
    read_drawing,
)

from pointclip import ops
from pointclip.ops.reference import zbuffer as _reference_zbuffer


def naive(uvz: torch.Tensor, size: tuple[int, int], radius: float) -> torch.Tensor:
    """Walk over clouds, views and pixels one by one; ties fall to the first minimum."""
    index = torch.full((*uvz.shape[:2], *size), -1)
    valid = counts(uvz, size)
    for b, v, row, col in torch.cartesian_prod(*(torch.arange(n) for n in index.shape)).tolist():
        point_u, point_v, z = uvz[b, v].double().unbind(-1)
        own = (point_u.floor() == col) & (point_v.floor() == row)
        near = (point_u - col - 0.5) ** 2 + (point_v - row - 0.5) ** 2 <= radius**2
        covers = valid[b, v] & (own | near if radius > 0 else own)
        if covers.any():
            index[b, v, row, col] = torch.where(covers, z, torch.inf).argmin()
    return index


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("radius", DRAWN_INDEX)
@on_each_target
def test_drawn_grid(backend, device, radius, dtype):
    index, depth = ops.zbuffer(drawn(dtype).to(device), (5, 5), radius, backend=backend)
    expected = read_drawing(DRAWN_INDEX[radius])
    assert torch.equal(index.cpu(), expected)
    z = drawn(dtype)[0, 0, :, 2]
    assert torch.equal(depth.cpu(), torch.where(expected >= 0, z[expected], 0.0))


@pytest.mark.parametrize("radius", [0.0, 0.3, 0.8, 1.5, 2.25])
@on_each_target
def test_equals_the_naive_loop(backend, device, radius):
    uvz = random_points((2, 2, 60), (7, 9))
    assert torch.equal(
        ops.zbuffer(uvz.to(device), (7, 9), radius, backend=backend).index.cpu(), naive(uvz, (7, 9), radius)
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("radius", [0.0, 1.5])
@on_each_target
def test_bits_equal_the_reference_three_times(backend, device, radius, dtype):
    uvz = random_points(dtype=dtype)
    index, depth = _reference_zbuffer.zbuffer(uvz, 12, 17, radius)
    for _ in range(3):
        zbuf = ops.zbuffer(uvz.to(device), (12, 17), radius, backend=backend)
        assert torch.equal(zbuf.index.cpu(), index)
        assert zbuf.depth.dtype == dtype
        assert zbuf.depth.cpu().numpy().tobytes() == depth.numpy().tobytes()  # -0 is not 0 here


@on_each_target
def test_a_hundred_thousand_points_in_ten_pixels(backend, device):
    uvz = clustered_points(100_000)
    zbuf = ops.zbuffer(uvz.to(device), (5, 10), backend=backend)
    for col in range(10):
        here = (uvz[0, 0, :, 0].floor() == col).nonzero().flatten()
        z = uvz[0, 0, here, 2]
        first = here[(z == z.min()).nonzero()[0, 0]]
        assert zbuf.index[0, 0, 2, col].item() == first
    assert (zbuf.index >= 0).sum() == 10


@on_each_target
def test_strides_do_not_matter(backend, device):
    uvz = random_points().to(device)
    planar = uvz.permute(3, 0, 1, 2).contiguous().permute(1, 2, 3, 0)
    every_second = torch.stack((uvz, -uvz), 2).flatten(1, 2)[:, ::2]
    expected = ops.zbuffer(uvz, (12, 17), 1.0, backend=backend)
    for view in (planar, every_second):
        assert not view.is_contiguous()
        got = ops.zbuffer(view, (12, 17), 1.0, backend=backend)
        assert torch.equal(got.index, expected.index)
        assert torch.equal(got.depth, expected.depth)


@on_each_target
def test_permuting_the_points_changes_nothing(backend, device):
    uvz = random_points().to(device)
    order = torch.randperm(uvz.shape[2], generator=torch.Generator().manual_seed(0)).to(device)
    expected = ops.zbuffer(uvz, (12, 17), 1.5, backend=backend)
    got = ops.zbuffer(uvz[:, :, order], (12, 17), 1.5, backend=backend)
    assert torch.equal(got.depth, expected.depth)
    assert torch.equal(torch.where(got.index >= 0, order[got.index], -1), expected.index)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@on_each_target
def test_half_precision_is_read_as_float32(backend, device, dtype):
    uvz = random_points().to(dtype).to(device)
    half, full = (ops.zbuffer(points, (12, 17), backend=backend) for points in (uvz, uvz.float()))
    assert half.depth.dtype == torch.float32
    assert torch.equal(half.index, full.index)


@pytest.mark.parametrize("shape", [(0, 2, 5), (2, 0, 5), (2, 2, 0)])
@on_each_target
def test_nothing_in_gives_empty_pixels(backend, device, shape):
    uvz = torch.zeros(*shape, 3, device=device, requires_grad=True)
    index, depth = ops.zbuffer(uvz, (4, 5), 1.0, backend=backend)
    assert index.shape == depth.shape == (*shape[:2], 4, 5)
    assert (index == -1).all()
    assert (depth == 0).all()
    depth.sum().backward()
    assert uvz.grad.shape == uvz.shape


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1)])
@on_each_target
def test_thin_images(backend, device, size):
    uvz = random_points((1, 1, 40), size)
    index = ops.zbuffer(uvz.to(device), size, 1.5, backend=backend).index
    assert torch.equal(index.cpu(), naive(uvz, size, 1.5))


@on_each_target
def test_the_gradient_goes_to_the_winners_once_per_pixel(backend, device):
    uvz = drawn().to(device).requires_grad_()
    zbuf = ops.zbuffer(uvz, (5, 5), 1.0, backend=backend)
    weights = torch.arange(1.0, 26.0, device=device).view(1, 1, 5, 5)
    (zbuf.depth * weights).sum().backward()
    expected = torch.zeros(uvz.shape[2] + 1)
    expected.index_add_(0, zbuf.index.cpu().flatten() + 1, weights.cpu().flatten())
    assert torch.equal(uvz.grad[0, 0, :, 2].cpu(), expected[1:])
    assert (uvz.grad[..., :2] == 0).all()


@on_each_target
def test_the_points_are_not_changed(backend, device):
    uvz = random_points().to(device)
    before = uvz.clone()
    ops.zbuffer(uvz, (12, 17), 1.5, backend=backend)
    assert torch.equal(uvz.nan_to_num(), before.nan_to_num())


def test_chunks_do_not_show(monkeypatch):
    uvz = random_points()
    expected = ops.zbuffer(uvz, (12, 17), 1.5, backend="reference")
    monkeypatch.setattr("pointclip.ops.reference.memory.CHUNK", 6 * 7)
    got = ops.zbuffer(uvz, (12, 17), 1.5, backend="reference")
    assert torch.equal(got.index, expected.index)
    assert torch.equal(got.depth, expected.depth)

"""The ops as torch's own: opcheck, gradcheck, compile, vmap, meta tensors, double backward refused."""

import pytest
import torch
from support.ops import random_points

from pointclip import ops
from pointclip.ops.reference import zbuffer as _reference_zbuffer

OPS = torch.ops.pointclip
SIZE = (6, 7)


def gentle_points(dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Return points a little away from the borders of pixels, so that a small step crosses none."""
    generator = torch.Generator().manual_seed(5)
    whole = torch.stack([torch.randint(0, side, (2, 2, 12), generator=generator) for side in (7, 6)], -1)
    part = torch.rand(2, 2, 12, 2, generator=generator, dtype=dtype) * 0.8 + 0.1
    z = torch.rand(2, 2, 12, 1, generator=generator, dtype=dtype) + 0.5
    return torch.cat((whole.to(dtype) + part, z), -1).requires_grad_()


def per_point(channels: int | None, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Return positive numbers for each of the gentle points."""
    shape = (2, 12) if channels is None else (2, 12, channels)
    return (torch.rand(shape, generator=torch.Generator().manual_seed(6), dtype=dtype) + 0.2).requires_grad_()


def calls():
    """Return each registered op with arguments, expanded views among them, as the functions pass them."""
    uvz, weights, values = gentle_points(torch.float32), per_point(None, torch.float32), per_point(3, torch.float32)
    weights, values = weights.unsqueeze(1).expand(2, 2, 12), values.unsqueeze(1).expand(2, 2, 12, 3)
    depth, coverage, averages, *rest = (
        output.detach() for output in OPS.splat(uvz, values, *SIZE, 0.7, 0.1, "reference")
    )
    mean, total = (output.detach() for output in OPS.weighted_mean(uvz, weights, *SIZE, "reference"))
    maps = [depth, coverage, averages, *rest]
    return {
        "zbuffer": (OPS.zbuffer, (uvz, *SIZE, 1.5, "auto")),
        "weighted_mean": (OPS.weighted_mean, (uvz, weights, *SIZE, "auto")),
        "splat": (OPS.splat, (uvz, values, *SIZE, 0.7, 0.1, "auto")),
        "weighted_mean_backward": (
            OPS.weighted_mean_backward,
            (torch.ones_like(mean), uvz.detach(), weights.detach(), mean, total, "auto"),
        ),
        "splat_backward": (
            OPS.splat_backward,
            (depth, coverage, averages, uvz.detach(), values.detach(), maps, 0.7, 0.1, "auto"),
        ),
    }


@pytest.mark.parametrize("name", ["zbuffer", "weighted_mean", "splat", "weighted_mean_backward", "splat_backward"])
def test_opcheck(name):
    op, arguments = calls()[name]
    result = torch.library.opcheck(op.default, arguments)
    assert set(result.values()) == {"SUCCESS"}
    assert len(result) == 4


def everything(uvz, weights, values, backend="auto"):
    """Return all floats that the ops make of their arguments."""
    zbuf = ops.zbuffer(uvz, SIZE, 1.5, backend=backend)
    soft = ops.splat(uvz, SIZE, values, sigma=0.7, tau=0.1, backend=backend)
    return (
        zbuf.depth,
        ops.weighted_mean(uvz, weights, SIZE, backend=backend),
        *soft,
        ops.gather(zbuf.index, values),
    )


@pytest.mark.parametrize("backend", ["reference", "auto"])
def test_gradcheck(backend):
    leaves = gentle_points(), per_point(None), per_point(2)
    assert torch.autograd.gradcheck(lambda *given: everything(*given, backend=backend), leaves)


def test_gradcheck_of_values_and_weights_per_view():
    uvz = gentle_points()
    values = torch.rand(2, 2, 12, 1, dtype=torch.float64, requires_grad=True)
    weights = torch.rand(2, 2, 12, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda u, x: tuple(ops.splat(u, SIZE, x, sigma=0.7)), (uvz, values))
    assert torch.autograd.gradcheck(lambda u, w: ops.weighted_mean(u, w, SIZE), (uvz, weights))


def test_the_zbuffer_differentiates_twice_and_the_soft_ops_refuse():
    uvz = gentle_points()
    (first,) = torch.autograd.grad(ops.zbuffer(uvz, SIZE).depth.square().sum(), uvz, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), uvz)
    assert set(second[..., 2].unique().tolist()) <= {0.0, 2.0}
    (first,) = torch.autograd.grad(ops.splat(uvz, SIZE).depth.square().sum(), uvz, create_graph=True)
    with pytest.raises(RuntimeError, match="splat_backward"):
        first.sum().backward()


@pytest.mark.parametrize("dynamic", [False, True])
def test_compile_in_one_graph(dynamic):
    torch._dynamo.reset()
    arguments = gentle_points(), per_point(None), per_point(2)
    compiled = torch.compile(everything, fullgraph=True, dynamic=dynamic, backend="aot_eager")
    got, expected = compiled(*arguments), everything(*arguments)
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other)
    grads = [torch.autograd.grad(sum(image.sum() for image in images), arguments) for images in (got, expected)]
    for one, other in zip(*grads, strict=True):
        torch.testing.assert_close(one, other)


def test_vmap_equals_the_loop_with_gradients():
    uvz = torch.stack([gentle_points(), gentle_points() * 0.9, gentle_points() + 0.05]).detach().requires_grad_()
    weights, values = per_point(None).detach(), per_point(2).detach()

    def run(one):
        return everything(one, weights, values)

    batched = torch.vmap(run)(uvz)
    looped = [torch.stack(images) for images in zip(*map(run, uvz), strict=True)]
    for one, other in zip(batched, looped, strict=True):
        torch.testing.assert_close(one, other)
    grads = [torch.autograd.grad(sum(image.sum() for image in images), uvz)[0] for images in (batched, looped)]
    torch.testing.assert_close(*grads)


def test_vmap_makes_one_call(monkeypatch):
    calls = []
    reference = _reference_zbuffer.zbuffer
    monkeypatch.setattr(_reference_zbuffer, "zbuffer", lambda uvz, *rest: calls.append(uvz) or reference(uvz, *rest))
    torch.vmap(lambda one: ops.zbuffer(one, SIZE, backend="reference").index)(
        gentle_points().detach().expand(3, 2, 2, 12, 3)
    )
    assert [tuple(uvz.shape) for uvz in calls] == [(6, 2, 12, 3)]


def test_vmap_over_the_index():
    uvz = torch.stack([random_points(), random_points().flip(2)], 1)
    got = torch.vmap(lambda one: ops.zbuffer(one, (12, 17)).index, in_dims=1)(uvz)
    assert torch.equal(got[1], ops.zbuffer(uvz[:, 1], (12, 17)).index)


def test_meta_tensors_give_shapes():
    arguments = [tensor.to("meta") for tensor in (gentle_points(), per_point(None), per_point(2))]
    shapes = [tuple(image.shape) for image in everything(*arguments)]
    assert shapes == [(2, 2, 6, 7)] * 4 + [(2, 2, 6, 7, 2)] * 2
    assert ops.zbuffer(arguments[0], SIZE).index.dtype == torch.int64

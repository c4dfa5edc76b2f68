"""Triangles as torch's own op: gradients, opcheck, compile, vmap, meta; and beside an independent ray caster."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pointclip import InputError, ops

OPS = torch.ops.pointclip
SIZE = (7, 9)
MESHES = Path(__file__).parents[2] / "assets" / "meshes"


def gentle(batch: tuple[int, int] = (2, 2), num_faces: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    """Return large triangles in front of the camera."""
    generator = torch.Generator().manual_seed(5)
    corners = torch.rand(*batch, 3 * num_faces, 3, generator=generator, dtype=torch.float64)
    uvz = corners * torch.tensor([SIZE[1], SIZE[0], 1]) + torch.tensor([0, 0, 0.5])
    return uvz.requires_grad_(), torch.arange(3 * num_faces).view(-1, 3)


def values(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(8), dtype=torch.float64).requires_grad_()


def everything(uvz, faces, per_point, perspective=True, size=SIZE):
    triangles = ops.rasterize(uvz, faces, size, perspective=perspective)
    return triangles.depth, triangles.barycentric, ops.interpolate(triangles, faces, per_point)


@pytest.mark.parametrize("perspective", [True, False])
def test_gradcheck(perspective):
    """The second view is the first one's mirror image, so that its triangles turn the other way."""
    uvz, faces = gentle((2, 1), 4)
    uvz = uvz * torch.tensor([0.6, 0.6, 1])
    uvz = torch.cat((uvz, uvz * torch.tensor([-1, 1, 1]) + torch.tensor([5, 0, 0])), 1).detach().requires_grad_()
    assert (ops.rasterize(uvz, faces, (4, 5)).face.unique() >= 0).sum() >= 3
    for per_point in (values(2, 12, 1), values(2, 2, 12, 1), values(4, 3, 1)):
        assert torch.autograd.gradcheck(lambda u, x: everything(u, faces, x, perspective, (4, 5)), (uvz, per_point))


def test_gradcheck_of_a_list_and_a_second_derivative():
    uvz, every = gentle((2, 1))
    points = [uvz[n - 1].detach()[:, : 6 * n].requires_grad_() for n in (1, 2)]
    faces = [every[: 2 * n] for n in (1, 2)]
    given = [values(6 * n, 1) for n in (1, 2)]

    def run(*tensors):
        triangles = ops.rasterize(list(tensors[:2]), faces, SIZE)
        return triangles.depth, ops.interpolate(triangles, faces, list(tensors[2:]))

    assert torch.autograd.gradcheck(run, (*points, *given))
    assert torch.autograd.gradgradcheck(run, (*points, *given))


def test_the_gradient_goes_to_corners_that_are_seen():
    uvz = torch.tensor([[[[0, 0, 1.0], [4, 0, 1], [0, 4, 1], [0, 0, 2], [8, 0, 2], [0, 8, 2]]]], requires_grad=True)
    triangles = ops.rasterize(uvz, torch.tensor([[3, 4, 5], [0, 1, 2]]), (2, 2))
    assert (triangles.face == 1).all()
    triangles.depth.sum().backward()
    torch.testing.assert_close(uvz.grad[0, 0, :3, 2], triangles.barycentric.detach().sum((0, 1, 2, 3)))
    assert not uvz.grad[0, 0, 3:].any()


def test_opcheck():
    uvz, faces = gentle()
    meshes = [0, 12, 0, 36, 0, 12, 36, 72]
    packed = uvz.detach().transpose(0, 1).flatten(1, 2).float().requires_grad_()
    triangles = ops.rasterize(uvz.detach(), faces, SIZE)
    weights = triangles.barycentric.float().requires_grad_()
    per_point = values(1, 72, 3).detach().float().requires_grad_()
    for op, arguments in (
        (OPS.rasterize, (packed, faces, meshes, *SIZE, True, "auto")),
        (OPS.interpolate, (weights, per_point, triangles.face, faces, meshes, "auto")),
    ):
        result = torch.library.opcheck(op.default, arguments)
        assert set(result.values()) == {"SUCCESS"}
        assert len(result) == 4


@pytest.mark.parametrize("dynamic", [False, True])
def test_compile_in_one_graph(dynamic):
    torch._dynamo.reset()
    uvz, faces = gentle()
    per_point = values(2, 36, 2)
    compiled = torch.compile(everything, fullgraph=True, dynamic=dynamic, backend="aot_eager")
    got, expected = compiled(uvz, faces, per_point), everything(uvz, faces, per_point)
    torch.testing.assert_close(got, expected)
    grads = [torch.autograd.grad(sum(image.sum() for image in images), (uvz, per_point)) for images in (got, expected)]
    torch.testing.assert_close(*grads)


@pytest.mark.parametrize("in_dims", [(0, None), (None, 0), (0, 0), (1, 2)])
@pytest.mark.parametrize("per_view", [False, True])
def test_vmap_equals_the_loop(in_dims, per_view):
    uvz, faces = gentle()
    many = [torch.stack([tensor.detach() * (1 + 0.1 * n) for n in range(3)]) for tensor in (uvz, values(2, 36, 2))]
    if per_view:
        many[1] = many[1].unsqueeze(2).expand(3, 2, 2, 36, 2)
    arguments = [part if dim is not None else part[0] for part, dim in zip(many, in_dims, strict=True)]
    laid = [part if dim is None else part.movedim(0, dim) for part, dim in zip(arguments, in_dims, strict=True)]

    def run(points, per_point):
        return everything(points, faces, per_point)

    batched = torch.vmap(run, in_dims=in_dims)(*laid)
    for n in range(3):
        alone = run(*(part if dim is None else part[n] for part, dim in zip(arguments, in_dims, strict=True)))
        assert all(torch.equal(one[n], other) for one, other in zip(batched, alone, strict=True))


def test_vmap_differentiates_and_refuses_a_batch_of_faces():
    uvz, faces = gentle()
    many = torch.stack([uvz.detach(), uvz.detach() * 0.9]).requires_grad_()
    batched = torch.vmap(lambda one: ops.rasterize(one, faces, SIZE).depth)(many)
    looped = torch.stack([ops.rasterize(one, faces, SIZE).depth for one in many])
    torch.testing.assert_close(*(torch.autograd.grad(images.sum(), many)[0] for images in (batched, looped)))
    with pytest.raises(InputError, match="vmap runs over points and values, not over faces"):
        torch.vmap(lambda own: ops.rasterize(uvz, own, SIZE).depth)(torch.stack([faces, faces]))


def test_meta_tensors_give_shapes():
    uvz, faces = gentle()
    images = everything(uvz.to("meta"), faces.to("meta"), values(2, 36, 5).to("meta"))
    assert [tuple(image.shape) for image in images] == [(2, 2, *SIZE), (2, 2, *SIZE, 3), (2, 2, *SIZE, 5)]


def seen_by_open3d(points: torch.Tensor, faces: torch.Tensor, side: int, focal: float, perspective: bool):
    """Cast a ray through the centre of every pixel: which triangle it meets first, and at which z."""
    o3d = pytest.importorskip("open3d", reason="Open3D's ray caster is the other opinion")
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(points.numpy(), faces.numpy().astype(np.uint32))
    centre = (np.arange(side) + 0.5 - side / 2) / focal
    x, y = np.meshgrid(centre, centre)
    plane, nothing = np.stack((x, y), -1), np.zeros((side, side, 3))
    if perspective:
        rays = np.concatenate((nothing, plane, nothing[..., :1] + 1), -1)
    else:
        rays = np.concatenate((plane, nothing, nothing[..., :1] + 1), -1)
    hit = scene.cast_rays(o3d.core.Tensor(rays.astype(np.float32)))
    face = torch.from_numpy(hit["primitive_ids"].numpy().astype(np.int64))
    depth = torch.from_numpy(hit["t_hit"].numpy())
    return torch.where(depth.isfinite(), face, -1), torch.where(depth.isfinite(), depth, 0.0)


@pytest.mark.parametrize("perspective", [True, False])
@pytest.mark.parametrize("name", ["chair.obj", "cup.obj", "lamp.obj", "sofa.obj", "stool.obj", "table.obj"])
def test_an_independent_ray_caster_sees_the_same(name, perspective):
    """Away from edges, where float32 rays and rounded corners may differ."""
    trimesh = pytest.importorskip("trimesh", reason="reads the meshes")
    mesh = trimesh.load(MESHES / name, force="mesh", process=False)
    turn = trimesh.transformations.euler_matrix(0.4, 0.7, 0.1)[:3, :3]
    points = torch.tensor((mesh.vertices - mesh.bounds.mean(0)) / mesh.scale @ turn.T * [1, -1, -1] + [0, 0, 1.5])
    points, faces = points.float(), torch.tensor(np.asarray(mesh.faces)).long()
    side, focal = 256, 300.0 if perspective else 220.0
    flat = points[:, :2] / points[:, 2:] if perspective else points[:, :2]
    uvz = torch.cat((side / 2 + focal * flat, points[:, 2:]), 1)[None, None]
    triangles = ops.rasterize(uvz, faces, (side, side), perspective=perspective)
    face, depth = (image[0, 0] for image in triangles[:2])
    other, far = seen_by_open3d(points, faces, side, focal, perspective)
    inside = triangles.barycentric[0, 0].amin(-1) > 0.02
    assert inside.float().mean() > 0.08
    assert (other == face)[inside].float().mean() >= 0.999
    assert ((far - depth).abs() < 1e-5 * depth)[inside].float().mean() >= 0.999
    assert ((face >= 0) != (other >= 0)).float().mean() < 1e-3


MEASURE = """
import resource, torch
from pointclip import ops
centres = torch.rand(1, 6, 300_000, 1, 3).mul_(224)
points = (centres + torch.rand(1, 6, 300_000, 3, 3)).flatten(2, 3)
faces = torch.arange(900_000).view(-1, 3)
ops.rasterize(points, faces[:1000], (224, 224))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
ops.rasterize(points, faces, (224, 224))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read the way Linux reports it")
@pytest.mark.skipif(ops.why_not("numba") is not None, reason="the reference takes more")
def test_memory_beside_the_mesh_does_not_grow_with_its_faces():
    run = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 40_000  # kilobytes; one (V, F, 3) intermediate in float64 would be 43 MB

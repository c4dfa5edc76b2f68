"""Triangles on every backend: drawn grids, exact arithmetic, soups, a closed ball, lists, refusals."""

from fractions import Fraction

import pytest
import torch
from support.ops import INTERPRETED, on_each_target
from support.triangles import DRAWN, ball, drawn, soup

from pointclip import InputError, ops
from pointclip.ops.reference import rasterize as _reference


def equal(one: ops.Triangles, other: ops.Triangles) -> bool:
    return all(torch.equal(a.cpu(), b.cpu()) for a, b in zip(one, other, strict=True))


def exact(uvz: torch.Tensor, faces: torch.Tensor, size: tuple[int, int], perspective: bool) -> torch.Tensor:
    """Find the nearest triangle of each pixel of one view with fractions, a hair right of its centre and less below."""
    image = torch.full(size, -1)
    hair = Fraction(1, 10**12)
    for row, col in torch.cartesian_prod(torch.arange(size[0]), torch.arange(size[1])).tolist():
        nearest = None
        x, y = 256 * col + 128 + hair, 256 * row + 128 + hair**2
        for number, corners in enumerate(uvz[faces].double().tolist()):
            if (
                not all(0 < abs(n) < float("inf") for corner in corners for n in corner)
                or min(c[2] for c in corners) <= 0
            ):
                continue
            (x0, y0), (x1, y1), (x2, y2) = ((round(256 * u), round(256 * v)) for u, v, _ in corners)
            edges = (
                (x1 - x) * (y2 - y) - (x2 - x) * (y1 - y),
                (x2 - x) * (y0 - y) - (x0 - x) * (y2 - y),
                (x0 - x) * (y1 - y) - (x1 - x) * (y0 - y),
            )
            if not (min(edges) > 0 or max(edges) < 0):
                continue
            weights = [edge / sum(edges) for edge in edges]
            z = [Fraction(corner[2]) for corner in corners]
            if perspective:
                depth = 1 / sum(w / d for w, d in zip(weights, z, strict=True))
            else:
                depth = sum(w * d for w, d in zip(weights, z, strict=True))
            if nearest is None or depth < nearest:
                nearest, image[row, col] = depth, number
    return image


@pytest.mark.parametrize("perspective", [True, False])
@pytest.mark.parametrize("order", [[0, 1, 2], [1, 2, 0], [2, 1, 0]])
@pytest.mark.parametrize("name", DRAWN, ids=[name.split(":")[0] for name in DRAWN])
@on_each_target
def test_drawn_grid(backend, device, name, order, perspective):
    uvz, faces, expected = drawn(name)
    size = tuple(expected.shape[2:])
    got = ops.rasterize(uvz.to(device), faces[:, order].to(device), size, perspective=perspective, backend=backend)
    assert torch.equal(got.face.cpu(), expected)
    assert torch.equal(got.depth > 0, got.face >= 0)
    torch.testing.assert_close(got.barycentric.sum(-1), (got.face >= 0).float())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@on_each_target
def test_depth_and_weights_at_the_centre_of_a_pixel(backend, device, dtype):
    """Half way between z = 1 and z = 3 on the screen lies z = 2 in parallel projection and 1 / mean(1, 1/3) else."""
    uvz = torch.tensor([[[[0, 0.5, 1], [5, -2, 3], [5, 3, 3]]]], dtype=dtype, device=device)
    faces = torch.tensor([[0, 1, 2]], device=device)
    linear = ops.rasterize(uvz, faces, (1, 5), perspective=False, backend=backend)
    torch.testing.assert_close(linear.depth.flatten().cpu(), 1 + 2 * (torch.arange(5, dtype=dtype) + 0.5) / 5)
    torch.testing.assert_close(linear.barycentric[0, 0, 0, 2].cpu(), torch.tensor([0.5, 0.25, 0.25], dtype=dtype))
    true = ops.rasterize(uvz, faces, (1, 5), backend=backend)
    torch.testing.assert_close(true.depth[0, 0, 0, 2].cpu(), torch.tensor(1.5, dtype=dtype))
    torch.testing.assert_close(true.barycentric[0, 0, 0, 2].cpu(), torch.tensor([0.75, 0.125, 0.125], dtype=dtype))
    assert true.depth.dtype == true.barycentric.dtype == dtype


@pytest.mark.parametrize("perspective", [True, False])
@on_each_target
def test_equals_exact_arithmetic(backend, device, perspective):
    uvz, faces = soup(40, (9, 11))
    got = ops.rasterize(uvz.to(device), faces.to(device), (9, 11), perspective=perspective, backend=backend).face
    for view in range(2):
        assert torch.equal(got[0, view].cpu(), exact(uvz[0, view], faces, (9, 11), perspective))


@pytest.mark.parametrize("perspective", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@on_each_target
def test_bits_equal_the_reference(backend, device, dtype, perspective):
    num_faces, size = (150, (20, 30)) if INTERPRETED else (2000, (120, 170))
    uvz, faces = soup(num_faces, size, dtype=dtype)
    expected = ops.rasterize(uvz, faces, size, perspective=perspective, backend="reference")
    for _ in range(1 if INTERPRETED else 3):
        got = ops.rasterize(uvz.to(device), faces.to(device), size, perspective=perspective, backend=backend)
        assert equal(got, expected)
    assert (expected.face >= 0).float().mean() > 0.5
    assert expected.face.unique().numel() > num_faces / 20


@pytest.mark.parametrize("perspective", [True, False])
@on_each_target
def test_a_closed_ball_has_no_hole(backend, device, perspective):
    """32,768 faces; behind a hole the far half would show, or nothing."""
    side, radius = (24, 10.0) if INTERPRETED else (200, 90.0)
    points, faces = ball(2 if INTERPRETED else 6)
    z = 3 - points[:, 2]
    flat = points[:, :2] * (2 / z.unsqueeze(1) if perspective else 1)
    uvz = torch.cat((side / 2 + radius * flat, z.unsqueeze(1)), 1).float()[None, None]
    got = ops.rasterize(uvz.to(device), faces.to(device), (side, side), perspective=perspective, backend=backend)
    got = ops.Triangles(*(image.cpu() for image in got))
    centre = torch.arange(side) + 0.5 - side / 2
    away = (centre[:, None] ** 2 + centre**2).sqrt() / radius
    disc = away < (0.66 if INTERPRETED else 0.7)
    assert (got.face[0, 0][disc] >= 0).all()
    front = ops.interpolate(got, faces, (3 - z).float()[None, :, None])[0, 0, ..., 0]
    assert (front[disc] > (0.2 if INTERPRETED else 0.3)).all()
    assert equal(got, ops.rasterize(uvz, faces, (side, side), perspective=perspective, backend="reference"))


@on_each_target
def test_a_surface_is_covered_exactly_once(backend, device):
    """Corners of a grid moved at random, many of them onto centres: depths tell who covers, and each must alone."""
    generator = torch.Generator().manual_seed(2)
    steps = torch.arange(7.0)
    grid = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1) * 2
    grid[1:-1, 1:-1] += torch.randint(-3, 4, (5, 5, 2), generator=generator) / 4
    corner = torch.arange(49).view(7, 7)
    a, b, c, d = (part.flatten() for part in (corner[:-1, :-1], corner[:-1, 1:], corner[1:, :-1], corner[1:, 1:]))
    faces = torch.cat((torch.stack((a, b, c), 1), torch.stack((d, c, b), 1))).to(device)
    uvz = torch.cat((grid.view(49, 2), torch.ones(49, 1)), 1)[None, None].to(device)
    each = [ops.rasterize(uvz, one[None], (12, 12), backend=backend).face[0, 0] >= 0 for one in faces]
    assert (torch.stack(each).sum(0) == 1).all()


@on_each_target
def test_the_order_of_the_faces_changes_nothing(backend, device):
    uvz, faces = (tensor.to(device) for tensor in soup(120, (14, 18)))
    order = torch.randperm(120, generator=torch.Generator().manual_seed(1)).to(device)
    expected = ops.rasterize(uvz, faces, (14, 18), backend=backend)
    got = ops.rasterize(uvz, faces[order], (14, 18), backend=backend)
    assert torch.equal(torch.where(got.face >= 0, order[got.face], -1), expected.face)
    assert torch.equal(got.depth, expected.depth)


@on_each_target
def test_meshes_of_different_sizes_are_drawn_one_by_one(backend, device):
    counts = (1, 30, 0, 7)
    made = [soup(count, (10, 12), (1, 3)) for count in counts]
    uvz, faces = [points[0].to(device) for points, _ in made], [numbers.to(device) for _, numbers in made]
    together = ops.rasterize(uvz, faces, (10, 12), backend=backend)
    assert together.face.shape == (4, 3, 10, 12)
    for b in range(4):
        alone = ops.rasterize(uvz[b][None], faces[b], (10, 12), backend=backend)
        assert all(torch.equal(one[b], other[0]) for one, other in zip(together, alone, strict=True))


@on_each_target
def test_meshes_that_share_faces_are_drawn_one_by_one(backend, device):
    uvz, faces = (tensor.to(device) for tensor in soup(20, (10, 12), (3, 2)))
    together = ops.rasterize(uvz, faces, (10, 12), backend=backend)
    for b in range(3):
        alone = ops.rasterize(uvz[b : b + 1], faces, (10, 12), backend=backend)
        assert all(torch.equal(one[b], other[0]) for one, other in zip(together, alone, strict=True))


@on_each_target
def test_inputs_are_read_as_they_lie_and_not_changed(backend, device):
    uvz, faces = (tensor.to(device) for tensor in soup(30, (10, 12)))
    expected = ops.rasterize(uvz, faces, (10, 12), backend=backend)
    kept = uvz.clone(), faces.clone()
    planar = uvz.permute(3, 0, 1, 2).contiguous().permute(1, 2, 3, 0)
    assert not planar.is_contiguous()
    assert equal(ops.rasterize(planar, faces.T.contiguous().T, (10, 12), backend=backend), expected)
    assert equal(ops.rasterize(planar, faces.int(), (10, 12), backend=backend), expected)
    assert torch.equal(uvz.nan_to_num(), kept[0].nan_to_num())
    assert torch.equal(faces, kept[1])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@on_each_target
def test_half_precision_is_read_as_float32(backend, device, dtype):
    uvz, faces = (tensor.to(device) for tensor in soup(20, (10, 12)))
    half = ops.rasterize(uvz.to(dtype), faces, (10, 12), backend=backend)
    assert half.depth.dtype == half.barycentric.dtype == torch.float32
    assert equal(half, ops.rasterize(uvz.to(dtype).float(), faces, (10, 12), backend=backend))


@pytest.mark.parametrize(("shape", "num_faces"), [((0, 2, 5), 1), ((2, 0, 5), 1), ((2, 2, 0), 0), ((2, 2, 5), 0)])
@on_each_target
def test_nothing_in_gives_empty_pixels(backend, device, shape, num_faces):
    uvz = torch.ones(*shape, 3, device=device, requires_grad=True)
    faces = torch.zeros(num_faces, 3, dtype=torch.int64, device=device)
    face, depth, barycentric = ops.rasterize(uvz, faces, (4, 5), backend=backend)
    assert face.shape == depth.shape == (*shape[:2], 4, 5)
    assert (face == -1).all()
    assert not depth.any()
    assert not barycentric.any()
    (depth.sum() + barycentric.sum()).backward()
    assert uvz.grad.shape == uvz.shape


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1)])
@on_each_target
def test_thin_images(backend, device, size):
    uvz, faces = soup(30, size)
    got = ops.rasterize(uvz.to(device), faces.to(device), size, backend=backend)
    assert equal(got, ops.rasterize(uvz, faces, size, backend="reference"))
    assert (got.face >= 0).any()


UVZ, FACES = soup(4, (5, 5))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ops.rasterize(UVZ[0], FACES, (4, 4)), r"uvz must have shape \(B, V, N, 3\)"),
        (lambda: ops.rasterize(UVZ.long(), FACES, (4, 4)), "floating-point"),
        (lambda: ops.rasterize(UVZ, FACES, (4, 0)), "two positive whole numbers"),
        (lambda: ops.rasterize(UVZ, FACES[:, :2], (4, 4)), r"faces must have shape \(F, 3\)"),
        (lambda: ops.rasterize(UVZ, FACES.float(), (4, 4)), r"faces must hold int64 .*\.long\(\)"),
        (lambda: ops.rasterize(UVZ, FACES + 1, (4, 4)), "a face names point 12 of a mesh of 12 points"),
        (lambda: ops.rasterize(UVZ, FACES - 1, (4, 4)), "a face names point -1 of a mesh of 12 points"),
        (lambda: ops.rasterize(UVZ[:, :, :0], FACES, (4, 4)), "of a mesh of 0 points"),
        (lambda: ops.rasterize([UVZ[0], UVZ[0]], [FACES, FACES + 3], (4, 4)), "names point 14 of a mesh of 12"),
        (lambda: ops.rasterize([UVZ[0]], FACES, (4, 4)), "a list of 1 meshes needs a list of as many faces"),
        (lambda: ops.rasterize(UVZ, [FACES], (4, 4)), "a list of 1 faces needs a list"),
        (lambda: ops.rasterize([UVZ[0]], [FACES, FACES], (4, 4)), "a list of 2 faces needs a list"),
        (lambda: ops.rasterize([], [], (4, 4)), "a list of at least one"),
        (lambda: ops.rasterize([UVZ[0], UVZ[0, :1]], [FACES, FACES], (4, 4)), "number of views"),
        (lambda: ops.rasterize([UVZ], [FACES], (4, 4)), r"each of uvz must have shape \(V, N, 3\)"),
        (lambda: ops.rasterize(UVZ, FACES.to("meta"), (4, 4)), r"move one of them with \.to\(device\)"),
        (lambda: ops.rasterize(UVZ, FACES, (4, 4), backend="nunba"), "did you mean 'numba'"),
    ],
)
def test_what_does_not_fit_is_refused(call, words):
    with pytest.raises(InputError, match=words):
        call()


def test_chunks_do_not_show(monkeypatch):
    uvz, faces = soup(60, (12, 17))
    expected = ops.rasterize(uvz, faces, (12, 17), backend="reference")
    monkeypatch.setattr(_reference, "CHUNK", 41)
    assert equal(ops.rasterize(uvz, faces, (12, 17), backend="reference"), expected)

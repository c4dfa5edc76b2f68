"""What lies on the corners of triangles, carried into the image."""

import pytest
import torch
from support.ops import on_each_target
from support.triangles import soup

from pointclip import InputError, ops

SIZE = (10, 12)
UVZ, FACES = soup(9, SIZE, (2, 3))
TRIANGLES = ops.rasterize(UVZ, FACES, SIZE, backend="reference")
BACKENDS = ["reference", *(["numba"] if ops.why_not("numba") is None else [])]
on_each_backend = pytest.mark.parametrize("backend", BACKENDS)


def looped(corners: torch.Tensor, triangles: ops.Triangles = TRIANGLES) -> torch.Tensor:
    """Weigh the values (B, V, F, 3, D) at corners pixel by pixel."""
    image = torch.zeros(*triangles.face.shape, corners.shape[-1], dtype=triangles.barycentric.dtype)
    for at in (triangles.face >= 0).nonzero().tolist():
        b, v, row, col = at
        own = corners[b, v, triangles.face[b, v, row, col]]
        image[b, v, row, col] = (triangles.barycentric[b, v, row, col][:, None] * own).sum(0)
    return image


def numbers(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(4), dtype=dtype)


@on_each_backend
def test_values_of_points_views_and_corners(backend):
    """The faces are turned, so that a value of a point is not by chance that of a corner."""
    faces = (FACES + 5) % 27
    triangles = ops.rasterize(UVZ, faces, SIZE, backend="reference")
    per_point, per_view = numbers(2, 27, 4), numbers(2, 3, 27, 4)
    per_corner, own_corners = numbers(9, 3, 4), numbers(2, 9, 3, 4)
    for values, corners in (
        (per_point, per_point[:, None, faces].expand(2, 3, 9, 3, 4)),
        (per_view, per_view[:, :, faces]),
        (per_corner, per_corner.expand(2, 3, 9, 3, 4)),
        (own_corners, own_corners[:, None].expand(2, 3, 9, 3, 4)),
    ):
        image = ops.interpolate(triangles, faces, values, backend=backend)
        torch.testing.assert_close(image, looped(corners, triangles))
        assert torch.equal(image, ops.interpolate(triangles, faces, values, backend="reference"))
    assert (triangles.face >= 0).sum() > 40


@on_each_backend
def test_lists_are_read_one_by_one(backend):
    made = [soup(count, SIZE, (1, 3)) for count in (2, 9, 0)]
    uvz, faces = [points[0] for points, _ in made], [given for _, given in made]
    triangles = ops.rasterize(uvz, faces, SIZE)
    for shape in ((), (3,), None):
        values = [numbers(*shape, 3 * len(f), 2) if shape is not None else numbers(len(f), 3, 2) for f in faces]
        together = ops.interpolate(triangles, faces, values, backend=backend)
        for b in range(3):
            alone = ops.Triangles(*(image[b : b + 1] for image in triangles))
            own = values[b] if shape is None else values[b][None]
            assert torch.equal(ops.interpolate(alone, faces[b], own, corners=shape is None)[0], together[b])


@pytest.mark.parametrize("perspective", [True, False])
@on_each_target
def test_what_is_linear_comes_back(backend, device, perspective):
    """Positions at the corners give the position of the pixel's centre: on its ray in perspective."""
    uvz, faces = soup(200, (14, 18), dtype=torch.float64)
    triangles = ops.rasterize(uvz.to(device), faces.to(device), (14, 18), perspective=perspective, backend=backend)
    triangles = ops.Triangles(*(image.cpu() for image in triangles))
    u, v, z = uvz.unbind(-1)
    places = torch.stack((u * z, v * z, z), -1) if perspective else uvz
    image = ops.interpolate(triangles, faces, places.nan_to_num())
    hit = triangles.face >= 0
    torch.testing.assert_close(image[..., 2], triangles.depth)
    screen = image[..., :2] / (image[..., 2:] if perspective else 1)
    row, col = torch.meshgrid(torch.arange(14.0), torch.arange(18.0), indexing="ij")
    away = (screen - torch.stack((col, row), -1).double() - 0.5).abs().amax(-1)
    assert hit.float().mean() > 0.5
    assert away[hit].max() <= 2**-8  # the rounding of corners lets a centre in that lies so far outside
    inside = hit & (triangles.barycentric.amin(-1) > 1e-2)
    torch.testing.assert_close(away[inside], torch.zeros_like(away[inside]), atol=1e-9, rtol=0)


def test_what_can_be_read_both_ways_is_per_point_unless_said():
    uvz = torch.tensor([[[[0, 0, 1.0], [4, 0, 1], [0, 4, 1]]]])
    faces = torch.tensor([[2, 1, 0]])
    triangles = ops.rasterize(uvz, faces, (2, 2))
    values = torch.tensor([[[1.0], [2.0], [3.0]]])
    per_point = ops.interpolate(triangles, faces, values)
    assert torch.equal(per_point, ops.interpolate(triangles, faces, values, corners=False))
    per_corner = ops.interpolate(triangles, faces, values, corners=True)
    assert torch.equal(per_corner, ops.interpolate(triangles, faces, values.flip(1)))
    assert not torch.equal(per_corner, per_point)


@on_each_backend
def test_a_pixel_without_a_triangle_is_zero_and_an_unseen_value_stays_out(backend):
    uvz = torch.tensor([[[[0, 0, 1.0], [2, 0, 1], [0, 2, 1], [9, 9, -1]]]])
    faces = torch.tensor([[3, 3, 3], [0, 1, 2]])
    values = torch.tensor([[[1.0], [1.0], [1.0], [float("nan")]]])
    image = ops.interpolate(ops.rasterize(uvz, faces, (2, 2)), faces, values, backend=backend)
    assert image[0, 0, ..., 0].tolist() == [[1, 0], [0, 0]]


@on_each_backend
def test_nothing_in_gives_zeros(backend):
    for shape, count in (((0, 2, 5), 1), ((2, 0, 5), 1), ((2, 2, 0), 0), ((2, 2, 5), 0)):
        faces = torch.zeros(count, 3, dtype=torch.int64)
        triangles = ops.rasterize(torch.ones(*shape, 3), faces, (4, 5))
        image = ops.interpolate(
            triangles, faces, torch.ones(shape[0], shape[2], 2, requires_grad=True), backend=backend
        )
        assert image.shape == (*shape[:2], 4, 5, 2)
        assert not image.any()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ops.interpolate(TRIANGLES, FACES, numbers(3, 27, 2)), r"values of shape \(3, 27, 2\) do not fit"),
        (lambda: ops.interpolate(TRIANGLES, FACES, numbers(2, 4, 27, 2)), "2 meshes of 9 faces in 3 views"),
        (lambda: ops.interpolate(TRIANGLES, FACES, numbers(27)), "do not fit"),
        (lambda: ops.interpolate(TRIANGLES, FACES, numbers(8, 3, 2), corners=True), "do not fit"),
        (lambda: ops.interpolate(TRIANGLES, FACES, numbers(2, 27, 2), corners=True), "do not fit"),
        (lambda: ops.interpolate(TRIANGLES, FACES, numbers(2, 26, 2)), "a face names point 26 of a mesh of 26 points"),
        (lambda: ops.interpolate(TRIANGLES, FACES, numbers(2, 27, 2).long()), "values must hold floating-point"),
        (lambda: ops.interpolate(TRIANGLES, FACES, [numbers(27, 2)] * 2), "needs a list of as many faces"),
        (lambda: ops.interpolate(TRIANGLES, [FACES] * 2, numbers(2, 27, 2)), "needs a list"),
        (lambda: ops.interpolate(TRIANGLES, [FACES] * 2, [numbers(27, 2)]), "do not fit 2 meshes"),
        (
            lambda: ops.interpolate(
                TRIANGLES._replace(barycentric=TRIANGLES.barycentric[:1]), FACES, numbers(2, 27, 2)
            ),
            "weights do not fit",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, words):
    with pytest.raises(InputError, match=words):
        call()

"""Reading per-point values into an image."""

import pytest
import torch
from support.ops import random_points

from pointclip import InputError, ops


def test_each_pixel_shows_its_winner_or_the_background():
    uvz, values = random_points(), torch.randn(2, 120, 3)
    index = ops.zbuffer(uvz, (12, 17), 1.0).index
    image = ops.gather(index, values, background=-7.0)
    assert image.shape == (2, 3, 12, 17, 3)
    for b, v, row, col in [(0, 0, 3, 4), *(torch.nonzero(index >= 0)[::97].tolist())]:
        winner = index[b, v, row, col]
        expected = values[b, winner] if winner >= 0 else torch.full((3,), -7.0)
        assert torch.equal(image[b, v, row, col], expected)
    assert (image[index < 0] == -7).all()


def test_values_per_view_give_back_the_depth():
    uvz = random_points()
    zbuf = ops.zbuffer(uvz, (12, 17), 1.5)
    assert torch.equal(ops.gather(zbuf.index, uvz[..., 2:]).squeeze(-1), zbuf.depth)


def test_labels_keep_their_dtype():
    index = torch.tensor([[[[0, -1, 1]]]])
    image = ops.gather(index, torch.tensor([[5, 6]]), background=-1)
    assert image.dtype == torch.int64
    assert image.tolist() == [[[[5, -1, 6]]]]


def test_the_gradient_counts_pixels():
    index = torch.tensor([[[[0, -1, 1, 1]]]])
    values = torch.ones(1, 3, 2, requires_grad=True)
    ops.gather(index, values, background=9.0).sum().backward()
    assert values.grad.tolist() == [[[1, 1], [2, 2], [0, 0]]]


def test_no_points_show_the_background():
    assert (ops.gather(torch.full((1, 2, 3, 4), -1), torch.zeros(1, 0, 2), background=0.5) == 0.5).all()


@pytest.mark.parametrize(
    ("index", "values", "words"),
    [
        (torch.zeros(1, 1, 2, 2), torch.zeros(1, 3, 1), "must hold int64"),
        (torch.zeros(1, 2, 2, dtype=torch.int64), torch.zeros(1, 3, 1), "index must have shape"),
        (torch.zeros(1, 1, 2, 2, dtype=torch.int64), torch.zeros(3), "values must have shape"),
        (
            torch.zeros(1, 2, 2, 2, dtype=torch.int64),
            torch.zeros(1, 3, 5, 1),
            "do not fit an index of 1 clouds and 2 v",
        ),
        (torch.zeros(2, 2, 2, 2, dtype=torch.int64), torch.zeros(1, 3), "do not fit an index of 2 clouds"),
    ],
)
def test_what_does_not_fit_is_refused(index, values, words):
    with pytest.raises(InputError, match=words):
        ops.gather(index, values)

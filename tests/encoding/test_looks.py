"""Augmented copies: what is refused, and pictures that stay within their frame."""

import pytest
import torch

from pointclip.encoding.looks import Augmentation, shrink_and_move
from pointclip.errors import InputError


@pytest.mark.parametrize("wrong", [{"copies": -1}, {"zoom": 0.0}, {"stretch": (0.0, 1.0)}, {"jitter": -1.0}])
def test_augmentation_refuses_what_makes_no_sense(wrong):
    with pytest.raises(InputError, match="augmentation needs"):
        Augmentation(**wrong)


def test_a_moved_picture_stays_within_its_frame():
    page = torch.ones(1, 3, 64, 64)
    page[..., 4:60, 4:60] = 0.0
    ink = []
    for seed in range(40):
        moved = shrink_and_move(page, 0.6, torch.Generator().manual_seed(seed))
        assert float(moved[..., [0, -1], :].min()) > 0.999 and float(moved[..., [0, -1]].min()) > 0.999
        ink.append(float((1 - moved).mean()))
    full = float((1 - page).mean())
    assert 0.6**2 * full * 0.95 < min(ink) < 0.5 * full and 0.85 * full < max(ink) < 1.01 * full

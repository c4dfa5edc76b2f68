"""Farthest-point subsets: exact where promised, evenly spread and quick where not."""

import time

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from pointclip.errors import InputError
from pointclip.points import farthest as _farthest
from pointclip.points import farthest_point_subset


def by_definition(points: np.ndarray, count: int) -> list[int]:
    """Transcribe the definition: each next point is the farthest from its nearest chosen one."""
    middle = (points.max(axis=0) + points.min(axis=0)) / 2
    chosen = [int(np.linalg.norm(points - middle, axis=1).argmax())]
    while len(chosen) < count:
        gaps = np.linalg.norm(points[:, None] - points[None, chosen], axis=2).min(axis=1)
        chosen.append(int(gaps.argmax()))
    return chosen


def ball(count: int, seed: int = 0) -> torch.Tensor:
    points = torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(points, dim=1)


def spread(points: torch.Tensor, chosen: torch.Tensor) -> tuple[float, float]:
    """Return the smallest distance between chosen points and the largest from any point to a chosen one."""
    tree = cKDTree(points[chosen].numpy())
    return float(tree.query(points[chosen].numpy(), k=2)[0][:, 1].min()), float(tree.query(points.numpy())[0].max())


@pytest.mark.parametrize("seed", range(5))
def test_the_exact_method_follows_the_definition(seed):
    points = torch.rand(200, 3, generator=torch.Generator().manual_seed(seed)) * torch.tensor([1.0, 3.0, 0.2]) + 9
    assert farthest_point_subset(points, 40).tolist() == by_definition(points.double().numpy(), 40)


def test_order_and_units_of_the_points_do_not_matter():
    points = ball(500)
    order = torch.randperm(500, generator=torch.Generator().manual_seed(1))
    chosen = {tuple(p) for p in points[farthest_point_subset(points, 50)].tolist()}
    shuffled = points[order]
    assert {tuple(p) for p in shuffled[farthest_point_subset(shuffled, 50)].tolist()} == chosen
    assert torch.equal(farthest_point_subset(points * 1e-20, 50), farthest_point_subset(points, 50))


def test_all_points_and_identical_points():
    points = ball(30)
    assert sorted(farthest_point_subset(points, 30).tolist()) == list(range(30))
    same = torch.ones(10, 3)
    assert len(farthest_point_subset(same, 7).unique()) == 7
    for count in (0, 31):
        with pytest.raises(InputError, match="from 1 to the 30 points"):
            farthest_point_subset(points, count)


@pytest.mark.parametrize(("count", "wanted"), [(3000, 800), (20_000, 500), (20_000, 9000)])
def test_rounds_spread_points_nearly_as_well(monkeypatch, count, wanted):
    points = ball(count)
    exact = farthest_point_subset(points, wanted)
    monkeypatch.setattr(_farthest, "EXACT_WORK", 1000)
    rounds = farthest_point_subset(points, wanted)
    assert len(rounds.unique()) == wanted
    apart, cover = spread(points, exact)
    apart_rounds, cover_rounds = spread(points, rounds)
    assert apart_rounds > 0.6 * apart and cover_rounds < 2.0 * cover
    random = torch.randperm(count, generator=torch.Generator().manual_seed(0))[:wanted]
    assert spread(points, random)[0] < 0.3 * apart, "which a random choice does not reach"
    assert torch.equal(rounds, farthest_point_subset(points, wanted)), "the same every time"


def test_rounds_survive_duplicates_and_lines(monkeypatch):
    monkeypatch.setattr(_farthest, "EXACT_WORK", 100)
    doubled = ball(500).repeat(20, 1)
    assert len(farthest_point_subset(doubled, 2000).unique()) == 2000
    line = torch.linspace(0, 1, 5000)[:, None] * torch.tensor([[1.0, 0, 0]])
    chosen = farthest_point_subset(line, 100)
    assert len(chosen.unique()) == 100 and spread(line, chosen)[1] < 0.02


def test_sparse_regions_are_not_lost_in_a_large_cloud():
    dense, sparse = ball(400_000) * 0.1, ball(300, seed=1) * 0.5 + torch.tensor([5.0, 0, 0])
    points = torch.cat([dense, sparse])
    start = time.perf_counter()
    chosen = farthest_point_subset(points, 2000)
    assert time.perf_counter() - start < 20
    assert (chosen >= 400_000).sum() > 250

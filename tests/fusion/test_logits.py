"""Fusion, view weights and ensembles: identities, brute force, honest choices."""

from itertools import product

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from support.grid_search import search_view_weights
from torch.nn import functional as F

from pointclip import fusion
from pointclip.errors import InputError


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def problem(clouds: int, views: int, classes: int, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    targets = torch.randint(classes, (clouds,), generator=generator)
    logits = torch.randn(clouds, views, classes, generator=generator)
    logits[torch.arange(clouds), :, targets] += torch.linspace(-0.5, 1.5, views)
    return logits, targets


def test_one_hot_weights_return_that_views_logits():
    features, text = unit(4, 6, 16), unit(5, 16, seed=1)
    for view in range(6):
        weights = F.one_hot(torch.tensor(view), 6).float() * 2.5
        torch.testing.assert_close(
            fusion.fuse(features, text, weights, 50.0), fusion.view_logits(features, text, 50.0)[:, view]
        )


def test_uniform_is_the_mean_of_view_logits_and_scale_of_weights_is_nothing():
    features, text = unit(4, 6, 16), unit(5, 16, seed=1)
    mean = fusion.view_logits(features, text).mean(1)
    torch.testing.assert_close(fusion.fuse(features, text), mean)
    torch.testing.assert_close(fusion.fuse(features, text, torch.full((6,), 7.0)), mean)


def test_paper_convention_is_the_concatenated_product():
    features, text, weights = unit(4, 6, 16), unit(5, 16, seed=1), torch.rand(6)
    concatenated = (features * weights[:, None]).flatten(1)
    wanted = 100.0 * concatenated @ F.normalize(text.repeat(1, 6), dim=-1).T
    torch.testing.assert_close(fusion.fuse(features, text, weights, convention="paper"), wanted, atol=1e-4, rtol=1e-5)


def test_adapted_features_give_the_papers_few_shot_logits():
    out, text = torch.randn(4, 6, 16), unit(5, 16, seed=1)
    wanted = 100.0 * F.normalize(out.flatten(1), dim=-1) @ F.normalize(text.repeat(1, 6), dim=-1).T
    torch.testing.assert_close(fusion.fuse(fusion.unit_views(out), text), wanted, atol=1e-4, rtol=1e-5)


def test_permuting_views_and_weights_changes_nothing():
    features, text, weights, order = unit(4, 6, 16), unit(5, 16), torch.rand(6), torch.randperm(6)
    torch.testing.assert_close(
        fusion.fuse(features[:, order], text, weights[order]), fusion.fuse(features, text, weights)
    )


@pytest.mark.parametrize("weights", [[-1.0, 2.0], [0.0, 0.0], [float("nan"), 1.0], [1.0, 1.0, 1.0]])
def test_bad_weights_are_refused(weights):
    with pytest.raises(InputError, match="view weights"):
        fusion.fuse(unit(2, 2, 4), unit(3, 4), torch.tensor(weights))


def test_no_data_means_uniform():
    assert fusion.fit_view_weights(torch.zeros(0, 7, 3), torch.zeros(0, dtype=torch.int64)).tolist() == [1.0] * 7


def test_uninformative_data_means_uniform():
    logits = torch.randn(20, 1, 4).expand(20, 5, 4)
    weights = fusion.fit_view_weights(logits, torch.randint(4, (20,)))
    torch.testing.assert_close(weights, weights.mean().expand(5))


@pytest.mark.parametrize("ridge", [0.05, 1.0, 30.0])
@pytest.mark.parametrize("seed", range(4))
def test_fit_finds_the_minimum(ridge, seed):
    logits, targets = problem(60, 4, 5, seed)
    array, rows = logits.double().numpy(), np.arange(60)

    def objective(w):
        z = np.einsum("nvk,v->nk", array, w) / 4
        z = z - z.max(1, keepdims=True)
        loss = (np.log(np.exp(z).sum(1)) - z[rows, targets.numpy()]).sum()
        return loss + 0.5 * ridge * ((w - 1) ** 2).sum()

    best = min(
        (minimize(objective, start, bounds=[(0, None)] * 4, method="L-BFGS-B", tol=1e-13) for start in np.eye(4)),
        key=lambda result: result.fun,
    )
    got = fusion.fit_view_weights(logits.double(), targets, ridge=ridge).numpy()
    assert (got >= 0).all()
    assert objective(got) <= best.fun + 1e-7
    np.testing.assert_allclose(got, best.x, atol=5e-3)


def test_a_misleading_view_gets_weight_zero_and_inputs_stay():
    logits, targets = problem(200, 3, 4)
    logits[:, 0] = -logits[:, 2]
    copy = logits.clone()
    assert fusion.fit_view_weights(logits, targets, ridge=0.1)[0] == 0.0
    assert torch.equal(logits, copy)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("grid", [(0.25, 0.5, 0.75, 1.0), (0.0, 1.0), (1.0, 0.2)])
def test_search_equals_brute_force(seed, grid):
    logits, targets = problem(40, 5, 6, seed)
    weights, accuracy = search_view_weights(logits, targets, split="val", grid=grid)

    def score(w):
        z = (logits * torch.tensor(w)[:, None]).sum(1)
        return (z.argmax(1) == targets).double().mean().item() if any(w) else -1.0

    assert accuracy == pytest.approx(max(score(w) for w in product(grid, repeat=5)))
    assert score(weights.tolist()) == pytest.approx(accuracy)


@pytest.mark.parametrize("seed", range(12))
def test_search_that_cuts_branches_equals_brute_force(seed):
    logits, targets = problem(30 + seed, 6, 4, seed)
    logits[:, :3] = logits[:, 3:].flip(1) + 0.1 * logits[:, :3]
    combos = torch.tensor(list(product((0.25, 0.5, 0.75, 1.0), repeat=6)))
    right = (torch.einsum("mv,nvk->mnk", combos, logits).argmax(2) == targets).sum(1)
    weights, accuracy = search_view_weights(logits, targets, split="val")
    assert accuracy * len(targets) == pytest.approx(int(right.max()))
    assert torch.equal(weights, combos[right.argmax()])


@pytest.mark.parametrize("split", ["test", "Test", "modelnet40_test", "testing", "scanobjectnn/test.h5"])
def test_choosing_on_a_test_split_is_refused(split):
    logits, targets = problem(6, 2, 3)
    with pytest.raises(InputError, match="nothing is chosen on a test split"):
        search_view_weights(logits, targets, split=split)
    with pytest.raises(InputError, match="nothing is chosen on a test split"):
        fusion.fit_ensemble(logits[:, 0], logits[:, 1], targets, split=split)


@pytest.mark.parametrize("split", ["val", "train", "latest", "contest"])
def test_other_split_names_pass(split):
    logits, targets = problem(6, 2, 3)
    search_view_weights(logits, targets, split=split)


def test_ensemble_picks_the_network_that_is_right_whatever_its_scale():
    targets = torch.arange(4).repeat(10)
    right, noise = F.one_hot(targets, 4).float(), torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
    for factor in (1e-3, 1.0, 1e3):
        chosen = fusion.fit_ensemble(noise, factor * right, targets, split="val")
        assert chosen.weight > 0.5
        assert (chosen(noise, factor * right).argmax(1) == targets).all()
        assert fusion.fit_ensemble(factor * right, noise, targets, split="val").weight < 0.5


def test_two_halves_of_the_truth_beat_each_alone():
    targets = torch.arange(4).repeat(10)
    hot = F.one_hot(targets, 4).float()
    a = hot * torch.tensor([1.0, 1.0, 0.0, 0.0]) + 1e-3 * torch.tensor([1.0, 0.0, 0.0, 0.0])
    b = 50 * (hot * torch.tensor([0.0, 0.0, 1.0, 1.0]) + 1e-3 * torch.tensor([0.0, 0.0, 1.0, 0.0]))
    chosen = fusion.fit_ensemble(a, b, targets, split="val")
    assert 0 < chosen.weight < 1
    assert (chosen(a, b).argmax(1) == targets).all()


def test_logits_file_is_matched_by_id(tmp_path):
    path = tmp_path / "net.npz"
    np.savez(path, ids=np.array(["b", "a", "c"]), logits=np.arange(9.0).reshape(3, 3))
    table = fusion.load_logits(path, num_classes=3)
    assert table.rows(["a", "b"]).tolist() == [[3, 4, 5], [0, 1, 2]]
    with pytest.raises(InputError, match="lack 1 of 2 shapes, first 'z'"):
        table.rows(["a", "z"])


@pytest.mark.parametrize(
    ("arrays", "word"),
    [
        ({"ids": np.array(["a", "a"]), "logits": np.zeros((2, 3))}, "repeat"),
        ({"ids": np.array(["a"]), "logits": np.zeros((2, 3))}, r"\(N,K\)"),
        ({"ids": np.array(["a"]), "logits": np.full((1, 3), np.nan)}, "nan"),
        ({"ids": np.array(["a"]), "logits": np.zeros((1, 4))}, "3 columns"),
        ({"logits": np.zeros((1, 3))}, "must hold the arrays"),
        ({"ids": np.array([{}], dtype=object), "logits": np.zeros((1, 3))}, "plain arrays"),
    ],
)
def test_bad_logits_files_are_refused(tmp_path, arrays, word):
    path = tmp_path / "net.npz"
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=word):
        fusion.load_logits(path, num_classes=3)


def test_missing_and_damaged_logits_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        fusion.load_logits(tmp_path / "none.npz")
    for name, content in (("text.npz", b"hello"), ("cut.npz", b"PK\x03\x04abc"), ("empty.npz", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="not a readable"):
            fusion.load_logits(tmp_path / name)

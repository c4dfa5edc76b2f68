"""Few-shot methods on cached features: they learn, choose on validation, resume and repeat."""

import io
import itertools
import json

import pytest
import torch
from torch.nn import functional as F

from pointclip._base.seeds import draw
from pointclip.errors import InputError
from pointclip.heads import adapter as training
from pointclip.heads.adapter import AdapterTrainer, Recipe, smooth_cross_entropy
from pointclip.heads.probe import _Logistic
from pointclip.heads.table import METHODS, build_head, fit_head

QUICK = Recipe.adamw(epochs=40, batch_size=16)


def task(shots: int = 8, classes: int = 8, views: int = 4, channels: int = 24, seed: int = 0, noisy: int = 0):
    """Features that hold their class in a direction the text does not quite point to; the first views may be noise."""
    g = torch.Generator().manual_seed(seed)
    text = F.normalize(torch.randn(classes, channels, generator=g), dim=-1)
    centre = F.normalize(text + torch.randn(classes, channels, generator=g) * 0.45, dim=-1)

    def sample(per_class):
        targets = torch.arange(classes).repeat(per_class)
        noise = torch.randn(len(targets), views, channels, generator=g) * 0.15
        noise[:, :noisy] *= 12
        return F.normalize(centre[targets][:, None] + noise, dim=-1), targets

    return text, sample(shots), sample(10), sample(40)


def options(method):
    return {"recipe": QUICK} if method in ("adapter", "light") else {}


def accuracy(head, features, targets):
    with torch.no_grad():
        return (head(features).argmax(1) == targets).double().mean().item()


@pytest.mark.parametrize("method", METHODS)
def test_each_method_beats_zero_shot_and_round_trips(method):
    text, train, val, held_out = task(noisy=2 if method == "weights" else 0)
    zero_shot = (held_out[0].mean(1) @ text.T).argmax(1).eq(held_out[1]).double().mean().item()
    fitted = fit_head(method, *train, text, *val, **options(method))
    assert accuracy(fitted.head, *held_out) > zero_shot
    assert accuracy(fitted.head, *val) == pytest.approx(fitted.val_accuracy)
    again = build_head(json.loads(json.dumps(fitted.head.config)))
    again.load_state_dict(fitted.head.state_dict())
    assert torch.equal(again(held_out[0]), fitted.head(held_out[0]))
    json.dumps(fitted.history)
    json.dumps(fitted.chosen)


@pytest.mark.parametrize("method", METHODS)
def test_runs_repeat_and_leave_inputs_and_global_state(method):
    text, train, val, _ = task(shots=3)
    inputs = (*train, text, *val)
    before, state = [t.clone() for t in inputs], torch.get_rng_state()
    heads = [fit_head(method, *inputs, **options(method)).head for _ in range(2)]
    for name, tensor in heads[0].state_dict().items():
        assert torch.equal(tensor, heads[1].state_dict()[name]), name
    assert all(torch.equal(a, b) for a, b in zip(inputs, before, strict=True))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("method", METHODS)
def test_augmented_copies_and_no_validation_work(method):
    text, (train, targets), _, _ = task(shots=2)
    copies = torch.stack([train, train.roll(1, 1), train], 1)
    fitted = fit_head(method, copies, targets, text, **options(method))
    assert fitted.val_accuracy is None
    assert fitted.head(train).shape == (len(train), 8)
    again = build_head(fitted.head.config)
    again.load_state_dict(fitted.head.state_dict())
    assert torch.equal(again(train), fitted.head(train))


@pytest.mark.parametrize("method", METHODS)
def test_one_shot_of_each_class_works(method):
    text, train, val, _ = task(shots=1)
    assert fit_head(method, *train, text, *val, **options(method)).head(val[0]).isfinite().all()


def test_the_seed_matters_to_adapters():
    text, train, _, _ = task()
    one, two = (AdapterTrainer(*train, text, recipe=QUICK, seed=seed).run() for seed in (0, 1))
    assert not torch.equal(one.adapter.body.squeeze.weight, two.adapter.body.squeeze.weight)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("stop", [0, 1, 7, 11])
def test_a_run_stopped_after_any_batch_resumes_to_the_same_bytes(stop, optimizer):
    text, train, val, _ = task()
    arguments = {"recipe": Recipe(epochs=4, batch_size=8, optimizer=optimizer), "seed": 3}
    whole = AdapterTrainer(*train, text, *val, **arguments)
    wanted = whole.run()
    first = AdapterTrainer(*train, text, *val, **arguments)
    for _ in range(stop):
        first.step()
    buffer = io.BytesIO()
    torch.save(first.state_dict(), buffer)
    buffer.seek(0)
    second = AdapterTrainer(*train, text, *val, **arguments)
    second.load_state_dict(torch.load(buffer, weights_only=True))
    got = second.run()
    for name, tensor in wanted.state_dict().items():
        assert torch.equal(tensor, got.state_dict()[name]), name
    assert second.history == whole.history and second.best_epoch == whole.best_epoch


def test_the_best_epoch_on_validation_is_kept():
    text, train, val, _ = task()
    trainer = AdapterTrainer(*train, text, *val, recipe=QUICK)
    head = trainer.run()
    best = max(record["val_accuracy"] for record in trainer.history)
    assert accuracy(head, *val) == best == trainer.history[trainer.best_epoch - 1]["val_accuracy"]
    assert [record["epoch"] for record in trainer.history] == list(range(1, 41))
    assert trainer.history[-1]["loss"] < trainer.history[0]["loss"]


def test_every_step_draws_its_own_dropout_and_every_epoch_its_own_order(monkeypatch):
    drawn = []
    monkeypatch.setattr(training, "draw", lambda *key: drawn.append(key[:3]) or draw(*key))
    text, train, _, _ = task()
    AdapterTrainer(*train, text, recipe=Recipe(epochs=3, batch_size=16)).run()
    assert len({key for key in drawn if key[1] == "dropout"}) == 3 * 4
    assert len({key for key in drawn if key[1] == "order"}) == 3


def test_state_is_a_copy():
    text, train, _, _ = task()
    trainer = AdapterTrainer(*train, text, recipe=QUICK)
    state = trainer.state_dict()
    before = state["adapter"]["body.squeeze.weight"].clone()
    trainer.step()
    assert torch.equal(state["adapter"]["body.squeeze.weight"], before)


def test_callbacks_see_every_step_and_epoch():
    text, train, _, _ = task()
    steps, epochs = [], []
    trainer = AdapterTrainer(*train, text, recipe=Recipe(epochs=3, batch_size=8))
    trainer.run(lambda t: epochs.append(t.epoch), lambda t: steps.append(t.step_index))
    assert epochs == [1, 2, 3] and steps == list(range(1, 3 * (64 // 8) + 1))


def test_learning_rate_follows_the_papers_schedule():
    rates = [Recipe().lr_at(epoch) for epoch in range(250)]
    assert rates[:2] == [1e-5, 0.01]
    assert all(a > b for a, b in itertools.pairwise(rates[1:])) and rates[-1] < 1e-5


def test_smoothing_gives_the_target_its_share_exactly():
    logits, targets = torch.randn(6, 5), torch.randint(5, (6,))
    soft = torch.full((6, 5), 0.2 / 4).scatter(1, targets[:, None], 0.8)
    wanted = -(soft * logits.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(smooth_cross_entropy(logits, targets, 0.2), wanted)


@pytest.mark.parametrize("rows", [12, 60])
def test_probe_solver_finds_the_minimum(rows):
    g = torch.Generator().manual_seed(rows)
    x, targets = torch.randn(rows, 20, generator=g, dtype=torch.float64), torch.arange(rows) % 3
    offset = torch.randn(rows, 3, generator=g, dtype=torch.float64)
    weight, bias = (t.double().requires_grad_() for t in _Logistic(x, targets, offset).solve(0.01))
    loss = F.cross_entropy(x @ weight.T + bias + offset, targets) + 0.005 * weight.square().sum()
    slopes = torch.autograd.grad(loss, (weight, bias))
    assert max(slope.abs().max().item() for slope in slopes) < 1e-5


def test_cache_with_alpha_zero_and_weights_without_gain_are_zero_shot():
    text, train, val, _ = task()
    plain = 100 * (val[0].mean(1) @ text.T)
    head = fit_head("cache", *train, text, alphas=(0.0,)).head
    torch.testing.assert_close(head(val[0]), plain, atol=1e-4, rtol=1e-4)
    uniform = fit_head("weights", *train, text, ridges=(1e12,)).head
    torch.testing.assert_close(uniform(val[0]), plain, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"method": "prob"}, "did you mean 'probe'"),
        ({"targets": torch.full((64,), 9)}, "targets must lie in"),
        ({"targets": torch.zeros(4, dtype=torch.int64)}, "one class per cloud"),
        ({"train": torch.full((64, 4, 24), float("nan"))}, "nan or inf"),
        ({"text": torch.zeros(8, 9)}, "text"),
    ],
)
def test_wrong_input_is_refused_in_words(change, word):
    text, (train, targets), _, _ = task()
    arguments = {"method": "cache", "train": train, "targets": targets, "text": text, **change}
    with pytest.raises(InputError, match=word):
        fit_head(**arguments)


@pytest.mark.parametrize("config", [{"kind": "prob"}, {"kind": "weights"}, {"kind": "weights", "extra": 1}])
def test_unknown_head_configurations_are_refused(config):
    with pytest.raises(InputError, match="head"):
        build_head(config)

"""The inter-view adapter against the formula, the paper's sizes and its identities."""

import pytest
import torch
from torch.nn import functional as F

from pointclip.errors import InputError
from pointclip.heads.network import InterViewAdapter, WideLinear


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


@pytest.mark.parametrize(("channels", "count"), [(512, 5_513_226), (1024, 22_036_490)])
def test_parameter_count_is_the_papers(channels, count):
    assert InterViewAdapter(channels, 10).num_parameters == count


def test_light_has_under_300k_parameters():
    assert InterViewAdapter(512, 10, variant="light").num_parameters < 300_000


@pytest.mark.parametrize("variant", ["paper", "light"])
@pytest.mark.parametrize(("channels", "views"), [(8, 1), (16, 6), (20, 11)])
@pytest.mark.parametrize("training", [False, True])
def test_ratio_zero_is_the_identity(variant, channels, views, training):
    adapter = InterViewAdapter(channels, views, ratio=0.0, variant=variant).train(training)
    torch.nn.init.normal_(list(adapter.parameters())[-1])
    features = unit(5, views, channels)
    assert torch.equal(adapter(features), features)


def test_light_starts_as_the_identity_and_still_learns():
    adapter, features = InterViewAdapter(16, 4, variant="light"), unit(6, 4, 16)
    out = adapter(features)
    assert torch.equal(out, features)
    out.square().sum().backward()
    assert adapter.body.up.weight.grad.abs().sum() > 0


def transcription(adapter, features, batch_statistics):
    body = adapter.body
    p = {name: value.double() for name, value in body.state_dict().items()}
    f = features.double()

    def norm(x, name):
        mean, var = p[f"{name}.running_mean"], p[f"{name}.running_var"]
        if batch_statistics:
            mean, var = x.mean(0), x.var(0, unbiased=False)
        return (x - mean) / (var + 1e-5).sqrt() * p[f"{name}.weight"] + p[f"{name}.bias"]

    b, v, c = f.shape
    x = f * p["view_scale"].reshape(1, v, 1)
    x = norm(x.reshape(b * v, c), "norm_in").reshape(b, v * c)
    g = norm(x @ p["squeeze.weight"].T + p["squeeze.bias"], "norm_global").clamp_min(0)
    h = (g @ p["hidden.weight"].T + p["hidden.bias"]).clamp_min(0)
    h = (h @ p["expand.weight"].T + p["expand.bias"]).clamp_min(0)
    return 0.6 * h.reshape(b, v, c) + 0.4 * f


@pytest.mark.parametrize("training", [False, True])
def test_forward_is_the_formula(training):
    adapter = InterViewAdapter(24, 5, dropout=0.0)
    for parameter in adapter.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    adapter.body.norm_in.running_mean.normal_()
    adapter.body.norm_global.running_var.uniform_(0.5, 2.0)
    features = unit(7, 5, 24)
    expected = transcription(adapter, features, batch_statistics=training)
    got = adapter.train(training)(features)
    torch.testing.assert_close(got.double(), expected, atol=1e-5, rtol=1e-4)


def test_view_scales_start_at_one_half_and_differ_from_batch_norm():
    assert InterViewAdapter(8, 3).body.view_scale.tolist() == [0.5] * 3


def test_permuted_views_with_permuted_weights_give_permuted_output():
    adapter, features, order = InterViewAdapter(12, 4).eval(), unit(3, 4, 12), torch.tensor([2, 0, 3, 1])
    torch.nn.init.normal_(adapter.body.view_scale)
    moved = InterViewAdapter(12, 4).eval()
    moved.load_state_dict(adapter.state_dict())
    with torch.no_grad():
        moved.body.view_scale.copy_(adapter.body.view_scale[order])
        moved.body.squeeze.weight.copy_(adapter.body.squeeze.weight.view(12, 4, 12)[:, order].reshape(12, 48))
        moved.body.expand.weight.copy_(adapter.body.expand.weight.view(4, 12, 12)[order].reshape(48, 12))
        moved.body.expand.bias.copy_(adapter.body.expand.bias.view(4, 12)[order].reshape(48))
    torch.testing.assert_close(moved(features[:, order]), adapter(features)[:, order], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("variant", ["paper", "light"])
def test_gradient_reaches_live_features(variant):
    adapter = InterViewAdapter(6, 3, variant=variant, rank=4).double().eval()
    torch.nn.init.normal_(list(adapter.parameters())[-2])
    assert torch.autograd.gradcheck(adapter, unit(2, 3, 6).double().requires_grad_())


def test_generator_decides_weights_and_dropout_and_global_state_is_untouched():
    before = torch.get_rng_state()

    def run(seed):
        g = torch.Generator().manual_seed(seed)
        return InterViewAdapter(8, 3, dropout=0.5, generator=g)(unit(4, 3, 8), g)

    one, two, other = run(1), run(1), run(2)
    assert torch.equal(one, two) and not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_dropout_drops_its_share_and_keeps_the_mean():
    from pointclip.heads.network import _drop

    out = _drop(torch.ones(200_001), 0.075, True, torch.Generator().manual_seed(0))
    assert abs((out == 0).double().mean().item() - 0.075) < 0.003
    assert abs(out.mean().item() - 1.0) < 0.004


def test_wide_linear_agrees_with_linear_and_its_gradients():
    layer, x = WideLinear(40, 30), torch.randn(9, 40, requires_grad=True)
    plain = F.linear(x, layer.weight, layer.bias)
    upstream = torch.randn(9, 30)
    wanted = torch.autograd.grad(plain, (x, layer.weight, layer.bias), upstream)
    got = torch.autograd.grad(layer(x), (x, layer.weight, layer.bias), upstream)
    for a, b in zip(got, wanted, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [({"ratio": 1.5}, "ratio"), ({"variant": "papr"}, "did you mean 'paper'"), ({"dropout": 1.0}, "dropout")],
)
def test_wrong_arguments_are_refused(arguments, word):
    with pytest.raises(InputError, match=word):
        InterViewAdapter(8, 2, **arguments)


def test_wrong_shapes_are_refused():
    adapter = InterViewAdapter(8, 2)
    with pytest.raises(InputError, match=r"\(B, 2, 8\)"):
        adapter(torch.zeros(3, 8, 2))
    with pytest.raises(InputError, match="at least 2 clouds"):
        adapter(torch.zeros(1, 2, 8))

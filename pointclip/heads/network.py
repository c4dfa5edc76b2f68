"""The inter-view adapter: a small trainable network between the frozen encoder and the text features."""

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from pointclip._base.checks import check_floating, check_shape, nearest
from pointclip.errors import InputError

VARIANTS = ("paper", "light")


def _onednn(x: Tensor, weight: Tensor) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")


@cache
def has_onednn_linear() -> bool:
    """Tell whether this build of torch has oneDNN's float32 linear and computes it right.

    Example:
        >>> has_onednn_linear() in (True, False)
        True
    """
    x, weight = torch.arange(6.0).view(2, 3), torch.arange(12.0).view(4, 3)
    try:
        return torch.equal(_onednn(x, weight), x @ weight.T)
    except (AttributeError, RuntimeError, TypeError):  # there is no such op, or not for this processor
        return False


class _Product(torch.autograd.Function):
    """x W^T whose three products, forward and backward, run on oneDNN."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _onednn(x, weight)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None]:
        (grad,), (x, weight) = grads, ctx.saved_tensors
        needs_x, needs_weight = ctx.needs_input_grad
        if torch.is_grad_enabled():
            return grad @ weight if needs_x else None, grad.T @ x if needs_weight else None
        return (
            _onednn(grad, weight.T) if needs_x else None,
            _onednn(grad.T.contiguous(), x.T) if needs_weight else None,
        )


class WideLinear(nn.Linear):
    """``nn.Linear``, same weights and same meaning, 2 to 3 times as fast at 32 x 5120 x 512 on some CPUs.

    torch multiplies float32 matrices with MKL, which leaves the AVX-512 units of other makers' CPUs unused; oneDNN
    does not. Results agree to float32 rounding. Anything that is not a float32 matrix on a CPU takes the usual path.

    Example:
        >>> layer = WideLinear(3, 2)
        >>> x = torch.ones(4, 3)
        >>> torch.allclose(layer(x), torch.nn.functional.linear(x, layer.weight, layer.bias))
        True
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input @ weight.T + bias`` for an (N, in_features) input."""
        float32_cpu = all(t.dtype == torch.float32 and t.device.type == "cpu" for t in (input, self.weight))
        if input.ndim != 2 or not float32_cpu or torch.is_autocast_enabled("cpu") or not has_onednn_linear():
            return super().forward(input)
        product = _Product.apply(input, self.weight)
        return product if self.bias is None else product + self.bias


def _linear(inputs: int, outputs: int, generator: torch.Generator | None) -> nn.Linear:
    """Build a linear layer with the usual initial distribution, drawn from a given generator."""
    layer = nn.utils.skip_init(WideLinear, inputs, outputs)
    bound = inputs**-0.5
    nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
    nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
    return layer


def _drop(x: Tensor, rate: float, training: bool, generator: torch.Generator | None) -> Tensor:
    """Dropout from a given generator, four 16-bit draws per random number (rate to within 2^-17)."""
    if not training or rate == 0.0:
        return x
    quarter = torch.empty((x.numel() + 3) // 4, dtype=torch.int64, device=x.device)
    bits = quarter.random_(-(2**63), None, generator=generator).view(torch.int16)[: x.numel()].view_as(x)
    keep = (bits >= round(rate * 2**16) - 2**15).to(x.dtype)
    return x * keep.div_(1.0 - rate)


def _norm_views(norm: nn.BatchNorm1d, x: Tensor) -> Tensor:
    """Batch-normalise (B,V,C) per channel over clouds and views together."""
    return norm(x.flatten(0, 1)).view_as(x)


class _PaperBody(nn.Module):
    """h of the paper: one global feature from all views, then one residual per view."""

    def __init__(self, channels: int, num_views: int, dropout: float, generator: torch.Generator | None) -> None:
        super().__init__()
        self.dropout = dropout
        self.view_scale = nn.Parameter(torch.full((num_views,), 0.5))
        self.norm_in = nn.BatchNorm1d(channels)
        self.squeeze = _linear(num_views * channels, channels, generator)
        self.norm_global = nn.BatchNorm1d(channels)
        self.hidden = _linear(channels, channels, generator)
        self.expand = _linear(channels, num_views * channels, generator)

    def forward(self, features: Tensor, generator: torch.Generator | None) -> Tensor:
        x = _norm_views(self.norm_in, features * self.view_scale[:, None])
        x = _drop(x, self.dropout, self.training, generator)
        g = self.norm_global(self.squeeze(x.flatten(1))).relu()
        g = _drop(g, self.dropout, self.training, generator)
        return self.expand(self.hidden(g).relu()).relu().view_as(features)


class _LightBody(nn.Module):
    """The same idea with every wide matrix in low rank and one gate per view; zero at the start."""

    def __init__(
        self, channels: int, num_views: int, dropout: float, rank: int, generator: torch.Generator | None
    ) -> None:
        super().__init__()
        self.dropout, self.num_views, self.rank = dropout, num_views, rank
        self.view_scale = nn.Parameter(torch.full((num_views,), 0.5))
        self.view_gate = nn.Parameter(torch.ones(num_views))
        self.norm_in = nn.BatchNorm1d(channels)
        self.down = nn.utils.skip_init(nn.Linear, channels, rank, bias=False)
        nn.init.uniform_(self.down.weight, -(channels**-0.5), channels**-0.5, generator=generator)
        self.squeeze = _linear(num_views * rank, 2 * rank, generator)
        self.norm_global = nn.BatchNorm1d(2 * rank)
        self.expand = _linear(2 * rank, num_views * rank, generator)
        self.up = nn.utils.skip_init(nn.Linear, rank, channels)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, features: Tensor, generator: torch.Generator | None) -> Tensor:
        x = _norm_views(self.norm_in, features * self.view_scale[:, None])
        x = _drop(x, self.dropout, self.training, generator)
        g = self.norm_global(self.squeeze(self.down(x).flatten(1))).relu()
        g = _drop(g, self.dropout, self.training, generator)
        code = self.expand(g).relu().view(-1, self.num_views, self.rank)
        return self.up(code) * self.view_gate[:, None]


class InterViewAdapter(nn.Module):
    """Mix the views of a cloud and add what was learned to the frozen features.

    ``variant="paper"`` is the adapter of PointCLIP, parameter for parameter::

        x   = F * r                                            r: one learnable scalar per view, 0.5 at the start
        g   = Dropout(ReLU(BN(Linear(flatten(Dropout(BN(x)))))))   VC -> C; the inner BN is per channel over all views
        h   = ReLU(Linear(ReLU(Linear(g))))                    C -> C -> VC, one residual per view
        out = ratio * h + (1 - ratio) * F

    ``variant="light"`` keeps the shape of that with low-rank matrices and one gate per view (231,956 parameters at
    C=512, V=10 instead of 5,513,226) and starts as the identity: ``out = F + ratio * gate_v * h_v`` with h = 0.

    The output is **not** normalised, as in the formula. Before logits, pass it through
    :func:`pointclip.fusion.logits.unit_views`, which normalises all views of a cloud together as the paper's code does.

    Args:
        channels: C, the width of a view's feature.
        num_views: V.
        ratio: Share of the learned residual, in [0, 1]; 0 is the identity.
        variant: ``"paper"`` or ``"light"``.
        dropout: Probability in [0, 1) of both dropouts while training; the paper's code uses 0.075.
        rank: Width of the low-rank code per view (``"light"`` only).
        generator: Source of the initial weights; ``None`` uses torch's global one.

    Raises:
        InputError: An argument is out of range, or the variant is unknown.

    Note:
        Differentiable in the parameters and in the features, so it works on cached and on live ones. In training mode
        batch normalisation needs at least two clouds per batch.

    Example:
        >>> adapter = InterViewAdapter(channels=512, num_views=10)
        >>> adapter.num_parameters
        5513226
        >>> features = torch.nn.functional.normalize(torch.randn(4, 10, 512), dim=-1)
        >>> adapter(features).shape
        torch.Size([4, 10, 512])
        >>> torch.equal(InterViewAdapter(512, 10, ratio=0.0)(features), features)
        True
    """

    def __init__(
        self,
        channels: int,
        num_views: int,
        ratio: float = 0.6,
        variant: str = "paper",
        *,
        dropout: float = 0.075,
        rank: int = 64,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if variant not in VARIANTS:
            raise InputError(f"variant {variant!r} is not an adapter: {nearest(variant, VARIANTS)}")
        if min(channels, num_views, rank) < 1:
            raise InputError(f"channels, num_views and rank must be at least 1, got {channels}, {num_views} and {rank}")
        if not 0.0 <= ratio <= 1.0:
            raise InputError(f"ratio must lie in [0, 1], got {ratio}: 0 keeps the frozen features, 1 drops them")
        if not 0.0 <= dropout < 1.0:
            raise InputError(f"dropout must lie in [0, 1), got {dropout}")
        self.channels, self.num_views, self.ratio = channels, num_views, ratio
        self.variant, self.dropout, self.rank = variant, dropout, rank
        self.body: nn.Module
        if variant == "paper":
            self.body = _PaperBody(channels, num_views, dropout, generator)
        else:
            self.body = _LightBody(channels, num_views, dropout, rank, generator)

    @property
    def num_parameters(self) -> int:
        """Count the learnable numbers, batch normalisation included."""
        return sum(parameter.numel() for parameter in self.parameters())

    @property
    def config(self) -> dict[str, Any]:
        """Return the keyword arguments that rebuild this adapter, for a checkpoint.

        Example:
            >>> InterViewAdapter(**InterViewAdapter(8, 3, 0.2).config).ratio
            0.2
        """
        names = ("channels", "num_views", "ratio", "variant", "dropout", "rank")
        return {name: getattr(self, name) for name in names}

    def forward(self, features: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Adapt the features of all views.

        Args:
            features: (B,V,C) floating point, unit length per view.
            generator: Source of the dropout masks in training mode; ``None`` uses torch's global one.

        Returns:
            (B,V,C), not normalised.

        Raises:
            InputError: The shape is not (B, num_views, channels), or a training batch holds one cloud.
        """
        check_shape("features", features, f"B {self.num_views} {self.channels}")
        check_floating("features", features)
        if self.training and len(features) == 1:
            raise InputError("the adapter needs at least 2 clouds per batch while training, got 1: call .eval() first")
        residual = self.body(features, generator)
        if self.variant == "light":
            return features + self.ratio * residual
        return self.ratio * residual + (1.0 - self.ratio) * features

    def extra_repr(self) -> str:
        """Word the configuration for ``print``."""
        return ", ".join(f"{name}={value!r}" for name, value in self.config.items())

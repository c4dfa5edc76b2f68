"""Convolutions of a frozen tower take in what surrounds them: batch norms behind, TensorFlow's padding before."""

import itertools
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad


def fold(tower: nn.Module) -> int:
    """Fold in place; tensors that change are replaced, never written to.

    Args:
        tower: In evaluation mode.

    Returns:
        How many modules were folded into a convolution.

    Example:
        >>> pair = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval()
        >>> fold(pair), pair[1]
        (1, Sequential())
    """
    parents = list(tower.modules())
    return sum(map(_fold_norms, parents)) + sum(map(_fold_padding, parents))


class EvenStride(nn.Module):
    """A convolution of stride 2 padded as TensorFlow does, without a padded copy of the input.

    TensorFlow pads an even side by one row less before than behind. A row of zeros before the kernel makes that the
    same on both sides, which every convolution can do by itself.

    Args:
        conv: The original; see :meth:`takes`.

    Example:
        >>> EvenStride(nn.Conv2d(1, 1, 3, stride=2))(torch.zeros(1, 1, 8, 7)).shape
        torch.Size([1, 1, 4, 4])
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.reach, self.groups = conv.kernel_size[0] // 2, conv.groups
        self.weight = nn.Parameter(pad(conv.weight.detach(), (1, 0, 1, 0)), requires_grad=False)
        self.bias = conv.bias

    @staticmethod
    def takes(conv: nn.Module) -> bool:
        """Tell whether a module is a convolution of timm padded so, of stride 2 and a square kernel of 3, 5, 7 ..."""
        if f"{type(conv).__module__}.{type(conv).__qualname__}" != "timm.layers.conv2d_same.Conv2dSame":
            return False
        known: Any = conv
        side = known.kernel_size[0]
        shape = (known.kernel_size, tuple(known.stride), tuple(known.dilation))
        return side > 1 and bool(side % 2) and shape == ((side, side), (2, 2), (1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, D, H/2, W/2), rounded up."""
        padding = [self.reach + side % 2 for side in x.shape[-2:]]
        return conv2d(x, self.weight, self.bias, 2, padding, 1, self.groups)


def _fold_padding(parent: nn.Module) -> int:
    found = [(name, child) for name, child in parent.named_children() if EvenStride.takes(child)]
    for name, child in found:
        setattr(parent, name, EvenStride(child))  # type: ignore[arg-type]
    return len(found)


def _fold_norms(parent: nn.Module) -> int:
    """Fold each batch norm into the convolution that stands right before it."""
    children = list(parent.named_children())
    count = 0
    for (_, conv), (name, norm) in itertools.pairwise(children):
        if _foldable(conv, norm):
            _fold_norm(conv, norm)
            after: list[Any] = [norm.drop, norm.act] if hasattr(norm, "act") else []  # timm's BatchNormAct2d
            setattr(parent, name, nn.Sequential(*(step for step in after if not isinstance(step, nn.Identity))))
            count += 1
    return count


def _foldable(conv: nn.Module, norm: nn.Module) -> bool:
    return (
        isinstance(conv, nn.Conv2d)
        and isinstance(norm, nn.BatchNorm2d)
        and norm.running_mean is not None
        and norm.num_features == conv.out_channels
    )


@torch.no_grad()
def _fold_norm(conv: Any, norm: Any) -> None:
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    scale = scale if norm.weight is None else scale * norm.weight.double()
    shift = 0 if norm.bias is None else norm.bias.double()
    bias = (0 if conv.bias is None else conv.bias.double()) - norm.running_mean.double()
    dtype = conv.weight.dtype
    weight = (conv.weight.double() * scale.view(-1, 1, 1, 1)).to(dtype)
    conv.weight = nn.Parameter(weight, requires_grad=False)
    conv.bias = nn.Parameter((bias * scale + shift).to(dtype), requires_grad=False)

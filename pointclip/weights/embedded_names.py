"""Distributions over names as features: the head that joins the two towers of ``embedded``.

A picture is seen as two distributions, over the names that shapes were trained with and over the 1000 classes that the
image tower itself was trained with; a label as its likeness to the same names. The square roots of both, side by side,
are unit vectors whose inner product is the overlap of the two distributions. Pictures fill only a small part of that
space: features are its coordinates there. What of a label lies outside goes into one more channel, which is 0 for
pictures, so that every inner product of a picture with a label stays what it was, to a factor of the picture.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, normalize, pad

from pointclip.weights.embedded_head import Head


class ImageNames(nn.Module):
    """Map pooled features of the image tower (B, D) to features (B, C), unit length, float32.

    Args:
        head: What was trained.
        class_weight: (M, D), the image tower's own classifier.
        class_bias: (M,).
    """

    weight: Tensor
    bias: Tensor
    class_weight: Tensor
    class_bias: Tensor
    basis: Tensor

    def __init__(self, head: Head, class_weight: Tensor, class_bias: Tensor) -> None:
        super().__init__()
        self.share = head.share
        for name, tensor in (("weight", head.weight), ("bias", head.bias)):
            self.register_buffer(name, tensor)
            self.register_buffer(f"class_{name}", class_weight if name == "weight" else class_bias)
        self.register_buffer("basis", head.basis)

    def forward(self, pooled: Tensor) -> Tensor:
        """Encode pooled features."""
        pooled = pooled.float()
        names = linear(normalize(pooled, dim=-1), self.weight.float(), self.bias.float())
        classes = linear(pooled, self.class_weight.float(), self.class_bias.float())
        inside = roots(names, classes, self.share) @ self.basis.float()
        return pad(normalize(inside, dim=-1), (0, 1))


class LabelNames(nn.Module):
    """Map sentence embeddings (K, E) to features (K, C), unit length, float32.

    Args:
        head: What was trained.
    """

    names: Tensor
    classes: Tensor
    basis: Tensor

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.share, self.sharpness = head.share, head.sharpness
        self.register_buffer("names", head.names)
        self.register_buffer("classes", head.classes)
        self.register_buffer("basis", head.basis)

    def forward(self, sentences: Tensor) -> Tensor:
        """Encode sentence embeddings."""
        unit = normalize(sentences.float(), dim=-1)
        names, classes = (
            sharp * unit @ rows.float().T
            for sharp, rows in zip(self.sharpness, (self.names, self.classes), strict=True)
        )
        return coordinates(roots(names, classes, self.share), self.basis.float())


def coordinates(vectors: Tensor, basis: Tensor) -> Tensor:
    """Give the coordinates of unit vectors in a space, and in one more channel the length of what lies outside.

    Args:
        vectors: (..., N), unit length.
        basis: (N, C), orthonormal.

    Returns:
        (..., C + 1), unit length.

    Example:
        >>> coordinates(torch.tensor([0.6, 0.8]), torch.tensor([[1.0], [0.0]]))
        tensor([0.6000, 0.8000])
    """
    inside = vectors @ basis
    return torch.cat([inside, (1 - inside.square().sum(-1, keepdim=True)).clamp_min(0).sqrt()], -1)


def roots(names: Tensor, classes: Tensor, share: float) -> Tensor:
    """Lay the square roots of two soft-maxes side by side, weighted so that the whole has unit length.

    Args:
        names: (..., N) logits.
        classes: (..., M) logits.
        share: Weight of the former, 0 to 1.

    Returns:
        (..., N + M).

    Example:
        >>> roots(torch.zeros(1, 4), torch.zeros(1, 1), 0.5).square().mul(8).round().tolist()
        [[1.0, 1.0, 1.0, 1.0, 4.0]]
    """
    parts = share * names.softmax(-1), (1 - share) * classes.softmax(-1)
    return torch.cat(parts, -1).sqrt()

"""A stand-in for the attention of open_clip's main branch, which its plain ViT uses in place of torch's own."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention


class Attention(nn.Module):
    """Self-attention with CLIP's four tensors under CLIP's names, and none of ``nn.MultiheadAttention``'s others."""

    __module__ = "open_clip.transformer"

    def __init__(self, old: nn.MultiheadAttention, qk_norm: bool = False) -> None:
        super().__init__()
        self.num_heads = old.num_heads
        self.in_proj_weight, self.in_proj_bias, self.out_proj = old.in_proj_weight, old.in_proj_bias, old.out_proj
        width = old.embed_dim // old.num_heads
        self.ln_q, self.ln_k = (nn.LayerNorm(width) if qk_norm else nn.Identity() for _ in range(2))
        self.logit_scale = self.head_scale = None
        self.out_drop = nn.Dropout(0.0)

    def forward(self, x: Tensor, *_others: Tensor, **_how: Any) -> tuple[Tensor]:
        """Attend; what today's block passes beside the tokens is not needed."""
        parts = linear(x, self.in_proj_weight, self.in_proj_bias).unflatten(2, (3, self.num_heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(self.ln_q(query), self.ln_k(key), value)
        return (self.out_drop(self.out_proj(mixed.transpose(1, 2).flatten(2))),)


def with_next_attention(tower: Any, **how: bool) -> Any:
    """Give every block of a ViT the next release's attention, with the same tensors."""
    for block in tower.transformer.resblocks:
        block.attn = Attention(block.attn, **how)
    return tower.eval().requires_grad_(False)


def with_unknown_attention(tower: Any) -> Any:
    """Give every block an attention that has nothing of CLIP's by name."""
    for block in with_next_attention(tower).transformer.resblocks:
        block.attn = _Hidden(block.attn)
    return tower


class _Hidden(nn.Module):
    __module__ = "open_clip.transformer"

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, *given: Any, **how: Any) -> torch.Tensor:
        return self.inner(*given, **how)

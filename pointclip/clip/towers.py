"""Image towers rewritten for speed: the same numbers from the same weights, to float rounding.

A frozen tower never changes, so what surrounds a convolution is folded into it. A transformer's tokens
stay batch first and contiguous, for a linear layer on a transposed view falls off the fast path of CPU libraries. Where
only one token is read in the end, the last attention is computed for that token alone.
"""

import copy
import logging
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, linear, scaled_dot_product_attention

from pointclip.clip import folding

_log = logging.getLogger(__name__)
_ATTENTION = {"in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"}
_MLP = ["c_fc", "gelu", "c_proj"]
REVISION = 2  # of the forms made here: what was measured of another revision is measured anew


def quickened(tower: nn.Module) -> nn.Module | None:
    """Rewrite an image tower of open_clip.

    Args:
        tower: An image tower in evaluation mode; it stays as it is.

    Returns:
        A tower that maps images to features alike, sharing all tensors but those of folded convolutions; None where
        nothing in the tower is of a structure known here.

    Example:
        >>> pair = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval()
        >>> images = torch.rand(1, 3, 5, 5)
        >>> torch.allclose(quickened(pair)(images), pair(images), atol=1e-5)
        True
    """
    if is_plain_vit(tower):
        return VisionTower(tower)
    shared: dict[int, Any] = {id(tensor): tensor for tensor in (*tower.parameters(), *tower.buffers())}
    found = copy.deepcopy(tower, shared)
    pools = [name for name, module in found.named_modules() if _is_attention_pool(module)]
    for name in pools:
        found.set_submodule(name, OneQueryPool(found.get_submodule(name)))
    return found if folding.fold(found) or pools else None


class VisionTower(nn.Module):
    """Run an open_clip ``VisionTransformer`` with a class token on contiguous, batch-first tokens.

    Args:
        tower: The original, whose parameters are used; see :func:`is_plain_vit`.

    Attributes:
        patch: Side of a patch in pixels.
        grid: Patches along a side.
    """

    def __init__(self, tower: Any) -> None:
        super().__init__()
        self.tower = tower
        self.patch, self.grid = int(tower.patch_size[0]), int(tower.grid_size[0])

    def forward(self, images: Tensor, keep: Tensor | None = None) -> Tensor:
        """Encode images.

        Args:
            images: (B, 3, S, S), normalised, in the tower's dtype.
            keep: (B, T) int64, the patches that enter, row by row of the grid; None lets all enter.

        Returns:
            (B, C) in the tower's dtype, not normalised.
        """
        tower = self.tower
        patches = tower.conv1(images).flatten(2).transpose(1, 2)
        patches = patches + tower.positional_embedding[1:]
        if keep is not None:
            patches = patches.gather(1, keep[:, :, None].expand(-1, -1, patches.shape[2]))
        first = (tower.class_embedding + tower.positional_embedding[0]).expand(len(images), 1, -1)
        tokens = _norm(tower.ln_pre, torch.cat([first, patches], 1))
        *blocks, last = tower.transformer.resblocks
        for block in blocks:
            tokens = _block(block, tokens)
        pooled = _norm(tower.ln_post, _last_block(last, tokens))
        return pooled if tower.proj is None else pooled @ tower.proj


class OneQueryPool(nn.Module):
    """Run the attention pool of open_clip's ResNets for its one query, the mean.

    Args:
        pool: The original, whose parameters are used.
    """

    def __init__(self, pool: Any) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, features: Tensor) -> Tensor:
        """Pool a map of features (B, D, h, w) to (B, C)."""
        pool = self.pool
        tokens = features.flatten(2).transpose(1, 2)
        tokens = torch.cat([tokens.mean(1, keepdim=True), tokens], 1) + pool.positional_embedding
        query = linear(tokens[:, 0], pool.q_proj.weight, pool.q_proj.bias)
        pooled = attend_once(
            query, tokens, pool.k_proj.weight, pool.v_proj.weight, pool.v_proj.bias, int(pool.num_heads)
        )
        return pool.c_proj(pooled)


def attend_once(query: Tensor, tokens: Tensor, key: Tensor, value: Tensor, bias: Tensor, heads: int) -> Tensor:
    """Attend with one query per image without making keys and values of every token.

    Scores are ``q (K x) = (q K) x``, and the mean of ``V x + b`` under weights that add to 1 is ``V`` of the mean of
    x, plus b. The bias of the keys moves all scores of a query alike, and plays no part.

    Args:
        query: (B, D), head after head.
        tokens: (B, T, D), what the keys and values are made of.
        key: (D, D), rows are outputs.
        value: (D, D), rows are outputs.
        bias: (D,) of the values.
        heads: The number of heads H; D is a multiple of it.

    Returns:
        (B, D), head after head; soft-max in float32.
    """
    width = query.shape[1] // heads
    by_head = query.unflatten(1, (heads, width)).transpose(0, 1)  # (H, B, D/H)
    probes = torch.bmm(by_head, key.unflatten(0, (heads, width))).transpose(0, 1)  # (B, H, D)
    scores = torch.bmm(probes, tokens.transpose(1, 2)).float() * width**-0.5
    seen = torch.bmm(scores.softmax(-1).to(tokens.dtype), tokens)  # (B, H, D)
    out = torch.bmm(seen.transpose(0, 1), value.unflatten(0, (heads, width)).transpose(1, 2))  # (H, B, D/H)
    return out.transpose(0, 1).flatten(1) + bias


def is_plain_vit(tower: nn.Module) -> bool:
    """Tell whether a tower is an open_clip ViT with a class token and blocks as in CLIP.

    Example:
        >>> is_plain_vit(nn.Linear(2, 2))
        False
    """
    if _origin(tower) != "open_clip.transformer.VisionTransformer":
        return False
    known: Any = tower
    blocks = list(known.transformer.resblocks)
    reasons = {
        "pool": known.attn_pool is not None or known.pool_type != "tok",
        "patches": known.conv1.bias is not None or known.patch_size[0] != known.patch_size[1],
        "no blocks": not blocks,
        "blocks": not all(_is_plain_block(block) for block in blocks),
    }
    found = [name for name, present in reasons.items() if present]
    if found:
        _log.info("the image tower runs open_clip's own forward: its %s differ from CLIP's", ", ".join(found))
    return not found


def _is_plain_block(block: Any) -> bool:
    if _origin(block) != "open_clip.transformer.ResidualAttentionBlock" or hasattr(block, "ln_1_kv"):
        return False
    return _is_plain_attention(block.attn) and [name for name, _ in block.mlp.named_children()] == _MLP


def _is_plain_attention(attention: nn.Module) -> bool:
    """Tell whether an attention has CLIP's four tensors and no other, be it torch's or open_clip's own."""
    mine = isinstance(attention, nn.MultiheadAttention) and not attention.add_zero_attn
    theirs = _origin(attention).startswith("open_clip.") and type(attention).__name__ == "Attention"
    tensors = {name for name, _ in (*attention.named_parameters(), *attention.named_buffers())}
    return (mine or theirs) and hasattr(attention, "num_heads") and tensors == _ATTENTION


def _is_attention_pool(module: nn.Module) -> bool:
    return _origin(module) == "open_clip.modified_resnet.AttentionPool2d"


def _origin(module: nn.Module) -> str:
    return f"{type(module).__module__}.{type(module).__qualname__}"


def _norm(norm: Any, tokens: Tensor) -> Tensor:
    """Normalise; torch keeps mean, variance and sums in float32 whatever the dtype of the tokens."""
    if isinstance(norm, nn.Identity):
        return tokens
    return layer_norm(tokens, norm.normalized_shape, norm.weight, norm.bias, norm.eps)


def _block(block: Any, tokens: Tensor) -> Tensor:
    attention = block.attn
    heads = int(attention.num_heads)
    projected = linear(_norm(block.ln_1, tokens), attention.in_proj_weight, attention.in_proj_bias)
    by_head = projected.unflatten(2, (3, heads, -1)).permute(2, 0, 3, 1, 4)  # (3, B, H, T, D/H)
    query, key, value = by_head.contiguous()  # a copy of 2 % of the time that attention then saves 10 % of
    mixed = scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
    tokens = tokens + block.ls_1(attention.out_proj(mixed))
    return tokens + block.ls_2(_mlp(block.mlp, _norm(block.ln_2, tokens)))


def _last_block(block: Any, tokens: Tensor) -> Tensor:
    """Run a block for the class token alone: (B, T, D) to (B, D)."""
    attention = block.attn
    normed = _norm(block.ln_1, tokens)
    q_weight, k_weight, v_weight = attention.in_proj_weight.chunk(3)
    q_bias, _, v_bias = attention.in_proj_bias.chunk(3)
    query = linear(normed[:, 0], q_weight, q_bias)
    mixed = attend_once(query, normed, k_weight, v_weight, v_bias, int(attention.num_heads))
    first = tokens[:, 0] + block.ls_1(attention.out_proj(mixed))
    return first + block.ls_2(_mlp(block.mlp, _norm(block.ln_2, first)))


def _mlp(mlp: Any, tokens: Tensor) -> Tensor:
    hidden = mlp.c_fc(tokens)
    if _origin(mlp.gelu) == "open_clip.transformer.QuickGELU" and not hidden.requires_grad:
        hidden = hidden.mul(1.702).sigmoid_().mul_(hidden)
    else:
        hidden = mlp.gelu(hidden)
    return mlp.c_proj(hidden)

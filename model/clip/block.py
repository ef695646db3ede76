"""Computes the transformer blocks of OpenAI's CLIP (image and text encoder) with torch's fused attention.

Legend: B batch, L tokens, D width.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

QUICK_GELU_SCALE = 1.702


def run_block(block: Any, x: Tensor, mask: Tensor | None = None, causal: bool = False) -> Tensor:
    """Computes a transformer block of CLIP: x [B, L, D] -> [B, L, D].

    `mask` is an attention mask that broadcasts to [B, heads, L, L]; with `causal`, a token attends only to itself and
    to earlier tokens.
    """
    attention = block.attn
    heads = attention.num_heads
    qkv = F.linear(normalized(block.ln_1, x), attention.in_proj_weight, attention.in_proj_bias)  # [B, L, 3D]
    q, k, v = qkv.unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)  # [B, heads, L, D/heads]
    mixed = _attend(q, k, v, mask, causal)
    x = x + attention.out_proj(mixed.transpose(1, 2).flatten(2))
    return x + block.mlp(normalized(block.ln_2, x))


@torch.no_grad()
def fold_quick_gelu(network: nn.Module) -> None:
    """Replaces QuickGELU by SiLU in every block of a CLIP network, and folds QuickGELU's scale s into adjacent weights.

    x · σ(s·x) = SiLU(s·x) / s, so the result is equal up to rounding. SiLU needs one kernel forward and one backward,
    QuickGELU three or more. The weights are changed in place. An already folded network is unchanged.
    """
    mlps: list[Any] = [module.mlp for module in network.modules() if hasattr(module, "mlp")]
    for mlp in mlps:
        if isinstance(mlp.gelu, nn.SiLU):
            continue
        mlp.c_fc.weight.mul_(QUICK_GELU_SCALE)
        mlp.c_fc.bias.mul_(QUICK_GELU_SCALE)
        mlp.c_proj.weight.div_(QUICK_GELU_SCALE)
        mlp.gelu = nn.SiLU()


def normalized(norm: Any, x: Tensor) -> Tensor:
    """Applies a layer norm in the dtype of `x`.

    OpenAI's own layer norm always computes in float32 and needs float32 weights.
    """
    return F.layer_norm(x, norm.normalized_shape, norm.weight, norm.bias, norm.eps)


def _attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
    if not (q.is_cpu and q.dtype.itemsize == 2):
        return F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal)
    # On the CPU, fused attention exists only for float32. For the few tokens of an image, plain products in half
    # precision with a float32 softmax take two thirds of its time.
    with torch.autocast("cpu", enabled=False):
        if causal:
            return F.scaled_dot_product_attention(q.float(), k.float(), v.float(), is_causal=True).to(q.dtype)
        logits = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)  # [B, heads, L, L]
        if mask is not None:
            logits = logits + mask if mask.is_floating_point() else logits.masked_fill(~mask, -torch.inf)
        return torch.softmax(logits, dim=-1, dtype=torch.float32).to(v.dtype) @ v


def key_mask(x: Tensor, real: Tensor | None) -> Tensor | None:
    """Returns an attention mask [B, 1, 1, L + 1] for the L tokens of x [B, L, D] and one appended token.

    `real` [B, 1] describes the appended token. If it is bool, False masks the token. If it is a float a, log a is added
    to the logits of the token, so that the softmax weights it by a. If it is None, the result is None (no mask).
    """
    if real is None:
        return None
    keys = torch.ones(x.shape[:2], dtype=real.dtype, device=x.device)
    mask = torch.cat([keys, real], dim=1)[:, None, None]  # [B, 1, 1, L + 1]
    return mask if mask.dtype == torch.bool else mask.log().to(x.dtype)

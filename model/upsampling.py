"""A 3×3 convolution after nearest upsampling, for less than half the work where the upsampling doubles."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Of three taps, which fall on the same pixel before the doubling: for even outputs the first alone and the other two
# together, for odd ones the first two together and the last alone. [parity, pixel, tap]
MERGED = (((1.0, 0.0, 0.0), (0.0, 1.0, 1.0)), ((1.0, 1.0, 0.0), (0.0, 0.0, 1.0)))


def upsampled(conv: nn.Conv2d, x: Tensor, size: tuple[int, int]) -> Tensor:
    """``conv(F.interpolate(x, size))`` of a 3×3 convolution with padding 1; [B, C, h, w] -> [B, C', *size].

    Doubled pixels are equal, so each quarter of the outputs (even or odd row, even or odd column) is a 2×2 convolution
    of ``x`` itself, borders included: 4/9 of the products, and nothing of the doubled size but the result.
    """
    height, width = x.shape[2:]
    if size != (2 * height, 2 * width):
        return conv(F.interpolate(x, size=size))
    merged = torch.tensor(MERGED, dtype=conv.weight.dtype, device=x.device)
    kernels = torch.einsum("pya,qxb,ocab->pqocyx", merged, merged, conv.weight).flatten(0, 2)  # [4·C', C, 2, 2]
    bias = None if conv.bias is None else conv.bias.repeat(4)
    quarters = F.conv2d(x, kernels, bias, padding=1).unflatten(1, (2, 2, -1))  # [B, 2, 2, C', h + 1, w + 1]
    rows = [
        torch.stack([quarters[:, p, q, :, p : p + height, q : q + width] for q in (0, 1)], dim=-1) for p in (0, 1)
    ]  # each [B, C', h, w, 2]
    return torch.stack(rows, dim=3).flatten(4).flatten(2, 3)

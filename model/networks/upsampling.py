"""A 3×3 convolution after nearest-neighbour upsampling; if the size is doubled, it uses a faster algorithm."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Which of the three taps read the same input pixel. For odd outputs, the first two taps share a pixel; for even
# outputs, the last two. [parity, pixel, tap]
MERGED = (((1.0, 1.0, 0.0), (0.0, 0.0, 1.0)), ((1.0, 0.0, 0.0), (0.0, 1.0, 1.0)))


class UpsampledConv(nn.Conv2d):
    """Upsamples the input, then applies a 3×3 convolution with padding 1; weights have the layout of `nn.Conv2d`."""

    merged: Tensor

    def __init__(self, channels_in: int, channels_out: int, bias: bool = True):
        super().__init__(channels_in, channels_out, 3, padding=1, bias=bias)
        self.register_buffer("merged", torch.tensor(MERGED), persistent=False)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:  # type: ignore[override]
        """Computes `conv(F.interpolate(x, size))`; [B, C, h, w] -> [B, C', *size].

        If the size is doubled, pixels come in equal pairs, so each quarter of the outputs (even or odd row, even or odd
        column) is a 2×2 convolution of `x`, also at the borders: it needs 4/9 of the products, and only the output has
        the doubled size.
        """
        height, width = x.shape[2:]
        if size != (2 * height, 2 * width):
            return super().forward(F.interpolate(x, size=size))
        kernels = torch.einsum("pya,qxb,ocab->opqcyx", self.merged, self.merged, self.weight)
        bias = None if self.bias is None else self.bias.repeat_interleave(4)
        quarters = F.conv2d(x, kernels.flatten(0, 2), bias, padding=1)  # [B, C'·4, h + 1, w + 1], outputs −1 … 2h
        return F.pixel_shuffle(quarters, 2)[..., 1:-1, 1:-1]

"""Residual blocks of the adapter and the generator, modulated by the condition, as in GALIP and DF-GAN.

Legend: B batch, C channels, c condition width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hspcgan.model.networks.upsampling import UpsampledConv

SLOPE = 0.2


class Fuse(nn.Module):
    """Applies γ·x + β and LeakyReLU twice; γ and β are computed from the condition by MLPs (Linear, ReLU, Linear).

    The four MLPs (γ₀, β₀, γ₁, β₁) are computed in two joint matrix products. At initialisation γ is 1 and β is 0 for
    every condition.
    """

    def __init__(self, condition: int, channels: int):
        super().__init__()
        self.first = nn.Linear(condition, 4 * channels)
        self.second = nn.Parameter(torch.zeros(4, channels, channels))
        self.offset = nn.Parameter(torch.tensor([1.0, 0.0, 1.0, 0.0])[:, None].repeat(1, channels))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Modulates feature maps [B, C, h, w] by conditions [B, c]; the shape stays the same."""
        hidden = F.relu(self.first(condition)).unflatten(1, (4, -1)).transpose(0, 1)  # [4, B, C]
        scale0, shift0, scale1, shift1 = torch.baddbmm(  # each [B, C, 1, 1]
            self.offset[:, None], hidden, self.second.transpose(1, 2)
        )[..., None, None].unbind(0)
        x = F.leaky_relu(torch.addcmul(shift0, scale0, x), SLOPE, inplace=True)
        return F.leaky_relu(torch.addcmul(shift1, scale1, x), SLOPE, inplace=True)


class AdapterBlock(nn.Module):
    """Computes `x + fuse2(conv2(fuse1(conv1(x))))` at constant size, with fewer channels after conv1."""

    def __init__(self, condition: int, channels: int, middle: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, middle, 3, padding=1)
        self.fuse1 = Fuse(condition, middle)
        self.conv2 = nn.Conv2d(middle, channels, 3, padding=1)
        self.fuse2 = Fuse(condition, channels)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Maps features [B, C, h, w] and conditions [B, c] to features [B, C, h, w]."""
        h = self.fuse1(self.conv1(x), condition)
        return x + self.fuse2(self.conv2(h), condition)


class GeneratorBlock(nn.Module):
    """Upsamples to `size` pixels (nearest neighbour), then computes `shortcut(x) + c2(fuse2(c1(fuse1(x))))`.

    Modulation, activation and the 1×1 shortcut act on single pixels, so running them before the upsampling is exact.
    """

    def __init__(self, condition: int, channels_in: int, channels_out: int, size: int):
        super().__init__()
        self.size = (size, size)
        self.fuse1 = Fuse(condition, channels_in)
        self.c1 = UpsampledConv(channels_in, channels_out)
        self.fuse2 = Fuse(condition, channels_out)
        self.c2 = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        self.c_sc = nn.Conv2d(channels_in, channels_out, 1) if channels_in != channels_out else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Maps features [B, C_in, h, w] and conditions [B, c] to features [B, C_out, size, size]."""
        shortcut = F.interpolate(self.c_sc(x), size=self.size)
        h = self.c1(self.fuse1(x, condition), self.size)
        return shortcut + self.c2(self.fuse2(h, condition))

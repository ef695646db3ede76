"""The discriminator, which reads taps of the frozen CLIP, and the head, which scores images with sentences.

Legend: B batch, D image-tower width, g grid, d text width, C feature width, N images, M sentences.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hspcgan.model.common.errors import UserError
from hspcgan.model.config import ClipShape, ModelConfig
from hspcgan.model.networks.blocks import SLOPE

FIRST_KERNEL = 4
PAIR_ELEMENTS = 1 << 24  # largest number of values in memory while all pairs are scored


class _TapBlock(nn.Module):
    """A residual block that also reads a tap: `shortcut(x) + γ·r(x) + β·tap`.

    r is two 3×3 convolutions, each followed by LeakyReLU. Without `reads_tap`, the last term is omitted.
    """

    def __init__(self, channels_in: int, channels_out: int, reads_tap: bool):
        super().__init__()
        self.conv_r = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False),
            nn.LeakyReLU(SLOPE),
        )
        self.conv_s = nn.Conv2d(channels_in, channels_out, 1) if channels_in != channels_out else nn.Identity()
        self.gamma = nn.Parameter(torch.zeros(1))
        self.beta = nn.Parameter(torch.zeros(1)) if reads_tap else None

    def forward(self, x: Tensor, tap: Tensor | None = None) -> Tensor:
        y = self.conv_s(x) + self.gamma * self.conv_r(x)
        return y if self.beta is None or tap is None else y + self.beta * tap


class Discriminator(nn.Module):
    """Computes image features from taps of the frozen CLIP."""

    def __init__(self, config: ModelConfig, shape: ClipShape):
        super().__init__()
        self.blocks = nn.ModuleList(
            _TapBlock(shape.width, shape.width, reads_tap=True) for _ in range(len(config.taps) - 1)
        )
        self.main = _TapBlock(shape.width, config.discriminator_width, reads_tap=False)

    def forward(self, taps: Sequence[Tensor] | Tensor) -> Tensor:
        """Maps taps [B, D, g, g], one per configured block in ascending order, to features [B, C, g, g].

        Taps may also be one tensor [B, taps, D, g, g]. ValueError if the number of taps is wrong.
        """
        if isinstance(taps, Tensor):
            taps = taps.unbind(1)
        if len(taps) != len(self.blocks) + 1:
            raise ValueError(f"got {len(taps)} taps, expected {len(self.blocks) + 1}")
        x = taps[0]
        for block, tap in zip(self.blocks, taps[1:], strict=True):
            x = block(x, tap)
        return self.main(x)


class Head(nn.Module):
    """Scores how well an image matches a sentence: 4×4 convolution over both, LeakyReLU, convolution to one value.

    The sentence is constant over the grid and there is no padding, so its half of the first convolution is one vector
    per sentence. For all pairs, the first convolution runs once per image and once per sentence; only the small second
    part is computed per pair.
    """

    def __init__(self, config: ModelConfig, shape: ClipShape):
        super().__init__()
        if shape.grid < FIRST_KERNEL:
            raise UserError(f"the head needs a CLIP with a grid of at least {FIRST_KERNEL} patches, got {shape.grid}")
        self.image_width = config.discriminator_width
        both = config.discriminator_width + shape.embed_dim
        self.first = nn.Conv2d(both, config.head_width, FIRST_KERNEL, bias=False)
        self.last = nn.Conv2d(config.head_width, 1, shape.grid - FIRST_KERNEL + 1, bias=False)

    def forward(self, features: Tensor, sentence: Tensor) -> Tensor:
        """Returns the scores [B] of image features [B, C, g, g] with the sentence features [B, d] in the same rows."""
        image, text = self._halves(features, sentence)
        return self.last(F.leaky_relu(image + text[..., None, None], SLOPE)).flatten()

    def pairs(self, features: Tensor, sentences: Tensor) -> Tensor:
        """Returns the scores [N, M] of all pairs of image features [N, C, g, g] and raw sentence features [M, d]."""
        image, text = self._halves(features, sentences)
        image, text = image.flatten(2), text[None, :, :, None]  # [N, h, s], [1, M, h, 1]
        last = self.last.weight.flatten()  # [h·s]
        rows = max(1, PAIR_ELEMENTS // (len(sentences) * last.numel()))
        tail = [F.leaky_relu(part[:, None] + text, SLOPE).flatten(2) @ last for part in image.split(rows)]
        return torch.cat(tail)

    def _halves(self, features: Tensor, sentences: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the two summands of the first convolution: for images [N, h, g-3, g-3] and for sentences [M, h]."""
        image_weight, text_weight = self.first.weight.tensor_split([self.image_width], dim=1)
        return F.conv2d(features, image_weight), F.linear(sentences, text_weight.sum(dim=(2, 3)))

"""The generator (§3.1): computes images from noise and captions, with the adapter and upsampling blocks.

Legend: B batch, d text width, g grid.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from hspcgan.model.clip.frozen import FrozenClip
from hspcgan.model.condition import Condition
from hspcgan.model.config import ClipShape, ModelConfig
from hspcgan.model.networks.adapter import Adapter
from hspcgan.model.networks.blocks import SLOPE, GeneratorBlock


class Generator(nn.Module):
    """Generates images from noise and captions; rows of a batch are independent of each other.

    Noise and captions must have the dtype of the weights: float32, or any float type after a cast. With `clip=None` the
    network has all its parameters but cannot run.
    """

    def __init__(
        self,
        config: ModelConfig,
        shape: ClipShape,
        clip: FrozenClip | None = None,
        phrase_mean: Mapping[str, np.ndarray] | None = None,
    ):
        super().__init__()
        self.config, self.shape = config, shape
        modulation = config.noise_dim + shape.embed_dim
        channels, sizes = config.block_channels(shape.grid), config.upsample_sizes(shape.grid)
        self.fc_code = nn.Linear(config.noise_dim, config.code_width * shape.grid**2)
        self.adapter = Adapter(config, shape, clip, phrase_mean)
        self.blocks = nn.ModuleList(
            GeneratorBlock(modulation, before, after, size)
            for (before, after), size in zip(pairwise(channels), sizes, strict=True)
        )
        self.to_rgb = nn.Sequential(nn.LeakyReLU(SLOPE, inplace=True), nn.Conv2d(channels[-1], 3, 3, padding=1))

    @property
    def device(self) -> torch.device:
        return self.fc_code.weight.device

    def forward(self, noise: Tensor, condition: Condition | Tensor) -> Tensor:
        """Maps noise [B, noise_dim] and captions to images NCHW, nominally in [-1, 1] but not clamped.

        `condition` may also be raw sentence features [B, d]; such captions have no entities. Raises ValueError if a
        shape is wrong.
        """
        if isinstance(condition, Tensor):
            condition = Condition.of_sentence(condition, self.config.slots.count("L"))
        self._check(noise, condition)
        return self._draw(noise, condition.sentence, *self.adapter.prompts(noise, condition))

    def blend(self, noise: Tensor, first: Condition, second: Condition, share: Tensor) -> Tensor:
        """Generates images between two captions: share 0 gives the image of the first, share 1 that of the second.

        `noise` is [B, noise_dim], `share` is [B], and both batches have B captions; the result has the format of
        `forward`. Sentences and prompts are interpolated. If only one of the two captions has an entity in a slot, the
        prompt of that caption is used, with the share of that caption as its weight.
        """
        self._check(noise, first)
        self._check(noise, second)
        share = share[:, None]  # [B, 1]
        sentence = torch.lerp(first.sentence, second.sentence, share)
        (prompts_a, active_a), (prompts_b, active_b) = (self.adapter.prompts(noise, one) for one in (first, second))
        ones = prompts_a.new_ones(prompts_a.shape[:2])  # [B, P]
        weight_a = (1 - share) * (ones if active_a is None else active_a)
        weight_b = share * (ones if active_b is None else active_b)
        active = weight_a + weight_b
        mixed = weight_a[..., None] * prompts_a + weight_b[..., None] * prompts_b
        return self._draw(noise, sentence, mixed / active.clamp(min=1e-6)[..., None], active)

    def _draw(self, noise: Tensor, sentence: Tensor, prompts: Tensor, active: Tensor | None) -> Tensor:
        modulation = torch.cat([noise, sentence], dim=1)  # [B, noise_dim + d]
        code = self.fc_code(noise).unflatten(1, (-1, self.shape.grid, self.shape.grid))
        x = self.adapter(code, modulation, prompts, active)  # [B, C, g, g]
        x = x.contiguous(memory_format=torch.channels_last)  # convolutions on CPUs and tensor cores use this layout
        for block in self.blocks:
            x = block(x, modulation)
        return self.to_rgb(x).contiguous()  # [B, 3, H, W] in NCHW memory layout

    def _check(self, noise: Tensor, condition: Condition) -> None:
        got = (tuple(noise.shape), tuple(condition.sentence.shape))
        expected = ((len(noise), self.config.noise_dim), (len(noise), self.shape.embed_dim))
        if got != expected:
            raise ValueError(f"noise and sentence have shapes {got[0]} and {got[1]}, "
                             f"expected {expected[0]} and {expected[1]}")  # fmt: skip

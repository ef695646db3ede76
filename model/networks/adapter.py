"""The adapter (§3.1.4): passes bridge features through the frozen CLIP, with gated prompts in CLIP's blocks.

Legend: B batch, d text width, D image-tower width, g grid, P prompts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hspcgan.model.clip.frozen import FrozenClip
from hspcgan.model.config import ClipShape, ModelConfig
from hspcgan.model.networks.blocks import AdapterBlock
from hspcgan.model.networks.prompts import LinearPrompts, PromptModule


class PromptGate(nn.Module):
    """Computes the share γ of the prompt that is mixed into a class token: `γ = σ(w · [cls; p])`, one w per block.

    With `hard`, γ is rounded to 0 or 1; the gradient ignores the rounding (straight-through).
    """

    def __init__(self, prompts: int, width: int, hard: bool):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(prompts, 2 * width))
        self.hard = hard

    def forward(self, slot: int, cls: Tensor, prompt: Tensor) -> Tensor:
        """Returns γ [B, 1] for the prompts [B, D] of one slot and the class tokens [B, D]."""
        share = torch.sigmoid(torch.cat([cls, prompt], dim=1) @ self.weight[slot, :, None])
        if self.hard:
            return (share >= 0.5).to(share) + (share - share.detach())
        return share


class Adapter(nn.Module):
    """Computes bridge features, passes them through the prompted CLIP, and returns generator features.

    The CLIP is not a submodule: it moves to other devices with the adapter, but is neither in the adapter's parameters
    nor in its state dict. With `clip=None` the module has all its parameters but cannot run.
    """

    def __init__(
        self,
        config: ModelConfig,
        shape: ClipShape,
        clip: FrozenClip | None,
        phrase_mean: Mapping[str, np.ndarray] | None = None,
    ):
        super().__init__()
        self._clip = (clip,)  # in a tuple, so that nn.Module does not register it
        self.clip_weight = config.clip_weight
        self.prompted_blocks = config.prompted_blocks(shape.layers)
        condition = config.noise_dim + shape.embed_dim
        self.blocks = nn.ModuleList(
            AdapterBlock(condition, config.code_width, config.middle_width) for _ in range(config.adapter_blocks)
        )
        self.conv_fuse = nn.Conv2d(config.code_width, shape.width, 5, padding=2)
        self.conv = nn.Conv2d(shape.width, config.block_channels(shape.grid)[0], 5, padding=2)
        self.prompts: LinearPrompts | PromptModule
        if config.prompts == "fc":
            self.prompts = LinearPrompts(config, shape)
        else:
            self.prompts = PromptModule(config, shape, phrase_mean)
        self.gate = None
        if config.gate != "append":
            self.gate = PromptGate(len(config.slots), shape.width, hard=config.gate == "hard")

    @property
    def clip(self) -> FrozenClip:
        """The frozen CLIP; raises RuntimeError if the adapter was built without a CLIP."""
        clip = self._clip[0]
        if clip is None:
            raise RuntimeError("this generator was built without a CLIP; build it with a FrozenClip to run it")
        return clip

    def _apply(self, fn: Any, recurse: bool = True) -> Adapter:
        if self._clip[0] is not None:
            self._clip[0]._apply(fn, recurse)
        return super()._apply(fn, recurse)

    def forward(self, code: Tensor, modulation: Tensor, prompts: Tensor, active: Tensor | None) -> Tensor:
        """Returns generator features [B, C, g, g].

        Args:
            code: the latent code [B, code_width, g, g].
            modulation: noise and sentence features, [B, noise_dim + d].
            prompts: [B, P, D].
            active: the mask [B, P] of the prompts, see `FrozenClip.prompted`.
        """
        for block in self.blocks:
            code = block(code, modulation)
        bridge = self.conv_fuse(code)  # [B, D, g, g]
        seen = self.clip.prompted(bridge, prompts, active, self.prompted_blocks, self.gate)
        return self.conv(bridge + self.clip_weight * seen)

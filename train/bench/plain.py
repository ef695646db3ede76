"""A training step of GALIP in plain PyTorch: the reference for the speed and the results of the trainer.

Captions are encoded in the loop, at CLIP's full context length; the generator upsamples before it modulates and
convolves; gradients flow through CLIP down to the pixels of the real images, and into the discriminator's weights
during the generator's update.

Legend: B batch, d text width, z noise width.
"""

from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hspcgan.train.bench.plain_networks import NetC, NetD, NetG


@dataclass
class Plain:
    """GALIP's networks, OpenAI's complete CLIP, and Adam optimizers in torch's default implementation."""

    generator: NetG
    discriminator: NetD
    head: NetC
    clip: Any
    optimizer_g: torch.optim.Optimizer
    optimizer_d: torch.optim.Optimizer

    @classmethod
    def of(cls, made: tuple[NetG, NetD, NetC], clip: Any) -> "Plain":
        """Creates optimizers with the paper's learning rates for the networks; the weights of `clip` must be frozen."""
        generator, discriminator, head = made
        return cls(
            *made,
            clip=clip,
            optimizer_g=_adam(generator.parameters(), 1e-4),
            optimizer_d=_adam(chain(discriminator.parameters(), head.parameters()), 4e-4),
        )

    def step(self, real: Tensor, tokens: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Computes one training step: updates discriminator and head, then the generator.

        `real` are images [B, 3, H, W], `tokens` [B, 77], `noise` [B, z]. Returns the losses of discriminator and
        generator, detached.
        """
        with torch.no_grad():
            sentence = self.clip.encode_text(tokens)  # [B, d]
        real, sentence = real.detach().requires_grad_(), sentence.detach().requires_grad_()
        real_taps, _ = self.clip_features(real)
        features = self.discriminator(real_taps)
        matched = self.head(features, sentence)  # [B]
        mismatched = self.head(features, sentence.roll(-1, dims=0))
        fake_taps, seen = self.clip_features(self.generator(noise, sentence))
        drawn = self.head(self.discriminator([tap.detach() for tap in fake_taps]), sentence)
        loss_d = F.relu(1 - matched).mean() + (F.relu(1 + drawn).mean() + F.relu(1 + mismatched).mean()) / 2
        loss_d = loss_d + _penalty(matched, [*real_taps, sentence])
        self.optimizer_d.zero_grad()
        loss_d.backward()
        self.optimizer_d.step()

        score = self.head(self.discriminator(fake_taps), sentence)
        loss_g = -score.mean() - 4 * F.cosine_similarity(seen, sentence).mean()
        self.optimizer_g.zero_grad()
        loss_g.backward()
        self.optimizer_g.step()
        return loss_d.detach(), loss_g.detach()

    def clip_features(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """Returns CLIP's taps and image features for images; gradients flow back to the pixels."""
        visual = self.clip.visual
        taps, cls = self.generator.mapping.CLIP_ViT.taps_and_class_token(images, visual.input_resolution)
        return taps, visual.ln_post(cls) @ visual.proj


def _penalty(matched: Tensor, inputs: list[Tensor]) -> Tensor:
    """Returns the gradient penalty 2 · mean ‖∇‖⁶, with one norm over taps and sentence together."""
    gradients = torch.autograd.grad(matched.sum(), inputs, create_graph=True)
    return 2 * torch.cat([gradient.flatten(1) for gradient in gradients], dim=1).norm(dim=1).pow(6).mean()


def _adam(parameters: Any, lr: float) -> torch.optim.Optimizer:
    return torch.optim.Adam([p for p in parameters if p.requires_grad], lr=lr, betas=(0.0, 0.9))

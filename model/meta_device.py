"""Builds networks on torch's meta device (shapes without values), to compute parameters and memory without weights."""

from __future__ import annotations

import torch

from hspcgan.model.clip.frozen import FrozenClip
from hspcgan.model.clip.openai_package import network_module
from hspcgan.model.config import ModelConfig
from hspcgan.model.networks.build import build
from hspcgan.model.networks.discriminator import Discriminator, Head
from hspcgan.model.networks.generator import Generator

# Sizes of OpenAI's CLIPs with an image transformer, in the order of the arguments of OpenAI's CLIP class: embed_dim,
# resolution, image layers, image width, patch, context, vocabulary, text width, text heads, text layers.
OPENAI = {
    "ViT-B-32": (512, 224, 12, 768, 32, 77, 49408, 512, 8, 12),
    "ViT-B-16": (512, 224, 12, 768, 16, 77, 49408, 512, 8, 12),
    "ViT-L-14": (768, 224, 24, 1024, 14, 77, 49408, 768, 12, 12),
    "ViT-L-14-336px": (768, 336, 24, 1024, 14, 77, 49408, 768, 12, 12),
}


def meta_clip(name: str) -> FrozenClip:
    """Returns the CLIP with a name from `OPENAI` on the meta device; raises KeyError for other names."""
    return _clip(OPENAI[name], name)


def meta_like(clip: FrozenClip) -> FrozenClip:
    """Returns a CLIP on the meta device with the same sizes as `clip`."""
    network = clip.network
    text_width = len(network.ln_final.weight)
    text = (clip.context_length, len(network.token_embedding.weight), text_width, max(1, text_width // 64))
    image = (clip.embed_dim, clip.resolution, clip.layers, clip.width, clip.patch)
    return _clip((*image, *text, len(network.transformer.resblocks)), clip.name)


def meta_networks(config: ModelConfig, clip: FrozenClip) -> tuple[Generator, Discriminator, Head]:
    """Builds the trainable networks on the meta device; raises UserError if configuration and CLIP do not match."""
    with torch.device("meta"):
        return build(config, clip)


def _clip(sizes: tuple[int, ...], name: str) -> FrozenClip:
    with torch.device("meta"):
        return FrozenClip(network_module().CLIP(*sizes).float(), name, sha256="")

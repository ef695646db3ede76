"""The three trainable networks of a configuration around one frozen CLIP."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hspcgan.model.clip.frozen import FrozenClip
from hspcgan.model.config import ModelConfig
from hspcgan.model.networks.discriminator import Discriminator, Head
from hspcgan.model.networks.generator import Generator


def build(
    config: ModelConfig, clip: FrozenClip, phrase_mean: Mapping[str, np.ndarray] | None = None
) -> tuple[Generator, Discriminator, Head]:
    """Freshly initialised networks from torch's global random state.

    `phrase_mean`: the cache's mean raw phrase feature [d] per kind (entity, attribute, relation); missing ones are
    zero. UserError if configuration and CLIP do not fit.
    """
    generator = Generator(config, clip.shape, clip, phrase_mean)
    return generator, Discriminator(config, clip.shape), Head(config, clip.shape)

"""Builds the three trainable networks of a configuration for one frozen CLIP."""

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
    """Returns generator, discriminator and head with random weights from torch's global random state.

    `phrase_mean` contains the mean phrase feature [d] of the cache for each kind (entity, attribute, relation); for a
    missing kind, it is zero. Raises UserError if configuration and CLIP do not match.
    """
    generator = Generator(config, clip.shape, clip, phrase_mean)
    return generator, Discriminator(config, clip.shape), Head(config, clip.shape)

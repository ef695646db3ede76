"""Other image transformers than ViT-B/32: OpenAI's shapes without values, and small ones of the same grid and depth."""

import pytest
import torch
from helpers.models.networks import random_clip_state, random_condition

from hspcgan.model.clip.frozen import load_clip
from hspcgan.model.config import ModelConfig
from hspcgan.model.meta_device import meta_clip, meta_like, meta_networks
from hspcgan.model.networks.build import build

SMALL = {"code_width": 4, "middle_width": 4, "adapter_blocks": 1, "discriminator_width": 8, "head_width": 4}


@pytest.mark.parametrize(
    ("name", "parameters", "grid"),
    [("ViT-B-32", 151_277_313, 7), ("ViT-B-16", 149_620_737, 14), ("ViT-L-14", 427_616_513, 16)],
)
def test_networks_for_openais_shapes_run_and_have_the_published_size(name, parameters, grid):
    clip = meta_clip(name)
    assert sum(p.numel() for p in clip.parameters()) == parameters
    assert (clip.grid, clip.shape) == (grid, meta_like(clip).shape)
    config = ModelConfig()
    generator, discriminator, head = meta_networks(config, clip)
    with torch.device("meta"):
        sentence = torch.empty(2, clip.embed_dim)
        images = generator(torch.empty(2, 100), sentence)
        taps, features = clip.image_taps(images, config.tap_blocks(clip.layers))
        scores = head(discriminator(taps), sentence)
    assert (images.shape, features.shape, scores.shape) == ((2, 3, 224, 224), (2, clip.embed_dim), (2,))


@pytest.mark.parametrize(("layers", "patch", "resolution", "blocks"), [
    (12, 4, 56, [1, 2, 3, 4, 5, 6, 7, 8]),        # ViT-B/16: a grid of 14
    (24, 4, 64, [2, 4, 6, 8, 10, 12, 14, 16]),    # ViT-L/14: a grid of 16, 24 blocks
])  # fmt: skip
def test_a_small_backbone_of_the_same_grid_and_depth_trains(tmp_path, layers, patch, resolution, blocks):
    torch.save(random_clip_state(layers=layers, patch=patch, resolution=resolution), tmp_path / "clip.pt")
    clip = load_clip(tmp_path / "clip.pt")
    config = ModelConfig(image_size=resolution, channels=(8,) * (4 if resolution == 56 else 3), **SMALL)
    assert config.prompted_blocks(clip.layers) == blocks
    torch.manual_seed(0)
    generator, discriminator, head = build(config, clip)
    condition = random_condition(2)
    images = generator(torch.randn(2, 100), condition)
    assert images.shape == (2, 3, resolution, resolution)
    taps, _ = clip.image_taps(images, config.tap_blocks(clip.layers))
    head(discriminator(taps), condition.sentence).sum().backward()
    moved = [name for name, p in generator.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0]
    assert {"fc_code.weight", "adapter.conv.weight", "to_rgb.1.weight"} <= set(moved)

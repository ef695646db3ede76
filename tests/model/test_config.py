"""ModelConfig: presets, derived sizes and refusals; parameter counts at full size."""

import pytest
import torch

from hspcgan.model.common.errors import UserError
from hspcgan.model.config import ClipShape, ModelConfig
from hspcgan.model.networks.discriminator import Discriminator, Head
from hspcgan.model.networks.generator import Generator

VIT_B32 = ClipShape(embed_dim=512, width=768, grid=7, layers=12, resolution=224)


def count(network):
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def test_full_size_galip_has_the_published_parameter_counts():
    config = ModelConfig(kind="galip")
    with torch.device("meta"):
        assert count(Generator(config, VIT_B32)) / 1e6 == pytest.approx(51.83, abs=0.005)
        assert count(Discriminator(config, VIT_B32)) / 1e6 == pytest.approx(27.53, abs=0.005)
        assert count(Head(config, VIT_B32)) / 1e6 == pytest.approx(2.10, abs=0.005)


@pytest.mark.parametrize(
    ("shape", "sizes"),
    [
        (VIT_B32, [8, 16, 32, 64, 128, 224]),
        (ClipShape(512, 768, 14, 12, 224), [16, 32, 64, 128, 224]),
        (ClipShape(768, 1024, 16, 24, 224), [32, 64, 128, 224]),
    ],
)
def test_every_backbone_gets_sizes_and_channels_and_builds(shape, sizes):
    config = ModelConfig()
    assert config.upsample_sizes(shape.grid) == sizes
    assert config.block_channels(shape.grid)[-3:] == [256, 128, 64]
    assert len(config.block_channels(shape.grid)) == len(sizes) + 1
    with torch.device("meta"):
        Generator(config, shape)
        features = Discriminator(config, shape)([torch.empty(2, shape.width, shape.grid, shape.grid)] * 3)
        assert Head(config, shape)(features, torch.empty(2, shape.embed_dim)).shape == (2,)


def test_toy_sizes_end_at_the_image_size():
    assert ModelConfig(image_size=56).upsample_sizes(7) == [8, 16, 32, 56]
    assert ModelConfig(image_size=64).upsample_sizes(7) == [8, 16, 32, 64]


@pytest.mark.parametrize(
    ("order", "slots"),
    [("GLG", "GLLLLG"), ("LG", "LLLLG"), ("GL", "GLLLL"), ("L", "LLLL"), ("G", "GGGGGGGG")],
)
def test_order_says_which_prompted_block_is_global_or_local(order, slots):
    assert ModelConfig(order=order, locals=4).slots == slots


def test_block_numbers_scale_with_the_depth():
    config = ModelConfig()
    assert config.prompted_blocks(12) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert config.prompted_blocks(24) == [2, 4, 6, 8, 10, 12, 14, 16]
    assert config.tap_blocks(24) == [2, 8, 16]
    with pytest.raises(ValueError, match="this CLIP has only 4; use a larger CLIP"):
        config.prompted_blocks(4)


def test_galip_is_fc_prompts_appended():
    config = ModelConfig(kind="galip")
    assert (config.prompts, config.gate, config.slots) == ("fc", "append", "G" * 8)
    assert ModelConfig.model_validate(config.model_dump()) == config


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"kind": "galip", "gate": "soft"}, "kind: galip requires prompts: fc and gate: append"),
        ({"locals": 10}, "at most 11"),
        ({"order": "LGL"}, "'GLG', 'LG', 'GL', 'L' or 'G'"),
        ({"taps": [4, 1]}, "taps must be ascending numbers in"),
        ({"taps": [1, 12]}, "taps must be ascending numbers in"),
        ({"widht": 3}, "widht: unknown key"),
    ],
)
def test_invalid_settings_are_rejected(values, says):
    with pytest.raises(UserError, match=says):
        ModelConfig(**values)


def test_a_wrong_number_of_channels_is_rejected():
    with pytest.raises(ValueError, match="3 entries, expected 5"):
        ModelConfig(image_size=56, channels=(8, 8, 8)).block_channels(7)

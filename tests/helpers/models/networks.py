"""Small random networks and batches in the true formats: CLIPs as OpenAI saves them, conditions, generators."""

import warnings

import torch

from hspcgan.model.condition import Condition
from hspcgan.model.config import ModelConfig
from hspcgan.model.networks.build import build

SIZES = {
    "image_size": 56,
    "channels": (16, 16, 16, 8, 8),
    "code_width": 8,
    "middle_width": 4,
    "adapter_blocks": 1,
    "discriminator_width": 16,
    "head_width": 8,
}


def random_clip_state(
    *, seed: int = 0, width: int = 64, embed_dim: int = 32, layers: int = 12, patch: int = 8, resolution: int = 56
) -> dict[str, torch.Tensor]:
    """State dict of OpenAI's CLIP with random weights: image and text width alike, OpenAI's vocabulary."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
        from clip.model import CLIP

    torch.manual_seed(seed)
    network = CLIP(
        embed_dim=embed_dim,
        image_resolution=resolution,
        vision_layers=layers,
        vision_width=width,
        vision_patch_size=patch,
        context_length=77,
        vocab_size=49408,
        transformer_width=width,
        transformer_heads=width // 64,
        transformer_layers=2,
    )
    return network.state_dict()


def random_condition(batch: int, *, width: int = 32, slots: int = 6, seed: int = 5):
    """Captions with two entities, three attributes and one relation, all other slots empty; random features."""
    make = torch.Generator().manual_seed(seed)

    def features(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, width, generator=make)

    def row(*values: int, length: int) -> torch.Tensor:
        return torch.tensor([*values, *[-1] * (length - len(values))]).repeat(batch, 1)

    return Condition(
        sentence=features(batch),
        tokens=features(batch, 7),
        token_mask=(torch.arange(7) < 5).repeat(batch, 1),
        entities=features(batch, slots),
        entity_mask=(torch.arange(slots) < 2).repeat(batch, 1),
        entity_word=row(1, 4, length=slots).clamp(min=0),
        attributes=features(batch, 4),
        attribute_entity=row(0, 1, 1, length=4),
        relations=features(batch, 3),
        relation_subject=row(0, length=3),
        relation_object=row(1, length=3),
    )


def randomised(module):
    """Every parameter random, those that start at zero or one included."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.3)
    return module


def make_generator(tiny_clip, **values):
    """A small generator whose modulation and gates are not at their constant starts."""
    torch.manual_seed(0)
    generator, _, _ = build(ModelConfig(**{**SIZES, **values}), tiny_clip)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)  # modulation and gate start at constants
    return generator

"""Fixtures shared by the rooms: small CLIPs in OpenAI's format, random but real in kind."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch


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


@pytest.fixture(scope="session", autouse=True)
def bare_machine(tmp_path_factory) -> Iterator[None]:
    """What the machine has counts for nothing: clean-fid's Inception, variables of launchers and clusters."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("tmp")))
        for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "RAY_ADDRESS"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def tiny_clip_path(tmp_path_factory) -> Path:
    """File of a random CLIP: 56 px, patch 8 (7×7 grid), 12 image layers of width 64, d = 32, 77 text positions."""
    path = tmp_path_factory.mktemp("clip") / "tiny-clip.pt"
    torch.save(random_clip_state(), path)
    return path


@pytest.fixture(scope="session")
def other_clip_path(tmp_path_factory) -> Path:
    """Like `tiny_clip_path`, with other weights."""
    path = tmp_path_factory.mktemp("clip") / "other-clip.pt"
    torch.save(random_clip_state(seed=1), path)
    return path


@pytest.fixture(scope="session")
def tiny_clip(tiny_clip_path):
    """The loaded `tiny_clip_path`; shared, so tests must not move or change it."""
    from hspcgan.model.clip import load_clip

    return load_clip(tiny_clip_path)


def random_condition(batch: int, *, width: int = 32, slots: int = 6, seed: int = 5):
    """Captions with two entities, three attributes and one relation, all other slots empty; random features."""
    from hspcgan.model.condition import Condition

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


@pytest.fixture(scope="module")
def one_thread():
    """Networks this small are slowed down by threads, most of all on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def cache_path(tmp_path_factory, tiny_clip_path):
    """A small cache to train from, one for the tests of a file."""
    from train_world import make_cache

    return make_cache(tmp_path_factory.mktemp("world") / "cache", tiny_clip_path)


@pytest.fixture
def make_run(tmp_path, cache_path, tiny_clip_path):
    """Makes runs of that cache, each in a folder NAME of its own; keyword arguments go into the train section."""
    from train_world import write_manifest

    from hspcgan.pipeline.manifest import load_manifest
    from hspcgan.train.distributed import start
    from hspcgan.train.setup import assemble

    def make(name="a", **train):
        path = write_manifest(tmp_path / name, cache_path, tiny_clip_path, **train)
        return assemble(load_manifest(str(path)), start("cpu"))

    return make

"""Fixtures shared by the rooms: small CLIPs in OpenAI's format, random but real in kind."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from helpers.models.networks import random_clip_state


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
    from hspcgan.model.clip.frozen import load_clip

    return load_clip(tiny_clip_path)


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
    from helpers.runs import make_cache

    return make_cache(tmp_path_factory.mktemp("world") / "cache", tiny_clip_path)


@pytest.fixture
def make_run(tmp_path, cache_path, tiny_clip_path):
    """Makes runs of that cache, each in a folder NAME of its own; keyword arguments go into the train section."""
    from helpers.runs import write_manifest

    from hspcgan.pipeline.manifest import load_manifest
    from hspcgan.train.distributed import start
    from hspcgan.train.setup import build_run

    def make(name="a", **train):
        path = write_manifest(tmp_path / name, cache_path, tiny_clip_path, **train)
        return build_run(load_manifest(str(path)), start("cpu"))

    return make


@pytest.fixture(scope="module")
def chromium():
    """A running Chromium, for tests marked `needs_chromium`."""
    from helpers.web.browser import running_chromium

    with running_chromium() as browser:
        yield browser

"""A small world of captions and images, and its finished cache, to which other ways of making it are compared."""

from pathlib import Path

import pytest
from helpers.caches import World, make_cache


@pytest.fixture(scope="module")
def world() -> World:
    return World(0)


@pytest.fixture(scope="module")
def path(tmp_path_factory, world) -> Path:
    return make_cache(tmp_path_factory.mktemp("cache") / "cache", world)

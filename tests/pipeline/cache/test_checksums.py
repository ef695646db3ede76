"""Damage that keeps a file's size: a cache still opens, since that stays cheap, but is not valid and is not copied."""

import shutil
from pathlib import Path

import pytest
import upath
from helpers.caches import World, make_cache
from helpers.files import file_bytes, leftovers, stored

from hspcgan.model.common.files import BLOCK
from hspcgan.pipeline.cache.cache_json import size_and_sha256
from hspcgan.pipeline.cache.reader import Cache
from hspcgan.pipeline.cache.validate import validate
from hspcgan.pipeline.cache_tools.copy import copy_cache

CONTENTS = ("samples.parquet", "captions.parquet", "phrases.parquet", "rejects.parquet", "features.h5", "images.h5")


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return make_cache(tmp_path_factory.mktemp("cache") / "cache", World(0))


@pytest.fixture
def cache(whole, tmp_path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "cache"))


def flip(path: Path, at: int) -> None:
    """Turns over a byte's lowest bit."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", CONTENTS)
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_a_single_bit_that_changed_is_noticed(cache, name, part):
    flip(cache / name, int(part * (cache / name).stat().st_size))
    with pytest.raises(ValueError, match=rf"{name} was damaged or changed .*sha256(?s:.)*--rebuild"):
        validate(cache)


def test_zeroed_images_and_features_are_named_at_once_though_the_cache_opens(cache):
    opened = Cache(cache)
    for name, array in (("images.h5", opened.images), ("features.h5", opened.token_rows)):
        with open(cache / name, "r+b") as file:
            file.seek(array.base.offset)
            file.write(bytes(array.nbytes))
    assert not Cache(cache).images.any()
    with pytest.raises(ValueError, match=r"features\.h5 was damaged(?s:.)*images\.h5 was damaged"):
        validate(cache)


@pytest.mark.parametrize("name", CONTENTS)
def test_a_damaged_source_is_not_copied(cache, tmp_path, name):
    url = f"memory://{tmp_path.name}/cache"
    copy_cache(str(cache), f"{url}-0")
    flip(cache / name, (cache / name).stat().st_size // 2)
    (upath.UPath(f"{url}-0") / name).write_bytes((cache / name).read_bytes())
    for source in (str(cache), f"{url}-0"):
        for target in (url, str(tmp_path / "copy")):
            with pytest.raises(ValueError, match=rf"{name} is damaged: sha256 "):
                copy_cache(source, target)
    assert "cache.json" not in stored(url)
    assert leftovers(tmp_path) == ["cache"]


def test_what_was_copied_is_valid(whole, tmp_path):
    copy_cache(str(whole), str(tmp_path / "copy"))
    validate(tmp_path / "copy")
    assert file_bytes(tmp_path / "copy") == file_bytes(whole)


def test_a_file_is_summed_in_blocks(tmp_path):
    path = tmp_path / "zeros"
    path.write_bytes(bytes(2 * BLOCK + 1))
    # By sha256sum, of 16,777,217 zero bytes.
    assert size_and_sha256(path) == {
        "size": 16_777_217,
        "sha256": "1003b1b5dc078189799a1216ce0f9fbcebb94e8b6b83c58c4b03345f07f94ced",
    }

"""Copies of a cache, to folders and object stores: byte for byte, whole or no cache, nothing else overwritten."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import upath
from helpers.caches import World, make_cache, reseal
from helpers.cli import hspcgan
from helpers.files import file_bytes, leftovers, stored

from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.lock import LOCK, MARK
from hspcgan.pipeline.cache.reader import Cache
from hspcgan.pipeline.cache.validate import validate
from hspcgan.pipeline.cache_tools import copy
from hspcgan.pipeline.cache_tools.copy import copy_cache


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    return make_cache(tmp_path_factory.mktemp("cache") / "cache", World(0))


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> Path:
    """Another cache of the same shape: another fingerprint."""
    made = make_cache(tmp_path_factory.mktemp("other") / "cache", World(0))
    reseal(made, lambda info: info.update(fingerprint="f" * 64))
    return made


@pytest.fixture
def url(tmp_path) -> str:
    """A place of this test's own in fsspec's in-memory store."""
    return f"memory://{tmp_path.name}/cache"


def test_there_and_back_the_bytes_are_the_same_and_valid(path, tmp_path, url, monkeypatch):
    monkeypatch.setattr(copy, "BLOCK", 1000)  # several blocks a file
    size = sum(map(len, file_bytes(path).values()))
    assert copy_cache(str(path), url) == size
    assert stored(url) == file_bytes(path)
    assert copy_cache(url, str(tmp_path / "new" / "back")) == size
    assert file_bytes(tmp_path / "new" / "back") == file_bytes(path)
    assert leftovers(tmp_path / "new") == ["back"]
    validate(tmp_path / "new" / "back")


def test_from_store_to_store_and_from_folder_to_folder(path, tmp_path, url):
    copy_cache(str(path), url)
    copy_cache(url, f"{url}-2")
    assert stored(f"{url}-2") == file_bytes(path)
    (tmp_path / "copy").mkdir()  # an empty folder is no obstacle
    copy_cache(f"file://{path}", str(tmp_path / "copy"))
    assert file_bytes(tmp_path / "copy") == file_bytes(path)


def test_cache_json_is_written_last_and_removed_first(path, other, url, monkeypatch):
    copy_cache(str(other), url)
    seen: list[set[str]] = []
    check = copy._check_size
    monkeypatch.setattr(copy, "_check_size", lambda *given: (seen.append(set(stored(url))), check(*given)))
    copy_cache(str(path), url, replace=True)
    assert [schema.INFO in names for names in seen] == [False] * (len(schema.files_of({})) - 1) + [True]


@contextmanager
def breaking(file: Any, error: BaseException) -> Iterator[Any]:
    """A file that fails in its second block."""

    def write(block: bytes) -> int:
        if file.tell():
            raise error
        return file.write(block)

    with file:
        yield SimpleNamespace(write=write)


def break_writing(monkeypatch, cls: type, error: BaseException) -> None:
    """Files named features.h5 cannot be written beyond their first block."""
    plain = cls.open

    def opening(self, mode="r", *rest, **options):
        file = plain(self, mode, *rest, **options)
        return breaking(file, error) if mode == "wb" and self.name == schema.FEATURES_FILE else file

    monkeypatch.setattr(copy, "BLOCK", 1000)
    monkeypatch.setattr(cls, "open", opening)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_interrupted_copy_to_a_folder_leaves_nothing(path, tmp_path, url, monkeypatch, error):
    copy_cache(str(path), url)
    with monkeypatch.context() as patch:
        break_writing(patch, Path, error)
        with pytest.raises(type(error)):
            copy_cache(url, str(tmp_path / "back"))
    assert leftovers(tmp_path) == []
    shutil.copytree(path, tmp_path / "back.partial" / "copy")  # what a kill leaves
    (tmp_path / "back.partial" / LOCK).write_text(MARK)
    with pytest.raises(ValueError, match=r"not finished; .*`hspcgan copy`"):
        Cache(tmp_path / "back")
    copy_cache(url, str(tmp_path / "back"))
    assert file_bytes(tmp_path / "back") == file_bytes(path)
    assert leftovers(tmp_path) == ["back"]


def test_an_interrupted_replacement_of_a_folder_leaves_the_old_one(path, other, tmp_path, monkeypatch):
    copy_cache(str(other), str(tmp_path / "copy"))
    break_writing(monkeypatch, Path, OSError(5, "Input/output error"))
    with pytest.raises(OSError, match="Input/output"):
        copy_cache(str(path), str(tmp_path / "copy"), replace=True)
    assert file_bytes(tmp_path / "copy") == file_bytes(other)
    assert leftovers(tmp_path) == ["copy"]


@pytest.mark.parametrize("before", [False, True])
def test_an_interrupted_copy_to_a_url_is_no_cache_and_is_overwritten(path, other, tmp_path, url, monkeypatch, before):
    if before:
        copy_cache(str(other), url)
    with monkeypatch.context() as patch:
        break_writing(patch, type(upath.UPath(url)), OSError(5, "Input/output error"))
        with pytest.raises(ValueError, match=r"cannot be read or written \(OSError.*Input/output"):
            copy_cache(str(path), url, replace=before)
    assert stored(url)
    assert schema.INFO not in stored(url)
    assert copy.BEGUN in stored(url)
    with pytest.raises(ValueError, match=r"no finished cache at memory.*cache\.json is missing"):
        copy_cache(url, str(tmp_path / "back"))
    copy_cache(str(path), url)
    assert stored(url) == file_bytes(path)


def test_the_very_same_cache_is_left_alone_and_another_kept_without_replace(path, other, tmp_path, url):
    for target in (url, str(tmp_path / "copy")):
        copy_cache(str(path), target)
        assert copy_cache(str(path), target) == 0
        with pytest.raises(ValueError, match=r"contains another cache \(cache\.json differs\); .*--replace"):
            copy_cache(str(other), target)
        copy_cache(str(other), target, replace=True)
    assert stored(url) == file_bytes(tmp_path / "copy") == file_bytes(other)
    assert leftovers(tmp_path) == ["copy"]


def test_a_same_cache_with_a_file_cut_short_is_not_taken_for_whole(path, url):
    copy_cache(str(path), url)
    (upath.UPath(url) / schema.IMAGES_FILE).write_bytes(b"cut")
    with pytest.raises(ValueError, match=r"files are missing or have the wrong size: images\.h5; use --replace"):
        copy_cache(str(path), url)
    copy_cache(str(path), url, replace=True)
    assert stored(url) == file_bytes(path)


def test_a_size_that_differs_after_the_copy_names_both(path, url, monkeypatch):
    cls = type(upath.UPath(url))
    whole = cls.write_bytes
    monkeypatch.setattr(cls, "write_bytes", lambda self, data: whole(self, data[:7]))
    size = (path / schema.INFO).stat().st_size
    with pytest.raises(ValueError, match=rf"cache\.json has 7 bytes after the copy, expected {size:,}"):
        copy_cache(str(path), url)


def test_a_source_replaced_meanwhile_is_noticed(path, other, tmp_path, url, monkeypatch):
    moving = tmp_path / "moving"
    shutil.copytree(path, moving)
    check = copy._check_size

    def replaced(*given):
        shutil.copy(other / schema.INFO, moving / schema.INFO)
        check(*given)

    monkeypatch.setattr(copy, "_check_size", replaced)
    with pytest.raises(ValueError, match="was replaced while it was copied"):
        copy_cache(str(moving), url)
    assert schema.INFO not in stored(url)


def test_the_command_says_what_it_did(path, tmp_path):
    url = f"file://{tmp_path}/copied"  # the command does not copy to memory://

    def run(*arguments: str) -> str:
        result = hspcgan("copy", *arguments)
        assert result.exit_code == 0, result.output
        return result.output

    assert f"{url}: 0.0 MB copied" in run(str(path), url)
    assert f"{url}: already contains this cache" in run(str(path), url)
    result = hspcgan("copy", "nosuchprotocol://bucket/cache", str(path))
    assert result.exit_code == 3
    assert "install the fsspec package for that protocol" in result.output

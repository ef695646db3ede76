"""Only caches and work on them are replaced or removed; what else lies at their place or beside it stays."""

import json
import shutil
from pathlib import Path

import pytest
import upath
from helpers.caches import INFO, World, make_cache, run_stages
from helpers.files import file_bytes, stored

from hspcgan.pipeline.cache.partial.ownership import require_own_target, require_writable_target
from hspcgan.pipeline.cache.partial.partial_cache import PartialCache
from hspcgan.pipeline.cache.reader import Cache
from hspcgan.pipeline.cache_tools.copy import copy_cache


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return make_cache(tmp_path_factory.mktemp("cache") / "cache", World(0))


def every_way(whole: Path, target: Path) -> None:
    """All that would write to the target refuses it, with and without permission to replace a cache."""
    before = file_bytes(target.parent)
    for replace in (False, True):
        with pytest.raises(ValueError, match="give another folder"):
            PartialCache(target, replace)
        with pytest.raises(ValueError, match="give another folder"):
            copy_cache(str(whole), str(target), replace)
    assert file_bytes(target.parent) == before


@pytest.mark.parametrize(
    "files",
    [
        {"captions.parquet": "a user's table"},
        {"captions.parquet": "a user's table", "cache.json": '{"theme": "dark"}'},
        {"cache.json": "not JSON"},
        {"cache.json": "[]"},
    ],
)
def test_a_folder_that_no_cache_json_proves_a_cache_stays(whole, tmp_path, files):
    own = tmp_path / "own"
    own.mkdir()
    for name, text in files.items():
        (own / name).write_text(text)
    every_way(whole, own)


def test_a_cache_with_a_users_file_in_it_stays(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "mine")
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    every_way(whole, tmp_path / "mine")


def test_what_systems_leave_in_folders_is_no_obstacle(whole, tmp_path):
    cache = Path(shutil.copytree(whole, tmp_path / "cache"))
    for name in (".DS_Store", ".nfs000000000001a2b3", "Thumbs.db"):
        (cache / name).touch()
    require_own_target(cache)
    assert copy_cache(str(whole), str(cache)) == 0
    make_cache(cache, World(0), replace=True)
    assert file_bytes(cache) == file_bytes(whole)


@pytest.mark.parametrize("files", [["thesis.txt"], ["lock", "thesis.txt"], ["final/thesis.txt"]])
def test_a_users_folder_named_as_work_on_a_cache_stays(whole, tmp_path, files):
    for name in files:
        (tmp_path / "d.partial" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "d.partial" / name).write_text("x")
    every_way(whole, tmp_path / "d")


@pytest.mark.parametrize("name", [".d.spent", "d.partial"])
def test_work_folders_are_known_by_their_mark(whole, tmp_path, name):
    """A user's folder of such a name stays, with a lock of its own and as the aim of a link; ours is removed."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "lock").write_text("mine")
    (own / "final").mkdir()
    (tmp_path / name).symlink_to(own)
    every_way(whole, tmp_path / "d")
    (tmp_path / name).unlink()
    shutil.copytree(own, tmp_path / name)
    every_way(whole, tmp_path / "d")
    (tmp_path / name / "lock").write_text("hspcgan\n")
    make_cache(tmp_path / "d", World(0))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d", "own"]


@pytest.mark.parametrize("aim", ["nowhere", "folder"])
def test_a_link_in_place_of_the_cache_is_told_before_the_work(whole, tmp_path, aim):
    (tmp_path / "folder").mkdir()
    (tmp_path / "d").symlink_to(aim)
    for write in (lambda: PartialCache(tmp_path / "d"), lambda: copy_cache(str(whole), str(tmp_path / "d"))):
        with pytest.raises(ValueError, match=f"d is a link, which would be replaced; give its target, .*{aim}"):
            write()


def test_nothing_is_written_into_another_cache(whole, tmp_path):
    around = Path(shutil.copytree(whole, tmp_path / "cp"))
    for place in (around / "sub", around / "sub" / "deeper"):
        every_way(whole, place)
    with pytest.raises(ValueError, match=r"sub is inside the cache .*cp, .*no other files; give another folder"):
        require_own_target(around / "sub")


def test_a_mounted_volume_cannot_be_renamed_so_a_folder_in_it_is_asked_for(whole, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"/dev is a mounted volume.* give a subfolder: /dev/cache"):
        require_writable_target(Path("/dev"))
    cache = Path(shutil.copytree(whole, tmp_path / "cache"))
    monkeypatch.setattr(Path, "is_mount", lambda path: path == cache)
    require_own_target(cache)  # a cache that is mounted can be read, and is current or not
    with pytest.raises(ValueError, match="is a mounted volume"):
        PartialCache(cache, replace=True)


def test_an_empty_folder_is_a_place_for_a_cache(whole, tmp_path):
    for name in ("made", "copied"):
        (tmp_path / name).mkdir()
        (tmp_path / name / ".DS_Store").touch()
    (tmp_path / "made.partial").mkdir()
    with PartialCache(tmp_path / "made") as partial:
        run_stages(partial, World(0))
        partial.finish(INFO)
    copy_cache(str(whole), str(tmp_path / "copied"))
    assert file_bytes(tmp_path / "made") == file_bytes(tmp_path / "copied") == file_bytes(whole)
    assert {path.name for path in tmp_path.iterdir()} == {"made", "copied"}


def test_a_damaged_cache_and_one_of_another_format_are_replaced_when_asked(whole, tmp_path):
    for number, change in enumerate(({"stages": None}, {"format": 0})):
        cache = Path(shutil.copytree(whole, tmp_path / f"cache{number}"))
        info = json.loads((whole / "cache.json").read_text())
        (cache / "cache.json").write_text(json.dumps(info | change))
        (cache / ".nfs0000a1").touch()
        with pytest.raises(ValueError, match="--rebuild"):
            Cache(cache)
        make_cache(cache, World(0), replace=True)
        assert file_bytes(cache) == file_bytes(whole)


def test_a_users_table_in_a_bucket_stays(whole, tmp_path):
    url = f"memory://{tmp_path.name}/cache"
    (upath.UPath(url) / "captions.parquet").write_bytes(b"x")
    for replace in (False, True):
        with pytest.raises(ValueError, match=r"contains captions\.parquet, but no readable cache\.json"):
            copy_cache(str(whole), url, replace)
    assert stored(url) == {"captions.parquet": b"x"}

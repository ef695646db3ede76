"""Two processes at one cache: one works, the other is told; neither spoils what the other finishes."""

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.caches import World, make_cache
from helpers.files import file_bytes

from hspcgan.pipeline.cache.partial.partial_cache import PartialCache


@pytest.fixture(scope="module")
def world() -> World:
    return World(0)


HOLD = """
import sys
from hspcgan.pipeline.cache.partial.partial_cache import PartialCache
with PartialCache(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path):
    holder = [sys.executable, "-c", HOLD, str(tmp_path / "cache")]
    with subprocess.Popen(holder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(ValueError, match="another process is using"), PartialCache(tmp_path / "cache"):
            pass
        os.kill(process.pid, signal.SIGKILL)
    with PartialCache(tmp_path / "cache") as partial:
        assert partial.path.is_dir()
    with PartialCache(tmp_path / "cache"):
        pass


def test_a_cache_that_another_process_finished_meanwhile_is_not_made_again(tmp_path, world):
    late = PartialCache(tmp_path / "cache")
    before = file_bytes(make_cache(tmp_path / "cache", world))
    with pytest.raises(ValueError, match="already exists"), late:
        pass
    assert file_bytes(tmp_path / "cache") == before
    assert sorted(tmp_path.iterdir()) == [tmp_path / "cache"]


def test_a_lock_taken_while_its_holder_finished_is_no_lock(tmp_path, monkeypatch):
    late, real = PartialCache(tmp_path / "cache", replace=True), fcntl.flock

    def finish_first(file, how):
        monkeypatch.setattr(fcntl, "flock", real)
        (tmp_path / "cache.partial").rename(tmp_path / ".cache.spent")  # as the holder's finish does, then lets go
        real(file, how)

    monkeypatch.setattr(fcntl, "flock", finish_first)
    with pytest.raises(ValueError, match="another process is using"), late:
        pass


def test_two_processes_may_clear_away_the_spent_shards(tmp_path, world, monkeypatch):
    remove, spent = shutil.rmtree, tmp_path / ".cache.spent"

    def another_is_quicker(folder, *options, **more):
        if Path(folder) == spent and spent.exists():
            remove(spent)
        remove(folder, *options, **more)

    monkeypatch.setattr(shutil, "rmtree", another_is_quicker)
    make_cache(tmp_path / "cache", world)
    assert sorted(tmp_path.iterdir()) == [tmp_path / "cache"]


def test_a_folder_that_its_holder_moves_away_just_before_the_lock_is_opened_is_no_traceback(tmp_path, monkeypatch):
    late, make = PartialCache(tmp_path / "cache", replace=True), Path.mkdir

    def finish_then(folder, *options, **more):
        make(folder, *options, **more)
        folder.rename(tmp_path / ".cache.spent")

    monkeypatch.setattr(Path, "mkdir", finish_then)
    with pytest.raises(ValueError, match="another process is using"), late:
        pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EACCES, 524])
def test_a_file_system_without_locks_is_refused_in_words(tmp_path, monkeypatch, number):
    def fails(file, how):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", fails)
    with pytest.raises(ValueError, match=rf"cannot be locked \({os.strerror(number)}\).* a file system with locks"):
        PartialCache(tmp_path / "cache").__enter__()


def test_a_disk_without_room_for_the_lock_keeps_its_own_error(tmp_path, monkeypatch):
    def full(file, how):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(fcntl, "flock", full)
    with pytest.raises(OSError, match="No space left"):
        PartialCache(tmp_path / "cache").__enter__()


def test_a_process_that_did_nothing_leaves_no_folder_but_never_takes_anothers_lock(tmp_path):
    with PartialCache(tmp_path / "cache"):
        pass
    assert list(tmp_path.iterdir()) == []
    first = PartialCache(tmp_path / "cache").__enter__()
    (tmp_path / "cache.partial").rename(tmp_path / "elsewhere")  # as its finish does
    with PartialCache(tmp_path / "cache"):
        first.__exit__()
        assert (tmp_path / "cache.partial" / "lock").exists()
        with pytest.raises(ValueError, match="another process is using"), PartialCache(tmp_path / "cache"):
            pass


def test_a_lock_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "cache.partial").mkdir()
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "cache.partial" / "lock").symlink_to(tmp_path / "mine.txt")
    with pytest.raises(ValueError, match="lock is a link, which is not followed; remove the link, or"):
        PartialCache(tmp_path / "cache").__enter__()
    assert (tmp_path / "mine.txt").read_text() == "mine"

"""Files and folders are complete or as they were, whatever happens while they are written."""

import errno
import hashlib
import os
import resource

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from hspcgan.model.common.files import (
    BLOCK,
    atomic_file,
    atomic_folder,
    file_sha256,
    make_folder,
    require_writable,
    write_atomically,
)


def test_a_file_is_replaced_when_the_block_ends(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with atomic_file(path) as work:
        work.write_text("one")
        assert not path.exists()
        assert work.parent == path.parent
    with atomic_file(path) as work:
        work.write_text("two")
        assert path.read_text() == "one"
    assert path.read_text() == "two"
    assert [entry.name for entry in path.parent.iterdir()] == ["a.txt"]


def half(work):
    """What a block that fails has written by then."""
    work.write_text("half")
    raise RuntimeError


def test_an_error_leaves_the_file_and_the_folder_as_they_were(tmp_path):
    write_atomically(tmp_path / "a.txt", "one")
    write_atomically(tmp_path / "b" / "c.txt", "one")
    with pytest.raises(RuntimeError), atomic_file(tmp_path / "a.txt") as work:
        half(work)
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "b") as folder:
        half(folder / "c.txt")
    assert (tmp_path / "a.txt").read_text() == (tmp_path / "b" / "c.txt").read_text() == "one"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.txt", "b"]


@pytest.mark.parametrize("durable", [False, True])
def test_a_folder_takes_the_place_of_the_one_before_with_all_its_files(tmp_path, durable):
    for names in (("a", "b"), ("c",)):
        with atomic_folder(tmp_path / "f", durable=durable) as work:
            for name in names:
                (work / name).write_text(name)
    assert [entry.name for entry in (tmp_path / "f").iterdir()] == ["c"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["f"]


def test_two_processes_may_write_the_same_file_at_once(tmp_path):
    with atomic_file(tmp_path / "a") as one, atomic_file(tmp_path / "a") as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    assert (tmp_path / "a").read_text() == "one"  # the block that ended last


@pytest.mark.parametrize("size", [0, 1, BLOCK, BLOCK + 1])
def test_the_sha256_is_of_all_bytes(tmp_path, size):
    content = bytes(i % 251 for i in range(min(size, 1000))) * (size // 1000 + 1)
    (tmp_path / "a").write_bytes(content[:size])
    assert file_sha256(tmp_path / "a") == hashlib.sha256(content[:size]).hexdigest()


def test_files_of_users_with_the_names_of_unfinished_ones_stay(tmp_path):
    names = ["a.partial", ".a.partial", ".a.old", "b.partial", ".b.partial", ".b.old"]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.txt").write_text("mine")
    for _ in range(2):
        write_atomically(tmp_path / "a", "whole")
        with atomic_folder(tmp_path / "b") as work:
            (work / "c").write_text("whole")
    assert all((tmp_path / name / "mine.txt").read_text() == "mine" for name in names)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted([*names, "a", "b"])


def test_links_stay_and_what_they_name_is_written(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "file").symlink_to("there/file")
    (tmp_path / "folder").symlink_to("there/folder")
    for _ in range(2):
        write_atomically(tmp_path / "file", "whole")
        with atomic_folder(tmp_path / "folder") as work:
            (work / "c").write_text("whole")
    assert (tmp_path / "file").is_symlink()
    assert (tmp_path / "folder").is_symlink()
    assert sorted(path.name for path in (tmp_path / "there").iterdir()) == ["file", "folder"]


def test_what_is_no_regular_file_is_never_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "nowhere").symlink_to("gone/away")
    kinds = {
        "pipe": "a pipe",
        "/dev/null": "a device",
        "folder": "a folder",
        "loop": "a link that points back to itself",
    }
    for path, kind in kinds.items():
        with pytest.raises(ValueError, match=f"{path} is {kind}, expected a regular file; move it away and run"):
            write_atomically(tmp_path / path, "x")
    for path, kind in {"file": "a file", "pipe": "a pipe", "loop": "a link that points back"}.items():
        with (
            pytest.raises(ValueError, match=f"{path} is {kind}.*, expected a folder; "),
            atomic_folder(tmp_path / path),
        ):
            pass
    for path, kind in {"file": "a file", "loop": "a link that", "nowhere": "a link to nothing"}.items():
        for make in (lambda below: write_atomically(below, "x"), make_folder, require_writable):
            with pytest.raises(ValueError, match=f"{path} is {kind}.*, expected a folder; move it away and run the"):
                make(tmp_path / path / "a" / "b")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder", "loop", "nowhere", "pipe"]
    for path in ("pipe", "/dev/null", "file/below", "loop"):
        with pytest.raises(ValueError, match="give another path"):
            require_writable(tmp_path / path)
    for path in ("folder", "file", "new/deep/down", "folder/new"):
        require_writable(tmp_path / path)


def test_a_folder_that_cannot_be_written_is_told_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    with pytest.raises(ValueError, match=r"cannot be written: you have no write access to"):
        require_writable(tmp_path / "new" / "file")


def save_array(path):
    with path.open("wb") as file:
        np.save(file, np.zeros(100_000))


WRITERS = {
    "torch": lambda path: torch.save({"a": torch.zeros(100_000)}, path),
    "safetensors": lambda path: save_file({"a": torch.zeros(100_000)}, path),
    "numpy": save_array,
    "bytes": lambda path: path.write_bytes(bytes(400_000)),
}


@pytest.mark.parametrize("library", WRITERS)
@pytest.mark.parametrize("atomic", [atomic_file, atomic_folder])
def test_a_library_that_finds_no_room_gives_the_disks_error_and_leaves_nothing(tmp_path, library, atomic):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        with pytest.raises(OSError, match="File too large") as found, atomic(tmp_path / "a.npy") as work:
            WRITERS[library](work if atomic is atomic_file else work / "a.npy")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert found.value.errno == errno.EFBIG
    assert list(tmp_path.iterdir()) == []

"""Files and folders are complete or as they were, whatever happens while they are written."""

import hashlib

import pytest

from hspcgan.model.common.files import BLOCK, atomic_file, atomic_folder, file_sha256, write_whole


@pytest.mark.parametrize("shared", [False, True])
def test_a_file_is_replaced_when_the_block_ends(tmp_path, shared):
    path = tmp_path / "new" / "a.txt"
    with atomic_file(path, shared) as work:
        work.write_text("one")
        assert not path.exists()
        assert work.parent == path.parent
    with atomic_file(path, shared) as work:
        work.write_text("two")
        assert path.read_text() == "one"
    assert path.read_text() == "two"
    assert [entry.name for entry in path.parent.iterdir()] == ["a.txt"]


def half(work):
    """What a block that fails has written by then."""
    work.write_text("half")
    raise RuntimeError


def test_an_error_leaves_the_file_and_the_folder_as_they_were(tmp_path):
    write_whole(tmp_path / "a.txt", "one")
    write_whole(tmp_path / "b" / "c.txt", "one")
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
    with atomic_file(tmp_path / "a", shared=True) as one, atomic_file(tmp_path / "a", shared=True) as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    assert (tmp_path / "a").read_text() == "one"  # the block that ended last


@pytest.mark.parametrize("size", [0, 1, BLOCK, BLOCK + 1])
def test_the_sha256_is_of_all_bytes(tmp_path, size):
    content = bytes(i % 251 for i in range(min(size, 1000))) * (size // 1000 + 1)
    (tmp_path / "a").write_bytes(content[:size])
    assert file_sha256(tmp_path / "a") == hashlib.sha256(content[:size]).hexdigest()

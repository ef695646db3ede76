"""Output of the drawing commands: a user's files stay, own pictures are replaced, few images are in memory."""

import os

import numpy as np
import pytest
from helpers import scored_runs as world
from helpers.cli import hspcgan
from helpers.corpus import assert_told, bounded

from hspcgan.evaluate.draw import out_folder, pictures
from hspcgan.evaluate.draw.generate import batch_for

COMMANDS = {
    "sample": ("sample", "a red bird"),
    "interpolate": ("interpolate", "a red bird", "a blue bird", "--frames", 3),
    "edit": ("edit", "a red bird", "--replace", "red", "blue"),
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, tiny_clip_path):
    return world.write_checkpoint(tmp_path_factory.mktemp("checkpoints") / "tiny", tiny_clip_path)


@pytest.mark.parametrize("name", COMMANDS)
def test_own_pictures_are_replaced_and_a_users_files_are_not(checkpoint, tmp_path, name):
    command = (*COMMANDS[name], "--checkpoint", checkpoint, "--out", tmp_path)
    for _ in range(2):
        result = hspcgan(*command)
        assert result.exit_code == 0, result.output
    written = sorted(tmp_path.iterdir())
    for place, path in enumerate(written):
        picture, mine = path.read_bytes(), [b"", b"mine", b"\x89PNG mine"][place % 3]
        path.write_bytes(mine)
        for options in ((), ("--dry-run",)):
            told = hspcgan(*command, *options)
            assert_told(told, f"{tmp_path} contains {path.name}, but no mark of hspcgan", "another --out", codes={3})
        assert path.read_bytes() == mine
        path.write_bytes(picture)


@pytest.mark.parametrize(("kind", "shown"), [("fifo", "a pipe"), ("folder", "a folder"), ("link", "a link to nothing")])
def test_what_is_not_a_file_is_reported_before_the_work(checkpoint, tmp_path, kind, shown):
    place = tmp_path / "grid.png"
    {"fifo": os.mkfifo, "folder": os.mkdir, "link": lambda path: os.symlink("nowhere", path)}[kind](place)
    with bounded():
        told = hspcgan("sample", "a red bird", "--checkpoint", checkpoint, "--out", tmp_path)
    assert_told(told, f"{place} is {shown}, expected a regular file", codes={3})
    assert [path.name for path in tmp_path.iterdir()] == ["grid.png"]


def test_each_image_is_written_before_the_next_one_and_few_stay_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "MOST_IN_GRID", 2)
    paths = [tmp_path / f"{number}.png" for number in range(4)]

    def images():
        for number in range(4):
            assert len(list(tmp_path.iterdir())) == number
            yield np.full((8, 8, 3), number, np.uint8)

    first = out_folder.write_each(images(), paths)
    assert [image[0, 0, 0] for image in first] == [0, 1]
    assert [pictures.read_png(path)[0, 0, 0] for path in paths] == [0, 1, 2, 3]


def test_images_in_memory_are_limited_by_their_size():
    assert [batch_for(size) for size in (16, 224, 256, 512, 2048)] == [32, 32, 32, 8, 1]
    assert [pictures.most_in_grid(size, size) for size in (16, 160, 224, 256, 2048)] == [1000, 490, 1000, 765, 11]


def test_more_frames_than_fit_in_memory_are_rejected(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "GRID_PIXELS", 5 * 168 * 168)  # as shown
    command = ("interpolate", "a red bird", "a blue bird", "--checkpoint", checkpoint, "--out", tmp_path)
    told = hspcgan(*command)
    assert_told(told, "9 frames of 56 px are too many; give --frames 5 or fewer", codes={2})
    assert not list(tmp_path.iterdir())
    assert hspcgan(*command, "--frames", 1001, "--dry-run").exit_code == 2


def test_more_images_than_a_command_may_write_are_rejected(tmp_path):
    (tmp_path / "texts.txt").write_text("a red bird\n" * 11)
    told = hspcgan("sample", "--texts", tmp_path / "texts.txt", "--count", 10_000, "--dry-run")
    assert_told(told, "11 captions and 10,000 seeds give 110,000 images, expected at most 100,000", codes={2})
    replaced = ("--replace", "red", "blue") * 10
    told = hspcgan("edit", "a red bird", *replaced, "--count", 10_000, "--dry-run")
    assert_told(told, "11 captions and 10,000 seeds give 110,000 images", codes={2})

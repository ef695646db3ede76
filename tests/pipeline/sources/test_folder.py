"""Folders as they are: links, files of other kinds, broken caption files; each is a sample or a counted reject."""

import os
import re

import pytest
from helpers.datasets import folder_dataset, picture, write

from hspcgan.pipeline.sources import files_below
from hspcgan.pipeline.sources.config import DataConfig, open_source
from hspcgan.pipeline.stages.ingest_items import Checked, check_items


def opened(path):
    return open_source(DataConfig(source="folder", path=path, image_size=16, test_fraction=0))


def checked(path) -> Checked:
    source = opened(path)
    return check_items(16, [source.read(entry) for entry in source.entries()])


def reasons(path) -> dict[str, str]:
    return {row["where"]: row["why"] for row in checked(path).rejects}


def keys(path) -> list[str]:
    return [row["key"] for row in checked(path).samples]


def test_captions_without_an_image_are_counted(tmp_path):
    folder_dataset(tmp_path, 1)
    write(tmp_path / "gone.txt", "one\ntwo\n")
    write(tmp_path / "gone.json", '{"captions": ["three"]}')
    assert checked(tmp_path).rows_in == 3 + 3 + 2
    assert reasons(tmp_path) == {
        "gone.json": "captions without an image of the same name",
        "gone.json#0": "its image was rejected: captions without an image of the same name",
        "gone.txt": "captions without an image of the same name",
        "gone.txt#0": "its image was rejected: captions without an image of the same name",
        "gone.txt#1": "its image was rejected: captions without an image of the same name",
    }


def test_a_caption_that_is_no_text_costs_itself_alone(tmp_path):
    write(tmp_path / "a.png", picture())
    write(tmp_path / "a.json", '{"captions": ["a bird", 3, null, "a red bird"]}')
    assert [row["text"] for row in checked(tmp_path).captions] == ["a bird", "a red bird"]
    assert reasons(tmp_path) == {"a#1": "not a string: '3'", "a#2": "not a string: 'None'"}


@pytest.mark.parametrize("suffix", [".jfif", ".JPE", ".jpeg"])
def test_jpeg_has_many_suffixes(tmp_path, suffix):
    write(tmp_path / f"a{suffix}", picture(kind="JPEG"))
    write(tmp_path / "a.txt", "a bird")
    assert keys(tmp_path) == ["a"]


def test_images_of_other_kinds_are_refused_and_take_no_captions_from_those_read(tmp_path):
    write(tmp_path / "a.jpg", picture(kind="JPEG"))
    write(tmp_path / "a.CR2", b"raw")
    write(tmp_path / "a.txt", "a bird")
    write(tmp_path / "b.heif", b"other")
    write(tmp_path / "b.txt", "a cat")
    assert keys(tmp_path) == ["a"]
    refused = reasons(tmp_path)
    assert list(refused) == ["a.CR2", "b.heif", "b.heif#0"]
    assert refused["a.CR2"].startswith("not a supported image format: .CR2; expected .bmp, ")


def test_linked_folders_and_files_are_read(tmp_path):
    folder_dataset(tmp_path / "elsewhere" / "birds", 2)
    write(tmp_path / "data" / "a.png", picture())
    write(tmp_path / "data" / "a.txt", "a bird")
    (tmp_path / "data" / "train").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "b.png").symlink_to(tmp_path / "data" / "a.png")
    (tmp_path / "data" / "b.txt").symlink_to(tmp_path / "data" / "a.txt")
    assert keys(tmp_path / "data") == ["a", "b", "train/birds/img000", "train/birds/img001"]
    assert not reasons(tmp_path / "data")


def test_links_that_lead_in_circles_or_nowhere_are_refused_by_name(tmp_path):
    folder_dataset(tmp_path / "x", 1)
    folder_dataset(tmp_path / "y", 1)
    (tmp_path / "x" / "up").symlink_to("..")
    (tmp_path / "x" / "to_y").symlink_to("../y")
    (tmp_path / "y" / "to_x").symlink_to("../x")
    (tmp_path / "gone").symlink_to("nowhere")
    (tmp_path / "self").symlink_to("self")
    assert keys(tmp_path) == ["x/img000", "x/to_y/img000", "y/img000", "y/to_x/img000"]
    circle = f"a link back to a folder that contains it: {tmp_path}"
    assert reasons(tmp_path) == {
        "gone": "a broken link: nowhere",
        "self": "a broken link: self",
        "x/to_y/to_x": f"{circle}/x",
        "x/up": circle,
        "y/to_x/to_y": f"{circle}/y",
        "y/to_x/up": circle,
    }


def test_folders_that_all_link_to_each_other_are_listed_to_a_limit(tmp_path):
    """Seven folders have 13,692 paths without a repeated folder; up to two links inside each other, 7 + 42 + 210."""
    names = [f"f{number}" for number in range(7)]
    for name in names:
        folder_dataset(tmp_path / name, 1)
        for other in names:
            (tmp_path / name / other).symlink_to(f"../{other}")
    assert len(keys(tmp_path)) == 7 + 7 * 6 + 7 * 6 * 5
    assert reasons(tmp_path)["f0/f1/f2/f3"].startswith("a link inside 2 linked folders; link to ")


def test_links_to_the_root_or_to_a_folder_around_the_data_are_refused(tmp_path):
    folder_dataset(tmp_path / "around" / "data", 1)
    for name, target in (("root", "/"), ("up", ".."), ("above", str(tmp_path))):
        (tmp_path / "around" / "data" / name).symlink_to(target)
    (tmp_path / "linked").symlink_to(tmp_path / "around" / "data")
    for root in (tmp_path / "around" / "data", tmp_path / "linked"):
        assert keys(root) == ["img000"]
        assert set(reasons(root).values()) == {
            f"a link back to a folder that contains it: {path}" for path in ("/", tmp_path / "around", tmp_path)
        }


def test_a_long_listing_is_logged(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(files_below, "LOGGED_EVERY_SEC", 0)
    caplog.set_level("INFO")
    folder_dataset(tmp_path, 2)
    assert keys(tmp_path) == ["img000", "img001"]
    assert re.search(rf"listing {tmp_path}: \d files so far, now in {tmp_path}", caplog.text)


def test_an_image_that_is_a_link_to_nothing_keeps_its_captions_counted(tmp_path):
    folder_dataset(tmp_path, 2)
    (tmp_path / "img000.png").unlink()
    (tmp_path / "img000.png").symlink_to("nowhere.png")
    assert list(reasons(tmp_path)) == ["img000.png", "img000#0", "img000#1"]


def test_a_folder_that_cannot_be_listed_is_refused_by_name(tmp_path, monkeypatch):
    folder_dataset(tmp_path / "shut", 1)
    folder_dataset(tmp_path / "open", 1)
    scandir = os.scandir

    def listing(path):
        if str(path).endswith("shut"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", listing)
    assert keys(tmp_path) == ["open/img000"]
    assert reasons(tmp_path) == {"shut": "cannot be listed: Permission denied"}


def test_the_signature_moves_with_what_is_refused(tmp_path):
    folder_dataset(tmp_path, 1)
    seen = [opened(tmp_path).signature()]
    (tmp_path / "link").symlink_to("nowhere")
    seen.append(opened(tmp_path).signature())
    write(tmp_path / "a.tiff", b"II*\0")
    seen.append(opened(tmp_path).signature())
    assert len(set(seen)) == 3

"""CUB-200-2011: the tree, ten captions, boxes and the crop of the text-to-image literature, both splits."""

import os

import numpy as np
import pytest
from helpers.datasets import cub_dataset, write
from PIL import Image

from hspcgan.pipeline.sources.config import DataConfig, open_source
from hspcgan.pipeline.stages.images import crop_and_resize, crop_around, decode
from hspcgan.pipeline.stages.ingest_items import check_items


def opened(path, **options):
    return open_source(DataConfig(source="cub", path=path, image_size=16, **options))


@pytest.mark.parametrize(("nested", "texts"), [(True, "text_c10"), (False, "text_c10"), (True, "text")])
def test_birds_come_with_ten_captions_their_box_and_the_split_of_classes(tmp_path, nested, texts):
    source = opened(cub_dataset(tmp_path, nested, texts))
    entries = source.entries()
    splits = {entry.key.split("/")[0]: entry.split for entry in entries}
    assert splits == {
        "001.Black_footed_Albatross": "train", "002.Laysan_Albatross": "test", "004.Groove_billed_Ani": "train",
    }  # fmt: skip
    item = source.read(entries[2])
    assert item.entry.key == "002.Laysan_Albatross/Laysan_Albatross_0001_1"
    assert len(item.captions) == 10
    assert item.captions[9] == b"this bird is number 3, seen 9 times."
    assert item.box == (3, 4, 15, 12)
    assert item.problem is None


def test_the_split_of_images_is_cubs_own_list(tmp_path):
    splits = [entry.split for entry in opened(cub_dataset(tmp_path), split="images").entries()]
    assert splits == ["train", "test"] * 3
    listed = (tmp_path / "CUB_200_2011" / "train_test_split.txt").read_text().splitlines()
    write(tmp_path / "CUB_200_2011" / "train_test_split.txt", "\n".join(listed[1:]))
    source = opened(tmp_path, split="images")
    assert source.read(source.entries()[0]).problem == "train_test_split.txt has no line for ID 1"


@pytest.mark.parametrize(("box", "region"), [
    # By the literature's formula: reach 0.75 · longer side; centre (x0 + x1) / 2; cut off at the borders.
    ((10, 8, 22, 16), (7, 3, 25, 21)),
    ((0, 0, 12, 8), (0, 0, 15, 13)),
    ((30, 20, 40, 30), (28, 18, 40, 30)),
])  # fmt: skip
def test_the_crop_reaches_three_quarters_of_the_boxs_longer_side(box, region):
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    x0, y0, x1, y1 = region
    assert np.array_equal(np.asarray(crop_around(Image.fromarray(pixels), box)), pixels[y0:y1, x0:x1])


@pytest.mark.parametrize("box", [(40, 0, 50, 10), (5, 5, 5, 9), (-9, -9, 0, 0)])
def test_a_box_without_area_in_the_image_is_refused(box):
    with pytest.raises(ValueError, match="no area inside the image of 40×30"):
        crop_around(Image.new("RGB", (40, 30)), box)


def test_ingest_keeps_the_crop_and_the_box(tmp_path):
    source = opened(cub_dataset(tmp_path))
    item = source.read(source.entries()[0])
    checked = check_items(16, [item])
    assert checked.samples[0]["box"] == [1, 4, 13, 12]
    assert (checked.samples[0]["width"], checked.samples[0]["height"]) == (40, 30)
    image = decode(item.image)
    assert np.array_equal(checked.pixels[0], crop_and_resize(image.crop((0, 0, 16, 17)), 16))  # centre (7, 8), reach 9


def test_what_is_wrong_with_a_bird_is_named(tmp_path):
    cub_dataset(tmp_path)
    home = tmp_path / "CUB_200_2011"
    names = [line.split()[1] for line in (home / "images.txt").read_text().splitlines()]
    (home / "images" / names[0]).unlink()
    (tmp_path / "text_c10" / names[1]).with_suffix(".txt").unlink()
    write((tmp_path / "text_c10" / names[2]).with_suffix(".txt"), "")
    write(home / "bounding_boxes.txt", "".join(f"{n} 30.0 4.0 12.0 8.0\n" for n in range(1, 6)))
    write(home / "images.txt", (home / "images.txt").read_text() + "7 ../../secret.jpg\n")
    source = opened(tmp_path)
    problems = [source.read(entry).problem for entry in source.entries()]
    assert "No such file" in problems[0]
    assert "no captions: " in problems[1]
    assert problems[2].endswith("is empty")
    assert problems[5] == "bounding_boxes.txt has no line for ID 6"
    assert problems[6] == "images.txt: not of the form CLASS/NAME.jpg: '../../secret.jpg'"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-le"])
def test_captions_in_another_encoding_name_the_command_that_converts_them(tmp_path, encoding):
    cub_dataset(tmp_path)
    path = next((tmp_path / "text_c10").rglob("*.txt"))
    path.write_bytes("a bird\n".encode(encoding))
    source = opened(tmp_path)
    problems = [source.read(entry).problem for entry in source.entries()]
    assert [p for p in problems if p] == [
        f"{path} is encoded in {encoding.upper().replace('-LE', 'LE')}, expected UTF-8; convert it with `iconv -f "
        f"{encoding.upper().replace('-LE', 'LE')} -t UTF-8 FILE > NEW_FILE`"
    ]


def test_captions_are_counted_whatever_is_wrong_with_the_bird(tmp_path):
    home = cub_dataset(tmp_path) / "CUB_200_2011"
    boxes = (home / "bounding_boxes.txt").read_text().splitlines()
    write(home / "bounding_boxes.txt", "\n".join(["1 5.0 5.0 0.0 0.0", *boxes[2:]]))  # of no area, and none
    write(tmp_path / "text_c10" / "999.Dodo" / "Dodo_1.txt", "a bird\nno bird\n")
    source = opened(tmp_path)
    checked = check_items(16, [source.read(entry) for entry in source.entries()])
    assert len(checked.samples) == 4
    assert len(checked.rejects) == 11 + 11 + 3
    assert checked.rows_in == 6 * 11 + 3
    why = {row["where"]: row["why"] for row in checked.rejects}
    assert why["text_c10/999.Dodo/Dodo_1.txt"] == "captions without an image in images.txt"
    assert why["999.Dodo/Dodo_1.txt#1"] == "its image was rejected: captions without an image in images.txt"


@pytest.mark.parametrize(("gone", "reason"), [
    ("CUB_200_2011/images.txt", r"no CUB_200_2011/images\.txt; found .*bounding_boxes\.txt.*expected PATH/CUB_200"),
    ("CUB_200_2011/bounding_boxes.txt", r"no CUB_200_2011/bounding_boxes\.txt; found"),
    ("text_c10", r"no text_c10 or text; found .*testclasses\.txt.*expected"),
    ("testclasses.txt", r"no testclasses\.txt; .*data\.split: images"),
])  # fmt: skip
def test_another_tree_shows_what_was_found_and_expected(tmp_path, gone, reason):
    cub_dataset(tmp_path)
    (tmp_path / gone).rename(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=reason):
        opened(tmp_path)


def test_a_pipe_in_place_of_a_list_is_named(tmp_path):
    path = cub_dataset(tmp_path) / "CUB_200_2011" / "images.txt"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ValueError, match=r"no CUB_200_2011/images\.txt; found .*, images\.txt \(a pipe\)"):
        opened(tmp_path)


@pytest.mark.parametrize(("name", "content", "reason"), [
    ("CUB_200_2011/images.txt", "one.jpg\n", r"images\.txt, line 1: got 'one\.jpg'"),
    ("CUB_200_2011/bounding_boxes.txt", "1 2 3\n", r"got '1 2 3', expected ID X Y WIDTH HEIGHT"),
    ("CUB_200_2011/bounding_boxes.txt", "6 inf 0 5 5\n", r"got '6 inf 0 5 5', .* numbers of at most 536,870,912"),
    ("CUB_200_2011/images.txt", "", "lists no image; download the dataset again"),
    ("CUB_200_2011/images.txt", "1 a/b.jpg\n1 a/c.jpg\n", r"images\.txt, line 2: ID 1 is already used for 'a/b\.jpg'"),
    ("testclasses.txt", "999.Dodo\n", r"\['999\.Dodo'\] are not classes"),
])  # fmt: skip
def test_a_broken_list_is_named_with_the_line(tmp_path, name, content, reason):
    write(cub_dataset(tmp_path) / name, content)
    with pytest.raises(ValueError, match=reason):
        opened(tmp_path).entries()


def test_the_signature_moves_with_boxes_captions_and_split(tmp_path):
    before = opened(cub_dataset(tmp_path)).signature()
    assert opened(tmp_path).signature() == before
    for name in ("CUB_200_2011/bounding_boxes.txt", "testclasses.txt"):
        path = tmp_path / name
        text = path.read_text()
        write(path, text.replace("4.0", "5.0").replace("002.Laysan_Albatross", "004.Groove_billed_Ani"))
        assert opened(tmp_path).signature() != before
        write(path, text)
    orphan = write(tmp_path / "text_c10" / "999.Dodo" / "Dodo_1.txt", "a bird")
    assert opened(tmp_path).signature() != before
    orphan.unlink()
    assert opened(tmp_path).signature() == before

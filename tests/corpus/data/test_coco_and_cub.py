"""CUB's lists and COCO's annotations with odd names, numbers and sizes: a reject row, or one error before the work."""

import json
import os
import re

import pytest
from helpers.corpus import assert_told, ingest, ingested
from helpers.datasets import coco_dataset, cub_dataset

KIND = "001.Black_footed_Albatross"


@pytest.fixture
def cub(tmp_path):
    """The folder CUB_200_2011 of six birds with 60 captions."""
    return cub_dataset(tmp_path / "data") / "CUB_200_2011"


@pytest.mark.parametrize(
    "name",
    [".", "/", "//", f"{KIND}/..", f"{KIND}/.", f"{KIND}/a\0b.jpg", f"{KIND}/{'x' * 400}.jpg", f"{KIND}/caf\udce9.jpg"],
)
def test_an_odd_name_in_images_txt_is_a_reject(tmp_path, tiny_clip_path, cub, name):
    for file, line in {"images.txt": name, "bounding_boxes.txt": "1 1 9 9"}.items():
        with (cub / file).open("a", errors="surrogateescape") as lines:
            lines.write(f"7 {line}\n\n")
    result, cache = ingest(tmp_path, tmp_path / "data", tiny_clip_path, "cub")
    assert result.exit_code == 0, result.output
    found = ingested(cache)
    assert (len(found.samples), len(found.rejects)) == (6, 1)


@pytest.mark.parametrize(
    "box", ["inf 0 1 1", "0 0 -inf 1", "1e300 1 1 1", "-3e9 -3e9 7e9 7e9", "nan 1 1 1", "1,0 1 1 1"]
)
def test_a_box_of_no_image_is_an_error(tmp_path, tiny_clip_path, cub, box):
    (cub / "bounding_boxes.txt").write_text(f"1 {box}\n")
    result, _ = ingest(tmp_path, tmp_path / "data", tiny_clip_path, "cub")
    assert_told(result, f"bounding_boxes.txt: got '1 {box}', expected ID X Y WIDTH HEIGHT", codes={3})


def test_a_split_other_than_0_and_1_is_a_reject(tmp_path, tiny_clip_path, cub):
    (cub / "train_test_split.txt").write_text("1 yes\n2 0\n3 1\n4 2\n5 1\n6 0\n")
    result, cache = ingest(tmp_path, tmp_path / "data", tiny_clip_path, "cub", split="images")
    assert result.exit_code == 0, result.output
    whys = {why for _, what, why in ingested(cache).rejects if what == "image"}
    assert whys == {
        f"train_test_split.txt: got '{got}' for ID {n}, expected 0 or 1" for n, got in ((1, "yes"), (4, "2"))
    }


@pytest.mark.parametrize("source", ["cub", "coco"])
def test_a_list_of_many_gigabytes_is_an_error_before_it_is_hashed(tmp_path, tiny_clip_path, source):
    make = {"cub": cub_dataset, "coco": coco_dataset}[source]
    make(tmp_path / "data")
    name = {"cub": "CUB_200_2011/bounding_boxes.txt", "coco": "annotations/captions_train2017.json"}[source]
    os.truncate(tmp_path / "data" / name, 400 * 2**30)
    result, _ = ingest(tmp_path, tmp_path / "data", tiny_clip_path, source)
    assert_told(result, "the file has 429,496,729,600 bytes, more than the", name, codes={3})


def test_an_image_that_is_listed_often_does_not_fill_the_terminal(tmp_path, tiny_clip_path):
    path = coco_dataset(tmp_path / "data") / "annotations" / "captions_train2017.json"
    content = json.loads(path.read_text())
    content["images"] += [{"id": 100 + number, "file_name": "same.jpg"} for number in range(5000)]
    path.write_text(json.dumps(content))
    result, cache = ingest(tmp_path, tmp_path / "data", tiny_clip_path, "coco")
    assert result.exit_code == 0
    assert len(result.output) < 2000
    assert len(ingested(cache).rejects) == 5000


@pytest.mark.parametrize(("caption", "count", "why"), [
    ("a bird", 3000, "3,0.. captions for images/train2017/000000000001.jpg, more than the 1,000 allowed"),
    ("word " * 1800, 200, "captions of 1,800,... characters for images/train2017/000000000001.jpg, more than the 1,048,576 allowed"),
])  # fmt: skip
def test_an_image_with_very_many_or_long_captions_is_a_reject(tmp_path, tiny_clip_path, caption, count, why):
    path = coco_dataset(tmp_path / "data") / "annotations" / "captions_train2017.json"
    content = json.loads(path.read_text())
    content["annotations"] += [{"id": 900 + n, "image_id": 1, "caption": caption} for n in range(count)]
    path.write_text(json.dumps(content))
    result, cache = ingest(tmp_path, tmp_path / "data", tiny_clip_path, "coco")
    assert result.exit_code == 0, result.output
    found = ingested(cache)
    assert "000000000001" not in found.samples
    assert len(found.samples) == 3
    assert re.fullmatch(why, found.why("images/train2017/000000000001"))


COCO = {
    "string-ids": {"images": [{"id": "1", "file_name": "x.jpg"}], "annotations": []}, "float-ids": {"images": [{"id": 1.5, "file_name": "x.jpg"}], "annotations": []},
    "list": [], "text": "x", "null": None, "no-images": {"annotations": []}, "images-object": {"images": {}, "annotations": []}, "rows-text": {"images": ["x"], "annotations": []},
    "twice": {"images": [{"id": 1, "file_name": "a.jpg"}, {"id": 1, "file_name": "b.jpg"}], "annotations": []}, "no-captions": {"images": [{"id": 1, "file_name": "000000000001.jpg"}], "annotations": [{"id": 1, "image_id": 1}]},
}  # fmt: skip


@pytest.mark.parametrize("name", [*COCO, "cut", "empty", "latin", "deep", "fifo", "utf-16"])
def test_annotations_of_the_wrong_shape_are_one_error(tmp_path, tiny_clip_path, name):
    coco_dataset(tmp_path / "data")
    path = tmp_path / "data" / "annotations" / "captions_train2017.json"
    whole = path.read_bytes()
    path.unlink()
    if name == "fifo":
        os.mkfifo(path)
    else:
        odd = {
            "cut": whole[:100],
            "empty": b"",
            "latin": b'{"a": "\xe9"}',
            "deep": b"[" * 100_000,
            "utf-16": whole.decode().encode("utf-16"),
        }
        path.write_bytes(odd[name] if name in odd else json.dumps(COCO[name]).encode())
    result, _ = ingest(tmp_path, tmp_path / "data", tiny_clip_path, "coco")
    assert_told(result, "captions_train2017.json")


def test_odd_captions_and_files_of_coco_cost_themselves(tmp_path, tiny_clip_path):
    coco_dataset(tmp_path / "data")
    path = tmp_path / "data" / "annotations" / "captions_train2017.json"
    content = json.loads(path.read_bytes())
    content["annotations"] += [
        {"id": 900 + n, "image_id": 1, "caption": caption} for n, caption in enumerate([None, 3, [], "", "\x1b[31m"])
    ]
    content["annotations"].append({"id": 999, "image_id": 12345, "caption": "of nothing"})
    content["annotations"] += [
        "no object",
        None,
        {"id": 998, "caption": "of no image"},
        {"image_id": 1, "caption": "x"},
    ]
    content["images"] += [
        7,
        {"id": "52", "file_name": "x.jpg"},
        {"id": 50, "file_name": "../../../etc/passwd"},
        {"id": 51, "file_name": "absent.jpg"},
        {"id": 52, "file_name": ""},
        {"id": 53, "file_name": "\ud800.jpg"},
        {"id": 54, "file_name": "a\0.jpg"},
    ]
    path.write_text(json.dumps(content))
    result, cache = ingest(tmp_path, tmp_path / "data", tiny_clip_path, "coco")
    assert result.exit_code == 0, result.output
    found = ingested(cache)
    assert len(found.samples) == 4
    number = len(content["annotations"]) - 4
    assert found.why(f"captions_train2017.json#annotations[{number}]") == (
        f"annotations[{number}] lacks id (a whole number), image_id (a whole number), caption (any value): got 'no object'"
    )
    places = [where for where, what, _ in found.rejects if what == "image" and "[" in where]
    assert len(places) == 6

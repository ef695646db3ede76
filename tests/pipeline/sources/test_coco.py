"""COCO's official tree: what is listed and read, and how a wrong tree or a broken file is named."""

import json

import pytest
from helpers.datasets import coco_dataset, picture, write

from hspcgan.pipeline.sources.config import DataConfig, open_source


def opened(path, **options):
    return open_source(DataConfig(source="coco", path=path, image_size=16, **options))


def items(source) -> dict:
    return {entry.where: source.read(entry) for entry in source.entries()}


@pytest.mark.parametrize("nested", [True, False])
def test_coco_reads_the_official_tree_with_and_without_the_images_level(tmp_path, nested):
    source = opened(coco_dataset(tmp_path, nested))
    entries = source.entries()
    assert [(e.key, e.split) for e in entries] == [(f"{n:012d}", "train") for n in (1, 2, 3)] + [(f"{4:012d}", "test")]
    first = source.read(entries[0])
    assert first.captions == ("A dog number 1, caption 0.", "A dog number 1, caption 1.")
    assert first.image == picture(1, kind="JPEG")


def test_coco_names_missing_images_and_stray_captions(tmp_path):
    coco_dataset(tmp_path)
    (tmp_path / "images" / "train2017" / "000000000002.jpg").unlink()
    path = tmp_path / "annotations" / "captions_val2017.json"
    content = json.loads(path.read_text())
    content["annotations"].append({"id": 99, "image_id": 77, "caption": "of nothing"})
    content["annotations"].append({"id": 100, "image_id": 4, "caption": None})
    content["images"].append({"id": 5, "file_name": "../../secret.jpg"})
    content["images"].append({"id": 6, "file_name": "000000000006.jpg"})
    write(path, json.dumps(content))
    write(tmp_path / "images" / "val2017" / "000000000006.jpg", picture(6, kind="JPEG"))
    found = items(opened(tmp_path))
    assert found["images/val2017/000000000004.jpg"].captions[-1] is None  # ingest refuses it alone
    problems = {item.entry.where: item.problem for item in found.values() if item.problem}
    assert "missing image file: " in problems.pop("images/train2017/000000000002.jpg")
    assert problems == {
        "captions_val2017.json#99": "annotation 99 refers to image 77, which is not in `images`",
        "captions_val2017.json: image 5": "file_name is not inside val2017/: '../../secret.jpg'",
        "images/val2017/000000000006.jpg": "no captions in the annotations",
    }


def test_coco_of_another_tree_shows_what_was_found_and_expected(tmp_path):
    write(tmp_path / "somewhere" / "x.jpg", b"")
    with pytest.raises(ValueError, match=r"no annotations/captions_.*found .*somewhere/.*expected PATH/annotations"):
        opened(tmp_path)


def test_coco_without_its_image_folder_is_refused_at_once(tmp_path):
    coco_dataset(tmp_path)
    (tmp_path / "images" / "val2017").rename(tmp_path / "images" / "elsewhere")
    with pytest.raises(ValueError, match=r"images/val2017/ or val2017/ for captions_val2017\.json; found"):
        opened(tmp_path)


@pytest.mark.parametrize(("content", "reason"), [
    ('{"images": [\n{"id": 1,, }', "not valid JSON.*line 2, column 10"),
    ('{"annotations": []}', "no list `images`; got annotations"),
    ('{"images": [{"id": 1}], "annotations": []}', r"images\[0\] lacks file_name \(a string\)"),
    ('{"images": [], "annotations": [{"id": 1, "image_id": 2}]}', r"annotations\[0\] lacks caption"),
    ("[]", "no list `images`; got list"),
])  # fmt: skip
def test_coco_names_the_broken_file_and_the_place(tmp_path, content, reason):
    coco_dataset(tmp_path)
    write(tmp_path / "annotations" / "captions_train2017.json", content)
    with pytest.raises(ValueError, match=f"captions_train2017.json.*{reason}"):
        opened(tmp_path).entries()


def test_coco_refuses_two_images_of_one_id(tmp_path):
    path = coco_dataset(tmp_path) / "annotations" / "captions_train2017.json"
    content = json.loads(path.read_text())
    content["images"].append({"id": 2, "file_name": "000000000009.jpg"})
    write(path, json.dumps(content))
    with pytest.raises(ValueError, match=r"train2017\.json: 1 id.*\(2: 000000000002\.jpg, 000000000009\.jpg\)"):
        opened(tmp_path).entries()


def test_coco_of_several_years_needs_the_year(tmp_path):
    coco_dataset(tmp_path)
    for split in ("train", "val"):
        text = (tmp_path / "annotations" / f"captions_{split}2017.json").read_text()
        write(tmp_path / "annotations" / f"captions_{split}2014.json", text)
    with pytest.raises(ValueError, match=r"several years \(2014, 2017\).*data\.year"):
        opened(tmp_path)
    assert len(opened(tmp_path, year=2017).entries()) == 4


def test_coco_images_in_folders_below_are_noticed_when_they_change(tmp_path):
    path = coco_dataset(tmp_path) / "annotations" / "captions_train2017.json"
    content = json.loads(path.read_text())
    image = tmp_path / "images" / "train2017" / content["images"][0]["file_name"]
    below = write(image.parent / "sub" / image.name, image.read_bytes())
    content["images"][0]["file_name"] = f"sub/{image.name}"
    path.write_text(json.dumps(content))
    before = opened(tmp_path, year=2017).signature()
    below.write_bytes(below.read_bytes()[:-1] + b"x")
    assert opened(tmp_path, year=2017).signature() != before

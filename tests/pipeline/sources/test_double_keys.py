"""Several images with one key, in every layout: the first is used, each of the others is a reject with its reason."""

import json

import pytest
from helpers.datasets import coco_dataset, cub_dataset, folder_dataset, picture, tar_shard, write

from hspcgan.pipeline.sources.config import DataConfig, open_source
from hspcgan.pipeline.stages.ingest_items import check_items


def folder(root):
    folder_dataset(root, 2)
    write(root / "img000.webp", picture(7, kind="WEBP"))
    return "img000", "img000.webp"


def table(root):
    for name in ("a.png", "a.jpg", "b.png"):
        write(root / name, picture(7, kind="JPEG" if name.endswith("jpg") else "PNG"))
    write(root / "all.csv", "image,caption\na.png,a bird\na.jpg,a cat\nb.png,a dog\n")
    return "a", "a.png"


def coco(root):
    coco_dataset(root)
    path = root / "annotations" / "captions_train2017.json"
    content = json.loads(path.read_bytes())
    content["images"].append({"id": 90, "file_name": "000000000001.png"})
    content["annotations"].append({"id": 91, "image_id": 90, "caption": "a cat"})
    path.write_text(json.dumps(content))
    write(root / "images" / "train2017" / "000000000001.png", picture())
    return "000000000001", "images/train2017/000000000001.png"


def cub(root):
    cub_dataset(root)
    listed = root / "CUB_200_2011" / "images.txt"
    name = listed.read_text().split()[1]
    with listed.open("a") as file:
        file.write(f"90 {name}\n")
    return name.removesuffix(".jpg"), f"images/{name}"


def webdataset(root):
    members = {"0.png": picture(1), "0.jpg": picture(2, kind="JPEG"), "0.txt": b"a bird"}
    tar_shard(root / "0.tar", members | {"1.png": picture(3), "1.txt": b"a cat"})
    return "0", "0.tar:0.png"


@pytest.mark.parametrize("make", [folder, table, coco, cub, webdataset])
@pytest.mark.parametrize("test_fraction", [0, 0.5])
def test_the_first_image_of_a_key_is_used_and_the_others_are_rejects(tmp_path, make, test_fraction):
    key, where = make(tmp_path / "data")
    share = {} if make is cub else {"test_fraction": test_fraction}
    source = open_source(DataConfig(source=make.__name__, path=tmp_path / "data", image_size=16, **share))
    entries = source.entries()
    checked = check_items(16, [source.read(entry) for entry in entries])
    assert [row["key"] for row in checked.samples].count(key) == 1
    assert len({row["key"] for row in checked.samples}) == len(checked.samples) == len(entries) - 1
    ((_, why),) = [(row["where"], row["why"]) for row in checked.rejects if row["what"] == "image"]
    assert [row["where"] for row in checked.rejects if row["what"] == "image"] == [where]
    if make is cub:  # the same file twice
        assert why == f"{where} is listed twice; remove one of the entries"
    else:
        assert why.startswith("the key is already used: ")
        assert f" has the same key {key}; rename" in why
    assert source.signature()


def test_the_captions_of_a_key_that_is_already_used_are_rejects(tmp_path):
    for number in range(2):
        tar_shard(tmp_path / f"{number}.tar", {"a.png": picture(number), "a.txt": b"bird %d" % number})
    source = open_source(DataConfig(source="webdataset", path=tmp_path, image_size=16))
    checked = check_items(16, [source.read(entry) for entry in source.entries()])
    assert [row["text"] for row in checked.captions] == ["bird 0"]
    assert [(row["where"], row["what"]) for row in checked.rejects] == [("1.tar:a", "image"), ("a#0", "caption")]
    assert checked.rejects[1]["why"].startswith("its image was rejected: the key is already used: 0.tar:a")

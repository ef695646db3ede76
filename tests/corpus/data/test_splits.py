"""The same picture under several keys stays in one split, whatever the source; doubles across splits are counted."""

import json

import pytest
from helpers.cli import hspcgan
from helpers.corpus import ingested
from helpers.datasets import coco_dataset, manifest, picture, tar_shard, write

from hspcgan.pipeline.sources.config import DataConfig, open_source

PICTURES, KEYS = 12, 5


def folder(root):
    for number in range(PICTURES * KEYS):
        write(root / f"{number:03d}.png", picture(number % PICTURES))
        write(root / f"{number:03d}.txt", f"a bird {number}")
    return {"source": "folder", "path": root}


def table(root):
    folder(root)
    rows = [json.dumps({"image": f"{number:03d}.png", "caption": "a bird"}) for number in range(PICTURES * KEYS)]
    write(root / "all.jsonl", "\n".join(rows))
    return {"source": "table", "path": root / "all.jsonl"}


def webdataset(root):
    members = {}
    for number in range(PICTURES * KEYS):
        members |= {f"{number:03d}.png": picture(number % PICTURES), f"{number:03d}.txt": b"a bird"}
    tar_shard(root / "0.tar", members)
    return {"source": "webdataset", "path": root}


def coco(root):
    coco_dataset(root)
    (root / "annotations" / "captions_val2017.json").unlink()
    path = root / "annotations" / "captions_train2017.json"
    images = [{"id": number, "file_name": f"{number:012d}.jpg"} for number in range(PICTURES * KEYS)]
    captions = [{"id": number, "image_id": number, "caption": "a bird"} for number in range(PICTURES * KEYS)]
    path.write_text(json.dumps({"images": images, "annotations": captions}))
    for number in range(PICTURES * KEYS):
        write(root / "images" / "train2017" / f"{number:012d}.jpg", picture(number % PICTURES, kind="JPEG"))
    return {"source": "coco", "path": root}


@pytest.mark.parametrize("make", [folder, table, webdataset, coco])
def test_all_keys_of_a_picture_have_one_split(tmp_path, make):
    source = open_source(DataConfig(**make(tmp_path / "data"), test_fraction=0.3))
    splits: dict[int, set[str]] = {}
    for entry in source.entries():
        splits.setdefault(int(entry.key) % PICTURES, set()).add(entry.split)
    assert all(len(found) == 1 for found in splits.values()), splits
    assert 1 <= sum(found == {"test"} for found in splits.values()) < PICTURES


def test_data_without_doubles_is_split_by_keys_alone(tmp_path):
    """By the names' sha256 these two, so that existing caches stay as they are."""
    for number in range(20):
        write(tmp_path / f"{number}.png", picture(number))
        write(tmp_path / f"{number}.txt", "a bird")
    source = open_source(DataConfig(source="folder", path=tmp_path, test_fraction=0.2))
    assert sorted(entry.key for entry in source.entries() if entry.split == "test") == ["8", "9"]


def test_doubles_across_splits_that_the_data_has_are_counted_by_every_command(tmp_path, tiny_clip_path):
    for split, numbers in {"train": range(4), "test": range(2, 5)}.items():
        for number in numbers:
            write(tmp_path / "data" / split / f"{split}{number}.png", picture(number))
            write(tmp_path / "data" / split / f"{split}{number}.txt", "a red bird")
    path = manifest(tmp_path / "m.yaml", tmp_path / "data", tiny_clip_path)
    said = "2 of 3 test images are also in train, as equal files under other keys"
    for command in ("prepare", "stats", "validate"):
        result = hspcgan(command, path if command == "prepare" else path.with_suffix(".cache"))
        assert (result.exit_code, result.output.count(said)) == (0, 1), result.output


GERMAN = ["Ein roter Vogel sitzt auf einem Ast", "Zwei Hunde spielen im Schnee", "Der Zug fährt in den Bahnhof ein"]
FRENCH = [
    "Deux chiens jouent dans la neige",
    "Un homme fait du vélo dans la ville",
    "Une femme se tient devant une maison",
]
CHINESE = ["一只红色的鸟", "两只狗在雪地里玩", "一个男人骑自行车"]
ENGLISH = ["a small bird's wings are spread", "two men sitting on the grass", "the happiest dogs playing with frisbees"]


@pytest.mark.parametrize(("captions", "foreign"), [(GERMAN, 3), (FRENCH, 3), (CHINESE, 3), (ENGLISH, 0)])
def test_captions_in_other_languages_are_counted(tmp_path, tiny_clip_path, captions, foreign):
    for number, caption in enumerate([*captions, "a red bird"]):
        write(tmp_path / "data" / f"{number}.png", picture(number))
        write(tmp_path / "data" / f"{number}.txt", caption)
    path = manifest(tmp_path / "m.yaml", tmp_path / "data", tiny_clip_path)
    prepared, stats = hspcgan("prepare", path).output, hspcgan("stats", path.with_suffix(".cache")).output
    assert f"{foreign} captions consist mostly of such words" in stats
    assert ("captions are parsed as English, so translate captions in other languages" in prepared) == bool(foreign)
    assert "warning: 3 captions (75.0%) consist mostly of words that" in prepared or not foreign


@pytest.mark.parametrize("name", ["0.JPG", "photos\\0.jpg"])
def test_a_name_of_other_letters_or_slashes_gets_a_hint(tmp_path, tiny_clip_path, name):
    coco_dataset(tmp_path / "data")
    annotations = tmp_path / "data" / "annotations" / "captions_train2017.json"
    content = json.loads(annotations.read_text())
    content["images"] += [{"id": 70, "file_name": name}]
    annotations.write_text(json.dumps(content))
    write(tmp_path / "data" / "images" / "train2017" / "0.jpg", picture(kind="JPEG"))
    path = manifest(tmp_path / "m.yaml", tmp_path / "data", tiny_clip_path, source="coco")
    assert hspcgan("ingest", path).exit_code == 0
    (why,) = [why for where, what, why in ingested(path.with_suffix(".cache")).rejects if what == "image"]
    assert ("there is 0.jpg" if name == "0.JPG" else "use / instead of \\") in why

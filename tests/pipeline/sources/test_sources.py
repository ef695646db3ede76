"""Dataset layouts: what each lists and reads, and how a wrong tree or a broken file is named."""

import hashlib
import io
import json
import random
from pathlib import Path

import pytest
from helpers.datasets import coco_dataset, folder_dataset, picture, write

from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.sources.base import Entry, with_test_split
from hspcgan.pipeline.sources.config import DataConfig, open_source
from hspcgan.pipeline.sources.fingerprints import sampled_sha256
from hspcgan.pipeline.stages import ingest


def opened(kind: str, path, **options):
    return open_source(DataConfig(source=kind, path=path, image_size=16, **options))


def items(source) -> dict:
    return {entry.where: source.read(entry) for entry in source.entries()}


def test_folder_reads_lines_of_txt_and_the_list_of_json(tmp_path):
    write(tmp_path / "a.jpg", picture(kind="JPEG"))
    write(tmp_path / "a.txt", "\ufeffone bird\r\n\r\ntwo birds\r\n")
    write(tmp_path / "sub" / "b.WEBP", picture(kind="WEBP"))
    write(tmp_path / "sub" / "b.json", json.dumps({"captions": ["ein Vogel", "鳥"]}))
    found = items(opened("folder", tmp_path))
    assert found["a.jpg"].captions == (b"one bird", b"", b"two birds")
    assert found["sub/b.WEBP"].captions == ("ein Vogel", "鳥")
    assert found["sub/b.WEBP"].entry.key == "sub/b"
    assert found["a.jpg"].image == picture(kind="JPEG")
    assert all(item.problem is None for item in found.values())


@pytest.mark.parametrize(("files", "where", "reason"), [
    ({"a.png": picture()}, "a.png", "no captions: expected a.txt or a.json"),
    ({"a.png": picture(), "a.txt": b" \n"}, "a.png", "no captions: a.txt is empty"),
    ({"a.png": picture(), "a.json": b'{"captions": ["x"'}, "a.png", "not valid JSON: a.json: Expecting .* column 18"),
    ({"a.png": picture(), "a.json": b"\xff\xfe{}"}, "a.png", "not valid JSON: a.json"),
    ({"a.png": picture(), "a.json": b'["x"]'}, "a.png", "no captions: a.json has .* expected {\"captions\": "),
    ({"a.png": picture(), "a.json": b'{"captions": 3}'}, "a.png", "no captions: a.json has"),
    ({"a.png": picture(), "a.json": b'{"captions": []}'}, "a.png", "no captions"),
    ({"a.png": picture(), "a.txt": b"x", "a.TXT": b"y"}, "a.png", "two caption files"),
    ({"b.png": picture(), "a.txt": b"x"}, "a.txt", "captions without an image"),
    ({"a.png": Path("gone.png"), "a.txt": b"x"}, "a.png", "No such file or directory; it is a link to gone.png"),
])  # fmt: skip
def test_folder_names_what_is_wrong_with_an_entry(tmp_path, files, where, reason):
    import re

    for name, content in files.items():
        if isinstance(content, Path):
            (tmp_path / name).symlink_to(content)
        else:
            write(tmp_path / name, content)
    assert re.search(reason, items(opened("folder", tmp_path))[where].problem)


def test_folder_lists_formats_it_cannot_read_and_skips_hidden_files(tmp_path):
    folder_dataset(tmp_path, 2)
    write(tmp_path / "photo.tiff", b"II*\x00")
    write(tmp_path / "photo.txt", "a photo")
    write(tmp_path / "._img000.png", b"junk")
    write(tmp_path / ".cache" / "x.png", b"junk")
    assert set(items(opened("folder", tmp_path))) == {"img000.png", "img001.png", "photo.tiff"}


def test_folder_without_images_says_what_was_found_and_expected(tmp_path):
    write(tmp_path / "captions.csv", "x")
    with pytest.raises(ValueError, match=r"no images in .*found 1 \.csv; expected PATH"):
        opened("folder", tmp_path).entries()


@pytest.mark.parametrize("name", ["test", "val", "valid"])
def test_split_folders_decide_the_split(tmp_path, name):
    folder_dataset(tmp_path / "train", 2)
    folder_dataset(tmp_path / name, 1)
    splits = {entry.where: entry.split for entry in opened("folder", tmp_path).entries()}
    assert splits == {"train/img000.png": "train", "train/img001.png": "train", f"{name}/img000.png": "test"}


@pytest.mark.parametrize("kind", ["folder", "coco"])
def test_a_missing_folder_is_named(tmp_path, kind):
    with pytest.raises(ValueError, match="nowhere does not exist"):
        opened(kind, tmp_path / "nowhere")


def test_the_signature_moves_with_contents_and_not_with_place_or_time(tmp_path):
    import os
    import shutil

    first = folder_dataset(tmp_path / "a", 3)
    shutil.copytree(first, tmp_path / "b")
    for path in (tmp_path / "b").iterdir():
        os.utime(path, (1, 1))
    same = opened("folder", tmp_path / "b").signature()
    assert opened("folder", first).signature() == same
    write(first / "img000.txt", "another caption\n")
    assert opened("folder", first).signature() != same


@pytest.mark.parametrize("byte", [5, -5])
@pytest.mark.parametrize(("source", "make"), [("folder", folder_dataset), ("coco", coco_dataset)])
def test_the_signature_moves_with_an_image_that_keeps_its_size(tmp_path, source, make, byte):
    make(tmp_path)
    options = {"year": 2017} if source == "coco" else {}
    before = opened(source, tmp_path, **options).signature()
    image = sorted(path for path in tmp_path.rglob("*") if path.suffix in (".png", ".jpg"))[-1]
    content = bytearray(image.read_bytes())
    content[byte] ^= 1
    image.write_bytes(content)
    assert opened(source, tmp_path, **options).signature() != before


@pytest.mark.parametrize("size", [0, 5, 262_144, 262_145, 500_000])
def test_a_glimpse_is_of_the_size_and_of_all_bytes_or_both_edges(size):
    content = random.Random(0).randbytes(size)
    read = content if size <= 262_144 else content[:131_072] + content[-131_072:]
    seen = f"{size} {hashlib.sha256(read).hexdigest()}"
    assert sampled_sha256(io.BytesIO(content), 0, size) == seen
    assert sampled_sha256(io.BytesIO(b"ab" + content + b"cd"), 2, size) == seen


def test_ingest_states_the_code_of_the_source_in_use_and_of_no_other(tmp_path):
    coco_dataset(tmp_path)
    stated = ingest.stage(DataConfig(source="coco", path=tmp_path)).inputs["code"]
    assert {name.removeprefix("hspcgan.pipeline.") for name in stated} == {
        *(f"stages.{name}" for name in ("ingest_items", "images", "image_limits", "caption_text")),
        *(
            f"sources.{name}"
            for name in ("base", "fingerprints", "files_below", "split", "coco", "readers.caption_files")
        ),
    }
    drawn = ingest.stage(DataConfig(source="toybirds")).inputs["code"]
    assert {"hspcgan.pipeline.toybirds.draw", "hspcgan.pipeline.sources.toybirds"} <= drawn.keys()
    assert "hspcgan.pipeline.sources.coco" not in drawn


def test_test_split_by_hash_is_stable_when_data_is_added():
    entries = [Entry(f"k{i}", "train", f"k{i}.png") for i in range(2000)]
    split = {entry.key: entry.split for entry in with_test_split(entries, 0.1)}
    assert 150 < sum(value == "test" for value in split.values()) < 250  # binomial: 200 ± 13
    part = with_test_split(entries[:300], 0.1)
    assert all(split[entry.key] == entry.split for entry in part)


def test_a_small_dataset_gets_one_test_sample_and_an_own_split_is_respected():
    few = with_test_split([Entry(f"k{i}", "train", "") for i in range(3)], 1e-6)
    assert [entry.split for entry in few].count("test") == 1
    own = [Entry("a", "train", ""), Entry("b", "test", ""), Entry("c", "train", "")]
    assert with_test_split(own, 0.9) == own


@pytest.mark.parametrize(("fields", "reason"), [
    ({"source": "folder"}, "needs `path`"),
    ({"source": "coco", "path": "x", "scenes": 3}, "scenes: not used by source 'coco'"),
    ({"source": "toybirds", "path": "x"}, "path: not used"),
    ({"source": "folder", "path": "x", "image_sise": 3}, "image_sise"),
])  # fmt: skip
def test_config_refuses_fields_that_do_not_fit_the_source(fields, reason):
    with pytest.raises(UserError, match=reason):
        DataConfig(**fields)


def test_toybirds_draws_at_the_asked_size_with_five_captions():
    source = open_source(DataConfig(source="toybirds", scenes=4, seed=3, image_size=32))
    entries = source.entries()
    assert len({entry.key for entry in entries}) == 4
    assert {entry.split for entry in entries} <= {"train", "test"}
    item = source.read(entries[0])
    assert item.image.size == (32, 32)
    assert len(item.captions) == 5
    assert source.signature() == open_source(DataConfig(source="toybirds", scenes=4, seed=3, image_size=32)).signature()
    assert source.signature() != open_source(DataConfig(source="toybirds", scenes=4, seed=4, image_size=32)).signature()


@pytest.mark.parametrize(("text", "content", "kept", "others"), [
    (b"a bird\n", b'{"caption": "a bird", "url": "x"}', (b"a bird",), ()),  # as img2dataset writes them
    (b"a bird\n", b'{"captions": ["a bird", "a cat"]}', ("a bird", "a cat"), ()),
    (b" \n", b'{"caption": "a cat"}', ("a cat",), ()), (b"a bird", b'{"caption": null}', (b"a bird",), ()),
    (b"a bird\na cat\n", b'{"captions": ["x"]}', (b"a bird", b"a cat"),
     ("a.txt is used, which does not have the caption 'x'",)),
    (b"a bird", b'{"captions": ["x", "y"]}', ("x", "y"), ("a.json is used, which does not have the caption 'a bird'",)),
    (b"a bird\n", b"{}", (b"a bird",), ()),
    (b"a bird\n", b"not JSON", (b"a bird",), ("not valid JSON: a.json: Expecting value at column 1",)),
    (b"a bird", b'{"captions": {"en": "x"}}', (b"a bird",),
     ("no captions: a.json has \"{'captions': {'en': 'x'}}\", expected ",)),
    ("a bird".encode("utf-16"), b'{"caption": "x"}', ("x",), ("a.txt is encoded in UTF-16, ",)),
    (b"x" * (2**20 + 1), b'{"caption": "x"}', ("x",), ("unreadable captions: a.txt: ",)),
    (b'[\n "a bird",\n "a cat"\n]\n', b"{}", ("a bird", "a cat"), ()), (b"[a bird]\n", b"{}", (b"[a bird]",), ()),
])  # fmt: skip
def test_of_two_caption_files_the_text_counts_unless_the_json_has_more(tmp_path, text, content, kept, others):
    for name, data in {"a.png": picture(), "a.txt": text, "a.json": content}.items():
        write(tmp_path / name, data)
    (item,) = items(opened("folder", tmp_path)).values()
    assert (item.problem, item.captions[: len(kept)]) == (None, kept)
    whys = [text.why for text in item.captions[len(kept) :]]
    assert [why[: len(start)] for why, start in zip(whys, others, strict=True)] == list(others)

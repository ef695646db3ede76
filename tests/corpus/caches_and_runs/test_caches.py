"""Caches with a damaged or odd cache.json, or with other files: one message with the path and the fix, never a bug."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.cli import hspcgan
from helpers.corpus import JSONS, assert_told, bounded, put, resealed

from hspcgan.pipeline.cache.cache_json import COUNTS, with_sha256

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("name", [*JSONS, "fifo", "device", "folder"])
def test_a_damaged_cache_json(world, tmp_path, name):
    cache = shutil.copytree(world / "cache", tmp_path / "cache")
    put(cache / "cache.json", JSONS.get(name, name))
    with bounded():
        for command in (
            ("stats", cache),
            ("validate", cache),
            ("inspect", cache),
            ("train", world / "manifest.yaml", "--dry-run", "-o", f"cache={cache}", "-o", f"run={tmp_path / 'r'}"),
        ):
            result = hspcgan(*command)
            if command[0] != "train" or result.exit_code:
                assert_told(result, {"utf-16": "UTF-16", "fifo": "cache.json: a pipe, expected a file"}.get(name, ""))
                assert "sys.set_int" not in result.output


CHANGES = {
    "format": True, "files": [], "counts": {}, "stages": [], "clip": "x", "templates": 5, "parser": {"annotator": 5}, "tools": None, "fingerprint": 3,
    "templates: no slot": {"entity": "a photo", "attribute": "something {}", "relation": "{}"}, "templates: two slots": {"entity": "{} {}", "attribute": "{}", "relation": "{}"},
    "parser: alignment": {"annotator": "spacy", "alignment": [1]}, "parser: notes": {"annotator": "spacy", "alignment": {"noun_chunk_fallback": "x"}},
    "tools: surrogate": {"a": "\ud800"}, "counts: no captions": dict.fromkeys(COUNTS, 0), "image_size": -56, "stages: data": {"ingest": {"data": 5}, "parse": {}, "encode": {}}, "stages: tokens": {"ingest": {}, "parse": {}, "encode": {"tokens": 5}}, "clip: width": {"name": "x", "sha256": "x", "embed_dim": 10**30, "context_length": 77},
}  # fmt: skip


@pytest.mark.parametrize("key", CHANGES)
def test_a_cache_json_with_a_field_of_another_kind_is_invalid(world, tmp_path, key):
    cache = shutil.copytree(world / "cache", tmp_path / "cache")
    info = json.loads((cache / "cache.json").read_text())
    info[key.partition(":")[0]] = CHANGES[key]
    (cache / "cache.json").write_text(json.dumps(with_sha256(info)))
    with bounded():
        assert_told(hspcgan("validate", cache), codes={1})
        result = hspcgan("stats", cache)
        assert "Traceback" not in result.output, result.output[-1500:]


def test_the_statistics_of_a_caption_of_a_megabyte_are_short(world, tmp_path):
    cache = Path(shutil.copytree(world / "cache", tmp_path / "cache"))
    for name in ("captions", "phrases"):
        rows = pq.read_table(cache / f"{name}.parquet")
        texts = ["bird " * 200_000, *rows["text"].to_pylist()[1:]]
        column = rows.schema.get_field_index("text")
        pq.write_table(rows.set_column(column, rows.schema.field("text"), pa.array(texts)), cache / f"{name}.parquet")
    resealed(cache)
    with bounded():
        result = hspcgan("stats", cache)
    assert (result.exit_code, len(result.output) < 20_000) == (0, True)


@pytest.mark.parametrize("inside", ["", "more"])
def test_nothing_is_written_into_a_cache(world, tmp_path, inside):
    cache = Path(shutil.copytree(world / "cache", tmp_path / "cache"))
    place = cache / inside
    run = ("-o", f"cache={cache}", "-o", f"run={place}")
    with bounded():
        for command in (("sample", "a bird", "--out", place), ("manifests", "toybirds", "--out", place / "m.yaml"), ("prepare", "toybirds", "--dry-run", *run),
                        ("train", world / "manifest.yaml", *run), ("evaluate", world / "manifest.yaml", *run)):  # fmt: skip
            assert_told(hspcgan(*command), f"is inside the cache {cache}, which may contain no other files")
    assert sorted(path.name for path in cache.iterdir()) == sorted(path.name for path in (world / "cache").iterdir())


def test_a_file_that_is_no_part_of_a_cache_is_named_by_validate(world, tmp_path):
    cache = Path(shutil.copytree(world / "cache", tmp_path / "cache"))
    (cache / ".DS_Store").touch()
    assert hspcgan("validate", cache).exit_code == 0
    (cache / "notes.txt").touch()
    assert_told(hspcgan("validate", cache), "files that are not part of a cache: notes.txt", codes={1})

"""The offline stages: rows in and out, each text once, resumed to the same bytes, errors that name the fix."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.datasets import folder_dataset, manifest, picture, write
from helpers.files import file_bytes
from helpers.logs import logged

from hspcgan.pipeline.cache.reader import Cache
from hspcgan.pipeline.manifest import load_manifest
from hspcgan.pipeline.sources.config import DataConfig, open_source
from hspcgan.pipeline.stages import ingest
from hspcgan.pipeline.stages.images import crop_and_resize
from hspcgan.pipeline.stages.ingest_items import check_items
from hspcgan.pipeline.stages.prepare import prepare


@pytest.fixture(scope="module")
def small(tmp_path_factory, tiny_clip_path) -> Path:
    """A manifest whose cache is prepared: six images of two captions, the second caption common to all."""
    root = tmp_path_factory.mktemp("small")
    path = manifest(root / "small.yaml", folder_dataset(root / "data"), tiny_clip_path)
    prepare(load_manifest(str(path)))
    return path


def cache_of(path: Path) -> Cache:
    return Cache(path.with_suffix(".cache"))


def run(path: Path, *overrides: str, **options) -> str:
    with logged() as lines:
        lines += prepare(load_manifest(str(path), overrides), **options)
    return "\n".join(lines)


def test_ingest_gives_every_refusal_a_row_and_loses_none(tmp_path):
    good = picture(1)
    files = {
        "good.png": good, "good.txt": b"a bird\n\n...\n",
        "zero.png": b"", "zero.txt": b"one\ntwo",
        "cut.jpg": picture(2, (64, 64), "JPEG")[:900], "cut.txt": b"a cut one",
        "page.png": b"<html>", "page.json": b'{"captions": ["a page"]}',
        "mute.png": picture(3), "mute.txt": b"--\n!!",
        "bare.png": picture(4),
        "broken.png": picture(5), "broken.json": b"{",
        "lost.txt": b"captions of nothing",
    }  # fmt: skip
    for name, content in files.items():
        write(tmp_path / name, content)
    source = open_source(DataConfig(source="folder", path=tmp_path, image_size=16))
    checked = check_items(16, [source.read(entry) for entry in source.entries()])
    assert [row["key"] for row in checked.samples] == ["good"]
    assert [(row["caption_id"], row["text"]) for row in checked.captions] == [("good#0", "a bird")]
    # By hand: 8 entries; 3 + 2 + 1 + 1 + 2 + 1 captions were readable.
    assert checked.rows_in == 8 + 10
    assert checked.rows_in == len(checked.samples) + len(checked.captions) + len(checked.rejects)
    why = {(row["where"], row["what"]): row["why"] for row in checked.rejects}
    assert why["good#1", "caption"] == "empty"
    assert why["good#2", "caption"] == "no letter or digit: '...'"
    assert why["zero.png", "image"] == "empty file (0 bytes)"
    assert why["zero#1", "caption"] == "its image was rejected: empty file (0 bytes)"
    assert why["cut.jpg", "image"].startswith("truncated or corrupt JPEG")
    assert why["page.png", "image"].startswith("not a supported image")
    assert why["mute.png", "image"] == "all captions of the image were rejected"
    assert why["bare.png", "image"].startswith("no captions")
    assert why["broken.png", "image"].startswith("not valid JSON: broken.json")
    assert why["lost.txt#0", "caption"].startswith("its image was rejected: captions without")
    assert why["lost.txt", "image"] == "captions without an image of the same name"


def test_ingest_keeps_the_fitted_pixels_and_the_original_size(small):
    from PIL import Image

    cache = cache_of(small)
    sample = cache.samples.to_pylist()[2]
    with Image.open(small.parent / "data" / "img002.png") as image:
        assert np.array_equal(cache.images[2], crop_and_resize(image.convert("RGB"), 16))
    assert (sample["path"], sample["width"], sample["height"]) == ("img002.png", 20, 16)


def test_a_finished_cache_holds_each_caption_in_order_and_each_text_once(small):
    cache = cache_of(small)
    assert cache.captions["caption_id"].to_pylist()[:4] == ["img000#0", "img000#1", "img001#0", "img001#1"]
    texts = cache.captions["text"].to_pylist()
    assert len(set(texts)) == 7
    repeated = [row for row, text in enumerate(texts) if text == "a bird with a long beak"]
    assert len(repeated) == 6
    rows = cache.captions.take(repeated).to_pylist()
    for row in rows:
        assert {**row, "caption_id": "", "key": ""} == {**rows[0], "caption_id": "", "key": ""}
    assert [entity["head"] for entity in rows[0]["entities"]] == ["bird", "beak"]
    assert [(a["text"], a["entity"]) for a in rows[0]["attributes"]] == [("long", 1)]
    assert [(r["subject"], r["object"]) for r in rows[0]["relations"]] == [(0, 1)]
    prompts = dict(zip(cache.phrases["text"].to_pylist(), cache.phrases["prompt"].to_pylist(), strict=True))
    assert prompts["beak"] == "a photo of a beak"
    assert prompts["long"] == "a photo of something long"


def test_a_second_run_does_nothing_and_says_so(small):
    before = {path: path.stat().st_mtime_ns for path in small.with_suffix(".cache").iterdir()}
    assert "Nothing to do" in run(small)
    assert {path: path.stat().st_mtime_ns for path in small.with_suffix(".cache").iterdir()} == before


def test_worker_counts_and_folders_do_not_count_as_changes(small, tmp_path):
    import shutil

    shutil.copytree(small.parent / "data", tmp_path / "moved")
    out = run(small, f"data.path={tmp_path / 'moved'}", "data.processes=2", "parse.processes=3", "encode.processes=2")
    assert "Nothing to do" in out


def test_a_cache_of_another_clip_is_refused_with_both_named(small, other_clip_path):
    both = r"encode\.clip_sha256: cache has [0-9a-f]{12}, manifest wants [0-9a-f]{12}"
    with pytest.raises(ValueError, match=both + "(?s:.)*--rebuild"):
        run(small, f"encode.clip={other_clip_path}")


def test_changed_data_is_noticed(small):
    text = small.parent / "data" / "img001.txt"
    before = text.read_text()
    try:
        write(text, "something else\n")
        with pytest.raises(ValueError, match=r"ingest\.source"):
            run(small)
    finally:
        write(text, before)


@pytest.mark.parametrize("name", ["features.h5", "images.h5", "captions.parquet"])
def test_a_truncated_file_of_a_finished_cache_is_named_with_the_command_that_mends_it(small, name):
    path = small.with_suffix(".cache") / name
    whole = path.read_bytes()
    try:
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ValueError, match=rf"{name}.*(truncated|damaged)(?s:.)*--rebuild"):
            run(small)
    finally:
        path.write_bytes(whole)


def test_rebuild_gives_the_same_bytes_and_dry_run_none(small, tmp_path, tiny_clip_path):
    cache = small.with_suffix(".cache")
    before = file_bytes(cache)
    run(small, rebuild=True)
    assert file_bytes(cache) == before
    other = manifest(tmp_path / "dry.yaml", small.parent / "data", tiny_clip_path)
    assert "Dry run" in run(other, dry_run=True)
    assert list(tmp_path.iterdir()) == [other]


@pytest.mark.parametrize("rebuild", [False, True])
def test_a_folder_of_other_things_is_never_replaced(small, tmp_path, rebuild):
    precious = write(tmp_path / "thesis" / "chapter.tex", "x")
    with pytest.raises(ValueError, match=r"contains files that are not part of a cache \(chapter\.tex\)"):
        run(small, f"cache={tmp_path / 'thesis'}", rebuild=rebuild)
    assert precious.exists()


def test_single_stages_make_the_same_cache_and_refuse_to_run_out_of_order(small, tmp_path, tiny_clip_path):
    path = manifest(tmp_path / "steps.yaml", small.parent / "data", tiny_clip_path)
    with pytest.raises(ValueError, match=r"parse needs a complete ingest stage(?s:.)*hspcgan ingest"):
        run(path, upto="parse", only=True)
    for stage in ("ingest", "parse"):
        run(path, upto=stage, only=True)
        assert not path.with_suffix(".cache").exists()
    run(path, upto="encode", only=True)
    assert file_bytes(path.with_suffix(".cache")) == file_bytes(small.with_suffix(".cache"))


def test_single_stages_of_a_rebuild_name_commands_that_go_on_with_it(small):
    before = file_bytes(small.with_suffix(".cache"))
    with pytest.raises(ValueError, match="`hspcgan ingest MANIFEST --rebuild` first, or `hspcgan prepare MANIFEST -"):
        run(small, upto="parse", only=True, rebuild=True)
    out = run(small, upto="ingest", only=True, rebuild=True)
    assert "Next: hspcgan parse --rebuild, or hspcgan prepare --rebuild for all" in out
    assert "Nothing to do" in run(small, upto="parse", only=True)  # of the present cache
    assert "Next: hspcgan encode --rebuild" in run(small, upto="parse", only=True, rebuild=True)
    run(small, upto="encode", only=True, rebuild=True)
    assert file_bytes(small.with_suffix(".cache")) == before


def test_refusals_and_truncations_are_told_at_the_end(tmp_path, tiny_clip_path):
    folder_dataset(tmp_path / "data", 2)
    write(tmp_path / "data" / "bad.png", b"")
    write(tmp_path / "data" / "bad.txt", "a bird")
    write(tmp_path / "data" / "img000.txt", "a bird and " * 60 + "a tree\n")
    out = run(manifest(tmp_path / "told.yaml", tmp_path / "data", tiny_clip_path))
    assert "2 rows rejected" in out
    assert "1 image: empty file (0 bytes)" in out
    assert "captions longer than CLIP's context, which were truncated: 1" in out
    captions = Cache(tmp_path / "told.cache").captions.to_pylist()
    assert [row["truncated"] for row in captions] == [True, False, False]
    assert captions[0]["n_tokens"] == 77


KILLED = """
import os, signal, sys
from hspcgan.pipeline.stages import encode, ingest
from hspcgan.pipeline.cache.partial.partial_cache import PartialCache
from hspcgan.pipeline.manifest import load_manifest
from hspcgan.pipeline.stages.prepare import prepare
ingest.SHARD_IMAGES, encode.SHARD_TEXTS = 1, 4
write = PartialCache.write

def killed(self, stage, index, *rest):
    if (stage, index) == ("parse", 3):
        os.kill(os.getpid(), signal.SIGKILL)
    write(self, stage, index, *rest)

PartialCache.write = killed
prepare(load_manifest(sys.argv[1]))
"""


def test_a_killed_run_resumes_to_the_same_bytes(tmp_path, tiny_clip_path, monkeypatch):
    from hspcgan.pipeline.stages import encode

    data = folder_dataset(tmp_path / "data", 24)
    killed, whole = (manifest(tmp_path / f"{name}.yaml", data, tiny_clip_path) for name in ("killed", "whole"))
    process = subprocess.run([sys.executable, "-c", KILLED, str(killed)], stdout=subprocess.DEVNULL, check=False)
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed.cache").exists()
    monkeypatch.setattr(ingest, "SHARD_IMAGES", 1)
    monkeypatch.setattr(encode, "SHARD_TEXTS", 4)
    out = run(killed)
    assert "ingest  already complete (24 shards)" in out
    assert ", 3 from an earlier run" in out
    run(whole)
    assert file_bytes(tmp_path / "killed.cache") == file_bytes(tmp_path / "whole.cache")


def test_toybirds_become_a_cache_with_no_refusals(tmp_path, tiny_clip_path):
    content = {
        "name": "birds", "cache": str(tmp_path / "cache"),
        "data": {"source": "toybirds", "scenes": 16, "seed": 1, "image_size": 24},
        "parse": {"annotator": "spacy"}, "encode": {"clip": str(tiny_clip_path), "device": "cpu"},
    }  # fmt: skip
    run(write(tmp_path / "birds.yaml", json.dumps(content)))
    cache = Cache(tmp_path / "cache")
    counts = cache.info["counts"]
    assert (counts["samples"], counts["captions"], counts["rejects"]) == (17, 85, 0)
    assert len(cache.split_rows("val")) == 1

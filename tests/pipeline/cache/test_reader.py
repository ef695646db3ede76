"""The finished cache as its readers see it: memory maps, lookups, pickling, and what it refuses to open."""

import json
import multiprocessing
import pickle
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pytest
from helpers import caches
from helpers.caches import World, flat, make_cache, reseal

from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.cache.reader import Cache
from hspcgan.pipeline.cache.tables import read

DATASETS = {
    "phrase_text": ("features.h5", "phrase/text"),
    "sentence": ("features.h5", "caption/sentence"),
    "token_rows": ("features.h5", "caption/tokens"),
    "offsets": ("features.h5", "caption/offsets"),
    "images": ("images.h5", "image"),
}
TABLES = ("samples", "captions", "phrases", "rejects")


@pytest.fixture(scope="module")
def world() -> World:
    return World(1)


@pytest.fixture(scope="module")
def cache(tmp_path_factory, world) -> Cache:
    return Cache(make_cache(tmp_path_factory.mktemp("cache") / "cache", world))


@pytest.fixture
def copy(cache, tmp_path) -> Path:
    return Path(shutil.copytree(cache.path, tmp_path / "cache"))


@pytest.mark.parametrize("name", DATASETS)
def test_memory_maps_equal_what_h5py_reads(cache, name):
    file_name, dataset = DATASETS[name]
    mapped = getattr(cache, name)
    assert isinstance(mapped.base, np.memmap)
    assert not mapped.flags.writeable
    with h5py.File(cache.path / file_name) as file:
        assert file[dataset].chunks is None
        np.testing.assert_array_equal(mapped, file[dataset][:])
        assert mapped.dtype == file[dataset].dtype


def test_samples_and_captions_find_each_other(cache, world):
    keys = [row["key"] for row in flat(world.samples)]
    owners = [row["key"] for row in world.rows]
    assert cache.caption_sample.tolist() == [keys.index(key) for key in owners]
    for row, key in enumerate(keys):
        assert list(cache.captions_of(row)) == [i for i, owner in enumerate(owners) if owner == key]


def test_splits_part_the_samples(cache, world):
    splits = [row["split"] for row in flat(world.samples)]
    for split in ("train", "test", "other"):
        assert cache.split_rows(split).tolist() == [row for row, own in enumerate(splits) if own == split]
    assert set(splits) == {"train", "test"}


def test_phrase_means_are_over_unique_phrases_of_a_kind(cache, world):
    for kind in ("entity", "attribute", "relation"):
        rows = [caches.sentence(caches.prompt(kind, text)) for own, text, _ in world.phrases if own == kind]
        assert len(rows) > 3
        expected = np.array(rows, dtype=np.float64).sum(0) / len(rows)
        np.testing.assert_allclose(cache.phrase_mean[kind], expected, rtol=1e-6, atol=1e-7)
        assert cache.phrase_mean[kind].dtype == np.float32


def test_a_clip_with_other_weights_is_refused_with_both_named(cache):
    cache.require_clip("c" * 64)
    with pytest.raises(ValueError, match=r"made-up \(sha256 c{64}\).*sha256 d{64}.*encode\.clip"):
        cache.require_clip("d" * 64)


def sums(cache: Cache) -> list[float]:
    """Something of every file; run in another process."""
    arrays = [float(np.asarray(getattr(cache, name), dtype=np.float64).sum()) for name in DATASETS]
    return arrays + [float(len(getattr(cache, name))) for name in TABLES]


def test_a_cache_in_use_is_small_to_pickle_and_works_in_spawned_processes(cache):
    here = sums(cache)
    pickled = pickle.dumps(cache)
    assert len(pickled) < 4096
    assert sums(pickle.loads(pickled)) == here
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as workers:
        assert workers.submit(sums, cache).result() == here


def test_an_absent_cache_is_refused_with_the_command_that_makes_it(tmp_path):
    with pytest.raises(ValueError, match=r"no cache in .*hspcgan prepare"):
        Cache(tmp_path / "cache")


@pytest.mark.parametrize("url", ["s3://bucket/cache", Path("s3://bucket/cache")])
def test_a_url_is_refused_with_the_command_that_copies(url):
    with pytest.raises(ValueError, match=r"is a URL, which cannot be mapped into memory; .*`hspcgan copy"):
        Cache(url)


def test_an_unfinished_cache_is_refused_with_the_command_that_resumes(tmp_path):
    (tmp_path / "cache.partial").mkdir()
    with pytest.raises(ValueError, match="not finished; run `hspcgan prepare MANIFEST` again to resume"):
        Cache(tmp_path / "cache")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON.*move its folder away"),
        ('{"format": 1', "is not JSON"),
        ("[]", "is not JSON .expected an object, got a list"),
        ("{}", "has format None"),
        ('{"format": 2}', "has format 2, but this version reads 1"),
    ],
)
def test_another_format_or_a_damaged_cache_json_is_refused(copy, text, message):
    (copy / "cache.json").write_text(text)
    with pytest.raises(ValueError, match=rf"{message}.*--rebuild"):
        Cache(copy)


def test_a_cache_json_that_is_no_text_is_refused(copy):
    (copy / "cache.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="is not JSON"):
        Cache(copy)


FIELDS = ("fingerprint", "sha256", "normalised", "image_size", "tools", "parser", "counts", "templates", "clip",
          "stages", "files")  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("value", [None, 3.5, ["x"]])
def test_a_field_of_another_type_is_named(copy, name, value):
    for change in (lambda info: info.update({name: value}), lambda info: info.pop(name)):
        info = json.loads((copy / "cache.json").read_text())
        change(info)
        (copy / "cache.json").write_text(json.dumps(info))
        with pytest.raises(ValueError, match=rf"cache\.json is damaged: {name} is .*--rebuild"):
            Cache(copy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda info: info["clip"].update(context_length=None), "clip.context_length is null, expected a whole number"),
        (lambda info: info["clip"].pop("sha256"), "clip.sha256 is missing"),
        (lambda info: info["counts"].update(samples=True), "counts.samples is true, expected a whole number"),
        (lambda info: info["templates"].pop("relation"), "templates.relation is missing"),
        (lambda info: info["stages"].update(parse=[]), r"stages.parse is \[\], expected an object"),
        (lambda info: info["files"].pop("images.h5"), "files.images.h5 is missing"),
        (lambda info: info["files"]["images.h5"].update(size="7"), 'files.images.h5.size is "7", expected a whole'),
        (lambda info: info["clip"].update(name="another"), "its fields do not match its sha256"),
    ],
)
def test_a_field_inside_another_that_is_damaged_is_named(copy, change, message):
    info = json.loads((copy / "cache.json").read_text())
    change(info)
    (copy / "cache.json").write_text(json.dumps(info))
    with pytest.raises(ValueError, match=rf"cache\.json is damaged: {message}.*--rebuild"):
        Cache(copy)


@pytest.mark.parametrize("name", ["features.h5", "images.h5", *(f"{table}.parquet" for table in TABLES)])
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()
    with pytest.raises(ValueError, match=rf"lacks {name}.*--rebuild"):
        Cache(copy)


@pytest.mark.parametrize("name", ["features.h5", "images.h5"])
@pytest.mark.parametrize("keep", [-1, -100, 0.5, 40, 0])
def test_truncated_hdf5_is_refused_on_opening(copy, name, keep):
    whole = (copy / name).read_bytes()
    (copy / name).write_bytes(whole[: int(len(whole) * keep) if isinstance(keep, float) else keep])
    with pytest.raises(ValueError, match=rf"{name} is truncated.*--rebuild"):
        Cache(copy)


def test_hdf5_without_the_dataset_is_refused(copy):
    with h5py.File(copy / "images.h5", "w") as file:
        file["other"] = np.zeros(3)
    reseal(copy)
    with pytest.raises(ValueError, match=r"images\.h5 is truncated or damaged: image cannot be read"):
        Cache(copy)


@pytest.mark.parametrize("table", TABLES)
def test_damaged_parquet_is_refused(copy, table):
    path = copy / f"{table}.parquet"
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole[: len(whole) // 2], b"", whole[:-12] + bytes(8) + whole[-4:]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=rf"{table}\.parquet is (truncated or )?damaged(?s:.)*--rebuild"):
            getattr(Cache(copy), table)


def test_parquet_with_other_columns_is_refused(copy):
    shutil.copy(copy / "phrases.parquet", copy / "samples.parquet")
    reseal(copy)
    with pytest.raises(ValueError, match=r"samples\.parquet has columns .*'prompt'.*expected .*'sha256'"):
        _ = Cache(copy).samples


def test_cache_json_is_readable_by_anything(cache):
    assert json.loads((cache.path / "cache.json").read_text())["clip"]["name"] == "made-up"


def test_a_cache_of_the_older_layout_is_refused_with_the_command_that_rebuilds_it(copy):
    info = json.loads((copy / "cache.json").read_text())
    del info["files"]["index.h5"]
    (copy / "cache.json").write_text(json.dumps(info))
    (copy / "index.h5").unlink()
    with pytest.raises(ValueError, match=r"has an older layout without index\.h5; rebuild the cache with .*--rebuild"):
        Cache(copy)


@pytest.mark.parametrize("block", [1, 5, 64])
@pytest.mark.parametrize("rows", [[], [0], [5, 2, 2, 11], list(range(12))])
def test_rows_of_a_table_come_in_the_order_asked_for(cache, world, rows, block, monkeypatch):
    monkeypatch.setattr(read, "BLOCK", block)
    rows = [row for row in rows if row < len(world.rows)]
    assert cache.captions_at(rows).equals(cache.captions.take(pa.array(rows, pa.int64())))
    assert cache.captions_at(rows, ["text"])["text"].to_pylist() == [world.rows[row]["text"] for row in rows]
    samples = [row for shard in world.samples for row in shard]
    rows = [row for row in rows if row < len(samples)]
    assert cache.samples_at(rows, ["key"])["key"].to_pylist() == [samples[row]["key"] for row in rows]


def test_the_index_holds_what_the_tables_hold(cache, world):
    texts = [row["text"] for row in world.rows]
    numbers = cache.caption_text.tolist()
    assert all((texts[i] == texts[j]) == (numbers[i] == numbers[j]) for i in range(len(texts)) for j in range(i))
    ids = {(kind, text): row for row, (kind, text, _) in enumerate(world.phrases)}
    for row, caption in enumerate(world.rows):
        (phrase, word) = cache.concepts["entity"].rows(row, "phrase", "word")
        assert phrase.tolist() == [ids["entity", item["phrase"]] for item in caption["entities"]]
        assert word.tolist() == [item["word"] for item in caption["entities"]]
        (phrase, owner) = cache.concepts["attribute"].rows(row, "phrase", "entity")
        assert phrase.tolist() == [ids["attribute", item["phrase"]] for item in caption["attributes"]]
        assert owner.tolist() == [item["entity"] for item in caption["attributes"]]
        ends = cache.concepts["relation"].rows(row, "phrase", "subject", "object")
        assert [list(map(int, item)) for item in zip(*ends, strict=True)] == [
            [ids["relation", item["phrase"]], item["subject"], item["object"]] for item in caption["relations"]
        ]


@pytest.mark.parametrize("path", ["", ".", "..", "/"])
def test_a_path_without_a_name_is_reported_like_other_folders(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"no cache in"):
        Cache(path)

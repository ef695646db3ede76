"""The finished cache as its readers see it: memory maps, lookups, rows of tables and pickling."""

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import h5py
import numpy as np
import pyarrow as pa
import pytest
from helpers import caches
from helpers.caches import World, flat, make_cache

from hspcgan.pipeline.cache.reader import Cache
from hspcgan.pipeline.cache.tables import read

DATASETS = {
    "phrase_text": ("features.h5", "phrase/text"),
    "sentence": ("features.h5", "caption/sentence"),
    "token_rows": ("features.h5", "caption/tokens"),
    "offsets": ("features.h5", "caption/offsets"),
    "images": ("images.h5", "image"),
}


@pytest.fixture(scope="module")
def world() -> World:
    return World(1)


@pytest.fixture(scope="module")
def cache(tmp_path_factory, world) -> Cache:
    return Cache(make_cache(tmp_path_factory.mktemp("cache") / "cache", world))


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
    return arrays + [float(len(getattr(cache, name))) for name in ("captions", "phrases", "rejects", "samples")]


def test_a_cache_in_use_is_small_to_pickle_and_works_in_spawned_processes(cache):
    here = sums(cache)
    pickled = pickle.dumps(cache)
    assert len(pickled) < 4096
    assert sums(pickle.loads(pickled)) == here
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as workers:
        assert workers.submit(sums, cache).result() == here


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

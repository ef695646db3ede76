"""Several caches read as one give what one cache of all their samples gives: batches, rows of tables, selections."""

import copy
import json
import pickle
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.caches import World, make_cache, reseal
from helpers.cli import hspcgan
from helpers.datasets import write

from hspcgan.evaluate.config import EvaluateConfig
from hspcgan.evaluate.scored.selection import select
from hspcgan.model.condition import Condition
from hspcgan.pipeline.cache.cache_set import CacheSet, JoinedArray, open_cache
from hspcgan.pipeline.cache.reader import Cache
from hspcgan.pipeline.manifest import load_manifest
from hspcgan.pipeline.stages.prepare import prepare
from hspcgan.train.data import Batches

SIZES = (5, 4, 6, 3)


def part(world: World, shards: slice) -> World:
    """Some shards of a world as a world of its own."""
    own = copy.copy(world)
    for name in ("samples", "captions", "concepts", "rejects", "images"):
        setattr(own, name, getattr(world, name)[shards])
    return own


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    """One cache of four shards, and three of its parts."""
    folder, world = tmp_path_factory.mktemp("parts"), World(7, sizes=SIZES)
    parts = {"whole": slice(0, 4), "a": slice(0, 1), "b": slice(1, 3), "c": slice(3, 4)}
    return {name: make_cache(folder / name, part(world, shards)) for name, shards in parts.items()}


@pytest.fixture(scope="module")
def whole(folders) -> Cache:
    return Cache(folders["whole"])


@pytest.fixture(scope="module")
def joined(folders) -> Cache:
    return open_cache([folders[name] for name in "abc"])


def flat(value: object) -> dict[str, object]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


@pytest.mark.parametrize("step", range(6))
def test_a_batch_equals_that_of_the_single_cache(whole, joined, step):
    wanted, got = (flat(Batches(cache, 4, seed=3, noise_dim=5, flip=True).at(step)) for cache in (whole, joined))
    conditions = flat(wanted.pop("condition")), flat(got.pop("condition"))
    assert set(conditions[0]) == {field.name for field in fields(Condition)}
    for one, other in ((wanted, got), conditions):
        for name, value in one.items():
            if isinstance(value, torch.Tensor):
                assert torch.equal(value, other[name]), name
            else:
                np.testing.assert_array_equal(value, other[name])


def test_negatives_know_equal_texts_of_different_parts(whole, joined):
    texts = whole.captions["text"].to_pylist()
    same = [row for row, text in enumerate(texts) if text == "the same words"]
    assert len(same) == 2
    assert whole.caption_sample[same[0]] < SIZES[0] < whole.caption_sample[same[1]]
    assert joined.caption_text[same[0]] == joined.caption_text[same[1]]
    assert len(set(joined.caption_text[np.arange(len(texts))].tolist())) == len(set(texts))


def test_rows_of_the_tables_are_those_of_the_single_cache_with_phrases_by_their_own_ids(whole, joined):
    rows = np.array([20, 3, 0, 11, 3])
    assert joined.samples.equals(whole.samples)
    plain = ["caption_id", "key", "text", "n_tokens"]
    assert joined.captions_at(rows, plain).equals(whole.captions_at(rows, plain))
    assert joined.samples_at([17, 0], ["key"]).equals(whole.samples_at([17, 0], ["key"]))
    for one, other in zip(joined.captions_at(rows).to_pylist(), whole.captions_at(rows).to_pylist(), strict=True):
        for column in ("entities", "attributes", "relations"):
            found = [joined.phrases["text"][item["phrase"]].as_py() for item in one[column]]
            assert found == [whole.phrases["text"][item["phrase"]].as_py() for item in other[column]]
    assert joined.phrases["phrase"].to_pylist() == list(range(len(joined.phrases)))
    ids = [one for block in joined.blocks("captions.parquet", rows=4) for one in block["caption_id"].to_pylist()]
    assert ids == whole.captions["caption_id"].to_pylist()
    assert joined.column("captions.parquet", "text").equals(whole.column("captions.parquet", "text"))


def test_splits_counts_and_the_selection_of_an_evaluation_are_those_of_the_single_cache(whole, joined):
    assert joined.split_counts() == whole.split_counts()
    for split in ("train", "test", "nothing"):
        assert joined.split_rows(split).tolist() == whole.split_rows(split).tolist()
    config = EvaluateConfig(split="train", metrics=("fid",), caption="keyed", seed=2)
    wanted, got = select(whole, config), select(joined, config)
    for name in ("caption_rows", "sample_rows", "reference_rows"):
        assert getattr(got, name).tolist() == getattr(wanted, name).tolist()
    for kind in ("samples", "captions", "rejects", "tokens"):
        assert joined.info["counts"][kind] == whole.info["counts"][kind]


def test_the_mean_phrase_weighs_the_parts_by_their_phrases(folders, joined):
    rows = [Cache(folders[name]) for name in "abc"]
    features = np.concatenate([cache.phrase_text[: cache._index("phrase/kinds")[1]] for cache in rows])
    np.testing.assert_allclose(joined.phrase_mean["entity"], features.astype(np.float64).mean(0), atol=1e-6)


def test_a_set_survives_pickling_and_has_a_fingerprint_of_its_parts_in_order(folders, joined, tmp_path):
    again = pickle.loads(pickle.dumps(joined))
    assert np.array_equal(again.images[[0, 17]], joined.images[[0, 17]])
    hspcgan("copy", folders["b"], tmp_path / "b")
    reseal(tmp_path / "b", lambda info: info.update(fingerprint="e" * 64))
    pair = [folders["a"], tmp_path / "b"]
    prints = [cache.info["fingerprint"] for cache in (open_cache(pair), open_cache(pair[::-1]), Cache(folders["a"]))]
    assert len({*prints, "e" * 64}) == 4
    assert not isinstance(open_cache([folders["a"]]), CacheSet)


@pytest.mark.parametrize(("change", "said"), [
    (lambda info: info["clip"].update(sha256="d" * 64), r"b has CLIP made-up \(sha256 dddddd.*, and .*a has made-up"),
    (lambda info: info["templates"].update(entity="a {}"), r"b has encode\.templates .*and .*a has {"),
    (lambda info: info.update(image_size=8), r"b has image size 8, and .*a has 6:"),
    (lambda info: info["parser"].update(annotator="stanza"), r"b has parse\.annotator stanza, and .*a has spacy"),
])  # fmt: skip
def test_parts_that_differ_in_what_they_must_share_are_refused_by_name(folders, tmp_path, change, said):
    for name in "ab":
        hspcgan("copy", folders[name], tmp_path / name)
    reseal(tmp_path / "b", change)
    with pytest.raises(ValueError, match=said):
        open_cache([tmp_path / "a", tmp_path / "b"])


def test_a_folder_named_twice_is_refused(folders):
    with pytest.raises(ValueError, match="lists a folder twice"):
        open_cache([folders["a"], folders["a"]])


def test_a_manifest_names_several_for_stats_and_prepare_takes_one(folders, tmp_path):
    content = {"name": "set", "cache": [str(folders["a"]), str(folders["b"])], "data": {"source": "toybirds"}}
    path = write(tmp_path / "set.yaml", json.dumps(content))
    assert load_manifest(str(path)).caches == (folders["a"], folders["b"])
    assert load_manifest(str(path), [f"cache={folders['a']}"]).cache == folders["a"]
    assert len(load_manifest(str(path), [f"cache=[{folders['a']}, {folders['c']}]"]).caches) == 2
    assert "15 images" in hspcgan("stats", path).output
    for command in ("inspect", "validate"):
        assert "names several caches" in hspcgan(command, path).output
    with pytest.raises(ValueError, match=r"names several caches .*name one of them: -o cache="):
        prepare(load_manifest(str(path)))
    write(path, json.dumps(content | {"cache": ["s3://bucket/a"]}))
    with pytest.raises(ValueError, match="the URL"):
        load_manifest(str(path))
    write(path, json.dumps(content | {"cache": []}))
    with pytest.raises(ValueError, match=r"cache is \[\], expected one line of text"):
        load_manifest(str(path))


@pytest.mark.parametrize("fence", [False, True])
def test_joined_arrays_index_as_one_array(fence):
    if fence:
        parts, shifts = [np.array([0, 2, 5]), np.array([0]), np.array([0, 1, 1, 4])], [0, 5, 5]
        one = np.array([0, 2, 5, 6, 6, 9])
    else:
        parts, shifts = [np.arange(12).reshape(4, 3), np.zeros((0, 3), int), np.arange(9).reshape(3, 3)], [0, 7, 100]
        one = np.concatenate([parts[0], parts[2] + 100])
    joined = JoinedArray(parts, shifts, fence)
    assert (len(joined), joined.shape, joined.dtype) == (len(one), one.shape, one.dtype)
    for key in (0, -1, np.int64(3), slice(None), slice(1, 3), slice(3, 5), slice(2, 6, 2), slice(4, 4), slice(5, 2),
                np.array([5, 0, 4, -1]), [1], np.array([], int)):  # fmt: skip
        np.testing.assert_array_equal(joined[key], one[key])
    if not fence:
        rows, columns = np.array([6, 1]), np.array([2, 0])
        np.testing.assert_array_equal(joined[rows, columns], one[rows, columns])
    for beyond in (len(one), np.array([0, len(one)])):
        with pytest.raises(IndexError):
            joined[beyond]

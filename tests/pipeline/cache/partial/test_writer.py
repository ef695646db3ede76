"""What the stages put into a cache comes out of it, with ids, prompts, counts and fingerprint as promised."""

import hashlib
import json

import numpy as np
import pytest
from helpers import caches
from helpers.caches import INFO, INPUTS, TEMPLATES, World, flat, make_cache, prompt, run_stages, sorted_texts
from helpers.files import file_bytes

from hspcgan.pipeline.cache.partial.partial_cache import PartialCache
from hspcgan.pipeline.cache.partial.shards import write_shard
from hspcgan.pipeline.cache.reader import Cache


@pytest.fixture(scope="module")
def cache(path) -> Cache:
    return Cache(path)


def test_tables_hold_what_the_stages_handed_over(cache, world):
    assert cache.samples.to_pylist() == flat(world.samples)
    assert cache.rejects.to_pylist() == flat(world.rejects)
    phrases = cache.phrases.to_pylist()
    expected = [
        {"phrase": row, "kind": kind, "text": text, "prompt": prompt(kind, text), "count": count}
        for row, (kind, text, count) in enumerate(world.phrases)
    ]
    assert phrases == expected
    for found, given in zip(cache.captions.to_pylist(), world.rows, strict=True):
        for column in ("entities", "attributes", "relations"):
            found[column] = [item | {"phrase": phrases[item["phrase"]]["text"]} for item in found[column]]
        text = given["text"]
        counted = {"n_tokens": len(caches.tokens(text)), "truncated": caches.truncated(text)}
        assert found == given | counted


def test_features_and_images_are_those_of_their_rows(cache, world):
    np.testing.assert_array_equal(cache.images, np.concatenate(world.images))
    prompts = [caches.sentence(prompt(kind, text)) for kind, text, _ in world.phrases]
    np.testing.assert_array_equal(cache.phrase_text, np.stack(prompts))
    for row, caption in enumerate(world.rows):
        np.testing.assert_array_equal(cache.sentence[row], caches.sentence(caption["text"]))
        np.testing.assert_array_equal(cache.tokens(row), caches.tokens(caption["text"]))


def test_cache_json_tells_how_the_cache_was_made(cache, world):
    texts = [row["text"] for row in world.rows]
    samples, rejects = len(flat(world.samples)), len(flat(world.rejects))
    assert cache.info["counts"] == {
        "rows_in": samples + len(texts) + rejects,
        "samples": samples,
        "captions": len(texts),
        "rejects": rejects,
        "phrases": len(world.phrases),
        "tokens": sum(len(caches.tokens(text)) for text in texts),
        "empty_graphs": sum(row["entities"] == [] for row in world.rows),
        "truncated": sum(map(caches.truncated, texts)),
    }
    told = {"format": 1, "normalised": False, "image_size": caches.SIZE, "stages": INPUTS, **INFO}
    assert {key: cache.info[key] for key in told} == told
    assert set(cache.info) == {*told, "counts", "fingerprint", "files", "sha256"}


def test_cache_json_answers_for_every_byte_beside_it_and_for_itself(path, cache):
    """As sha256sum and `jq -S` would: own sums, read whole."""
    contents = file_bytes(path)
    raw = contents.pop("cache.json")
    sums = {name: {"size": len(b), "sha256": hashlib.sha256(b).hexdigest()} for name, b in contents.items()}
    assert cache.info["files"] == sums
    fields = json.loads(raw)
    own = fields.pop("sha256")
    assert own == hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def test_the_fingerprint_is_that_of_the_inputs_alone(cache):
    # sha256(sha256(sha256(ingest) + parse) + encode) of the sorted JSON, taken with sha256sum.
    assert cache.info["fingerprint"] == "a05f0aec13c7e403714d426ba60e411072221a21d902e3d918b998de7544354b"


@pytest.mark.parametrize(
    "captions",
    [
        [{}],
        [{"entities": [caches.entity("bird")]}, {}],
        [{"attributes": [caches.attribute("red")]}],
        [{"relations": [caches.relation("on")]}, {"entities": [caches.entity("bird")]}],
    ],
    ids=["no phrases at all", "entities alone", "attributes alone", "no attributes"],
)
def test_kinds_without_phrases_and_empty_rejects_are_written_and_read(tmp_path, captions):
    world = World.of(*captions)
    cache = Cache(make_cache(tmp_path / "cache", world))
    assert [(row["kind"], row["text"], row["count"]) for row in cache.phrases.to_pylist()] == world.phrases
    assert cache.phrase_text.shape == (len(world.phrases), caches.WIDTH)
    assert len(cache.rejects) == 0
    missing = {"entity", "attribute", "relation"} - {kind for kind, _, _ in world.phrases}
    assert missing
    assert all((cache.phrase_mean[kind] == np.zeros(caches.WIDTH, np.float32)).all() for kind in missing)


def test_bytes_do_not_depend_on_the_order_of_work(path, world, tmp_path):
    with PartialCache(tmp_path / "cache") as partial:
        for stage, make in (("ingest", caches.ingest_shard), ("parse", caches.parse_shard)):
            partial.begin(stage, dict(reversed(INPUTS[stage].items())))
            for i in reversed(range(len(world.samples))):
                write_shard(partial.folder(stage), stage, i, *make(world, i))
            partial.complete(stage, len(world.samples))
        run_stages(partial, world)
        partial.finish(INFO)
    assert file_bytes(tmp_path / "cache") == file_bytes(path)


def test_texts_to_encode_are_unique_and_apart(tmp_path, world):
    with PartialCache(tmp_path / "cache") as partial:
        run_stages(partial, world, "parse")
        captions, prompts = sorted_texts(partial, TEMPLATES)
    assert captions == sorted({row["text"] for row in world.rows})
    assert prompts == sorted({prompt(kind, text) for kind, text, _ in world.phrases} - set(captions))
    assert prompt("entity", "bird") in captions


def test_reading_a_shard_can_be_limited_to_what_is_named(tmp_path, world):
    with PartialCache(tmp_path / "cache") as partial:
        run_stages(partial, world, "ingest")
        tables, arrays = partial.read("ingest", 2, only=["captions", "image"])
        assert tables["captions"].to_pylist() == world.captions[2]
        assert set(tables) == {"captions"}
        np.testing.assert_array_equal(arrays["image"], world.images[2])
        assert [stats["rows_in"] for stats in partial.stats("ingest")] == [
            len(world.samples[i]) + len(world.captions[i]) + len(world.rejects[i]) for i in range(4)
        ]

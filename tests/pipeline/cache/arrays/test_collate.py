"""Caption rows as padded arrays: against a plain loop over the rows that the cache was made from, and by hand."""

from typing import Any

import numpy as np
import pytest
from helpers.caches import WIDTH, World, attribute, entity, make_cache, prompt, relation, sentence, tokens

from hspcgan.pipeline.cache.arrays.collate import collate
from hspcgan.pipeline.cache.reader import Cache


@pytest.fixture(scope="module")
def world() -> World:
    return World(2, sizes=(12, 10), most_entities=9)


@pytest.fixture(scope="module")
def cache(tmp_path_factory, world) -> Cache:
    return Cache(make_cache(tmp_path_factory.mktemp("cache") / "cache", world))


def feature(kind: str, item: dict[str, Any]) -> list[float]:
    return sentence(prompt(kind, item["phrase"])).astype(float).tolist()


def padded(rows: list, length: int, filler: Any) -> list:
    return rows[:length] + [filler] * (length - len(rows))


def plainly(row: dict[str, Any], n_entities: int, n_attributes: int, n_relations: int) -> dict[str, list]:
    """One caption as the fields of a condition, in lists."""
    edges = [0] * len(row["entities"])
    for item in row["attributes"] + row["relations"]:
        for end in ("entity", "subject", "object"):
            if item.get(end, -1) != -1:
                edges[item[end]] += 1
    ranked = sorted(range(len(edges)), key=lambda i: (-edges[i], i))
    kept = sorted(ranked[:n_entities])
    slots = {-1: -1} | {entity_index: slot for slot, entity_index in enumerate(kept)}
    attributes = [a for a in row["attributes"] if a["entity"] in slots]
    relations = [r for r in row["relations"] if r["subject"] in slots and r["object"] in slots]
    zero = [0.0] * WIDTH
    return {
        "sentence": sentence(row["text"]).astype(float).tolist(),
        "tokens": tokens(row["text"]).astype(float).tolist(),
        "entities": padded([feature("entity", row["entities"][i]) for i in kept], n_entities, zero),
        "entity_mask": padded([True] * len(kept), n_entities, False),
        "entity_word": padded([row["entities"][i]["word"] for i in kept], n_entities, 0),
        "attributes": padded([feature("attribute", a) for a in attributes], n_attributes, zero),
        "attribute_entity": padded([slots[a["entity"]] for a in attributes], n_attributes, -1),
        "relations": padded([feature("relation", r) for r in relations], n_relations, zero),
        "relation_subject": padded([slots[r["subject"]] for r in relations], n_relations, -1),
        "relation_object": padded([slots[r["object"]] for r in relations], n_relations, -1),
    }


@pytest.mark.parametrize("slots", [(6, 12, 12), (9, 20, 20), (3, 4, 5), (1, 1, 1)])
def test_collating_is_what_a_plain_loop_gives(cache, world, slots):
    order = np.random.default_rng(0).permutation(len(world.rows))
    found = collate(cache.texts, order, *slots)
    captions = [plainly(world.rows[row], *slots) for row in order]
    longest = max(len(caption["tokens"]) for caption in captions)
    mask = [padded([True] * len(caption["tokens"]), longest, False) for caption in captions]
    for caption in captions:
        caption["tokens"] = padded(caption["tokens"], longest, [0.0] * WIDTH)
    expected = {name: np.array([caption[name] for caption in captions]) for name in captions[0]}
    assert set(found) == {*expected, "token_mask"}
    np.testing.assert_array_equal(found["token_mask"], mask)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
    kinds = {"f": np.float32, "b": np.bool_, "i": np.int64}
    assert all(found[name].dtype == kinds[array.dtype.kind] for name, array in expected.items())
    if slots == (6, 12, 12):
        assert sum(len(row["entities"]) > 6 for row in world.rows) > 5


def hand_made(tmp_path, **concepts: list) -> Cache:
    return Cache(make_cache(tmp_path / "cache", World.of(concepts)))


def test_entities_with_most_edges_stay_in_caption_order_and_ties_go_to_the_earlier(tmp_path):
    # Edges: a none, b 1 (of), c 3 (red, on, in), d 1 (on), e 2 (of, by). Three slots: c, e, and b before d.
    cache = hand_made(
        tmp_path,
        entities=[entity(name, word) for word, name in enumerate("abcde")],
        attributes=[attribute("red", 2), attribute("big", -1)],
        relations=[relation("of", 1, 4), relation("on", 3, 2), relation("in", 2, -1), relation("by", -1, 4)],
    )
    found = collate(cache.texts, np.array([0]), n_entities=3, n_attributes=3, n_relations=3)
    assert found["entity_word"].tolist() == [[1, 2, 4]]
    assert found["entity_mask"].tolist() == [[True] * 3]
    assert found["attribute_entity"].tolist() == [[1, -1, -1]]
    assert found["relation_subject"].tolist() == [[0, 1, -1]]
    assert found["relation_object"].tolist() == [[2, -1, 2]]
    np.testing.assert_array_equal(found["entities"][0, 2], sentence("a photo of a e").astype(np.float32))
    np.testing.assert_array_equal(found["attributes"][0, 1], sentence("a photo of something big").astype(np.float32))
    np.testing.assert_array_equal(found["relations"][0, 2], sentence("one thing by another").astype(np.float32))
    assert not found["attributes"][0, 2].any()


def test_what_hangs_on_dropped_entities_is_dropped(tmp_path):
    cache = hand_made(
        tmp_path,
        entities=[entity(name, word) for word, name in enumerate("abc")],
        attributes=[attribute("red", 0), attribute("big", 2), attribute("old", 2)],
        relations=[relation("on", 0, 2), relation("of", 2, 2)],
    )
    found = collate(cache.texts, np.array([0]), n_entities=1, n_attributes=2, n_relations=2)
    assert found["entity_word"].tolist() == [[2]]
    assert found["attribute_entity"].tolist() == [[0, 0]]
    np.testing.assert_array_equal(found["attributes"][0, 0], sentence("a photo of something big").astype(np.float32))
    assert found["relation_subject"].tolist() == [[0, -1]]
    assert found["relation_object"].tolist() == [[0, -1]]
    np.testing.assert_array_equal(found["relations"][0, 0], sentence("one thing of another").astype(np.float32))
    assert not found["relations"][0, 1].any()


def test_captions_without_concepts_are_padding_and_their_text(tmp_path):
    cache = Cache(make_cache(tmp_path / "cache", World.of({}, {"attributes": [attribute("red")]})))
    found = collate(cache.texts, np.array([0, 1, 0]), n_entities=2, n_attributes=2, n_relations=2)
    assert not found["entity_mask"].any()
    assert not found["entities"].any()
    assert found["attribute_entity"].tolist() == [[-1, -1]] * 3
    assert found["attributes"].any(axis=(1, 2)).tolist() == [False, True, False]
    assert (found["relation_subject"] == -1).all()
    np.testing.assert_array_equal(found["sentence"][2], sentence("caption 0").astype(np.float32))
    assert found["token_mask"].sum(1).tolist() == [len(tokens(f"caption {n}")) for n in (0, 1, 0)]


def test_a_cache_without_any_phrase_and_a_batch_without_rows_can_be_collated(tmp_path):
    cache = hand_made(tmp_path)
    found = collate(cache.texts, np.array([0]))
    assert found["entities"].shape == (1, 6, WIDTH)
    assert found["attributes"].shape == found["relations"].shape == (1, 12, WIDTH)
    assert not any(found[name].any() for name in ("entities", "attributes", "relations", "entity_mask"))
    empty = collate(cache.texts, np.array([], dtype=np.int64))
    assert all(len(array) == 0 for array in empty.values())


def test_two_caches_open_at_once_are_kept_apart(tmp_path, cache, world):
    other_world = World(5, sizes=(3,))
    other = Cache(make_cache(tmp_path / "cache", other_world))
    for one, own in ((cache, world), (other, other_world), (cache, world)):
        found = collate(one.texts, np.array([2]), 6, 12, 12)
        expected = plainly(own.rows[2], 6, 12, 12)
        for name in ("entities", "attribute_entity", "relation_object", "sentence"):
            np.testing.assert_array_equal(found[name][0], expected[name])


def test_features_are_the_raw_ones(cache):
    lengths = np.linalg.norm(collate(cache.texts, np.arange(8))["sentence"], axis=1)
    rows = [np.linalg.norm(sentence(text).astype(np.float64)) for text in cache.captions["text"][:8].to_pylist()]
    np.testing.assert_allclose(lengths, rows, rtol=1e-6)
    assert np.ptp(rows) > 0.5

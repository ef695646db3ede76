"""Digests find equal texts as a Python dict does; DuckDB's order on disk is Python's."""

import random
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pytest

from hspcgan.pipeline.cache.tables import digests as module
from hspcgan.pipeline.cache.tables.digests import Places, digests, first_rows, text_numbers
from hspcgan.pipeline.stages.text_order import read_shard, shard_sizes, texts_of, write_order

WORDS = ["bird", "Straße", "é", "e\u0301", "", "bird ", "Z", "a", "ab", "\U0001f426", "\uffff"]


def some_texts(count: int, seed: int = 0) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=draw.randint(1, 3))) for _ in range(count)]


def test_numbers_are_63_bits_of_blake2b_whatever_the_blocks(monkeypatch):
    texts = some_texts(50)
    wanted = [int.from_bytes(blake2b(t.encode(), digest_size=16).digest()[:8], "little") >> 1 for t in texts]
    for block in (3, 1000):
        monkeypatch.setattr(module, "BLOCK", block)
        assert text_numbers(pa.chunked_array([texts[:7], texts[7:]])).tolist() == wanted


@pytest.mark.parametrize("count", [0, 1, 500])
def test_first_rows_are_those_of_a_dict(count):
    texts = some_texts(count)
    known: dict[str, int] = {}
    wanted = [known.setdefault(text, row) for row, text in enumerate(texts)]
    assert first_rows(digests(pa.array(texts, pa.string()))).tolist() == wanted


def test_places_are_those_of_a_dict_and_repeated_texts_are_named():
    unique = list(dict.fromkeys(some_texts(300)))
    wanted = {text: place for place, text in enumerate(unique)}
    places = Places([digests(pa.array(unique[:9])), digests(pa.array(unique[9:]))])
    asked = [*some_texts(400, seed=1), "nowhere"]
    assert places.find(pa.array(asked)).tolist() == [wanted.get(text, -1) for text in asked]
    assert places.repeated == -1
    assert Places([digests(pa.array(["a", "b", "c", "b"]))]).repeated == 3
    assert Places([]).find(pa.array(["a"])).tolist() == [-1]


def test_digests_that_share_their_first_half_are_told_apart(monkeypatch):
    made = np.array([[5, 9], [5, 1], [7, 0], [5, 4]], np.uint64)
    places = Places([made])
    monkeypatch.setattr(module, "digests", lambda texts: np.array([[5, 4], [5, 9], [5, 1], [5, 2], [9, 0]], np.uint64))
    assert places.find(pa.array(["v", "w", "x", "y", "z"])).tolist() == [3, 0, 1, -1, -1]


@pytest.mark.parametrize("shard", [1, 4, 1000])
def test_texts_are_sorted_by_length_then_text_and_cut_into_shards(tmp_path, shard):
    unique = list(dict.fromkeys(some_texts(300)))
    kinds = {text: number % 3 > 0 for number, text in enumerate(unique)}
    tables = [
        pa.table({"text": part, "is_caption": [kinds[text] for text in part]}) for part in (unique[:11], unique[11:])
    ]
    order = write_order(
        tables, lambda table: np.array([len(t) % 5 for t in table["text"].to_pylist()], np.int32), tmp_path, shard
    )
    wanted = sorted(unique, key=lambda text: (len(text) % 5, text))
    assert list(texts_of(order)) == wanted
    sizes = shard_sizes(order)
    assert sizes == [len(wanted[at : at + shard]) for at in range(0, len(wanted), shard)]
    assert [pair for index in range(len(sizes)) for pair in read_shard(order, index)] == [(t, kinds[t]) for t in wanted]
    assert [path.name for path in tmp_path.iterdir()] == [order.name]


def test_an_order_of_nothing_has_no_shards(tmp_path):
    order = write_order([], lambda table: np.zeros(len(table), np.int32), tmp_path, 4)
    assert shard_sizes(order) == []
    assert list(texts_of(order)) == []

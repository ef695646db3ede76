"""The cache under construction refuses shards, stages and inputs that break the format, and then leaves no cache."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from helpers import caches
from helpers.caches import INFO, INPUTS, World, run_stages

from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.partial.partial_cache import PartialCache
from hspcgan.pipeline.cache.partial.shards import write_shard


def test_complete_wants_exactly_the_shards_that_it_is_told_of(tmp_path, world):
    with PartialCache(tmp_path / "cache") as partial:
        partial.begin("ingest", {})
        for i in (0, 2):
            partial.write("ingest", i, *caches.ingest_shard(world, i))
        with pytest.raises(ValueError, match=r"lacks shards \[1\]"):
            partial.complete("ingest", 3)
        with pytest.raises(ValueError, match=r"unexpected extra shards \[2\]"):
            partial.complete("ingest", 1)
        assert not partial.is_complete("ingest")


def test_finish_refuses_stages_that_are_not_complete(tmp_path, world):
    with PartialCache(tmp_path / "cache") as partial:
        run_stages(partial, world, "parse")
        with pytest.raises(ValueError, match="not complete: encode"):
            partial.finish(INFO)
    assert not (tmp_path / "cache").exists()


def test_finish_refuses_data_without_a_single_caption(tmp_path):
    with PartialCache(tmp_path / "cache") as partial:
        for stage in INPUTS:
            partial.begin(stage, INPUTS[stage])
            partial.complete(stage, 0)
        with pytest.raises(ValueError, match="no usable captions"):
            partial.finish(INFO)
    assert not (tmp_path / "cache").exists()


def lose_a_caption(world: World) -> None:
    for rows in (world.captions, world.concepts):
        del rows[2][-1]


def repeat_a_key(world: World) -> None:
    world.samples[3][0]["key"] = "k0/1"
    for caption in world.captions[3]:
        caption["key"] = "k0/1" if caption["key"] == "k3/0" else caption["key"]


def mix_up_parses(world: World) -> None:
    world.concepts[2].reverse()


def misplace_an_edge(world: World) -> None:
    world.concepts[2][0]["attributes"] = [caches.attribute("red", 99)]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lose_a_caption, "ingest read {rows} rows, but wrote {less}"),
        (repeat_a_key, r"ingest: duplicate keys \(1\), such as \['k0/1'\]"),
        (mix_up_parses, "parse: shard 2 does not have the captions of ingest"),
        (misplace_an_edge, "attributes: entity refers to an entity that does not exist"),
    ],
)
def test_finish_refuses_rows_that_do_not_add_up(tmp_path, damage, message):
    world = World(0)
    rows = [caches.ingest_shard(world, i)[2]["rows_in"] for i in range(4)]
    damage(world)
    with PartialCache(tmp_path / "cache") as partial:
        partial.begin("ingest", INPUTS["ingest"])
        for i in range(4):
            tables, arrays, _ = caches.ingest_shard(world, i)
            partial.write("ingest", i, tables, arrays, {"rows_in": rows[i]})
        partial.complete("ingest", 4)
        run_stages(partial, world)
        with pytest.raises(ValueError, match=message.format(rows=sum(rows), less=sum(rows) - 1)):
            partial.finish(INFO)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("captions", "message"),
    [(["twice", "twice"], "'twice' is in two shards"), (["another"], "no features for 'caption 0'")],
)
def test_finish_wants_each_text_encoded_once(tmp_path, captions, message):
    with PartialCache(tmp_path / "cache") as partial:
        run_stages(partial, World.of({}), "parse")
        partial.begin("encode", INPUTS["encode"])
        partial.write("encode", 0, *caches.encode_shard(captions, []))
        partial.complete("encode", 1)
        with pytest.raises(ValueError, match=message):
            partial.finish(INFO)


def changed_shard(changes: dict[str, Callable]) -> list[dict]:
    """Tables and arrays of an encode shard with the texts "a" and "b", those named changed."""
    shard = caches.encode_shard(["a", "b"], [])
    return [{name: changes.get(name, lambda same: same)(part) for name, part in parts.items()} for parts in shard[:2]]


def with_nan(array: np.ndarray) -> np.ndarray:
    array[0, 0] = np.nan
    return array


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sentence": with_nan}, "encode/sentence has values that are not finite"),
        ({"tokens": with_nan}, "encode/tokens has values that are not finite"),
        ({"sentence": lambda a: a.astype(np.float32)}, "encode/sentence is float32"),
        ({"sentence": lambda a: a[:, :, None]}, "with 3 axes"),
        ({"sentence": lambda a: a[:1]}, "encode/sentence has 1 rows, expected 2"),
        ({"offsets": lambda a: a[:-1]}, "encode/offsets has 2 rows, expected 3"),
        ({"offsets": lambda a: a + 1}, "offsets must increase from 0"),
        ({"offsets": lambda a: a[[0, 2, 1]]}, "offsets must increase from 0"),
        ({"texts": lambda t: t.drop_columns("truncated")}, "encode/texts has columns"),
        ({"texts": lambda t: t.set_column(0, "text", pa.array(["a", None]))}, "encode/texts has nulls in text"),
    ],
)
def test_a_shard_that_the_format_forbids_is_refused_and_leaves_nothing(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        write_shard(tmp_path / "encode", "encode", 0, *changed_shard(changes))
    assert not (tmp_path / "encode").exists()


def test_shards_lacking_an_image_or_a_nested_value_or_a_table_are_refused(tmp_path, world):
    tables, arrays, _ = caches.ingest_shard(world, 0)
    with pytest.raises(ValueError, match="ingest/image has 3 rows, expected 4"):
        write_shard(tmp_path, "ingest", 0, tables, {"image": arrays["image"][:3]})
    with pytest.raises(ValueError, match="needs tables"):
        write_shard(tmp_path, "ingest", 0, {"samples": tables["samples"]}, arrays)
    row = World.of({"entities": [caches.entity("bird") | {"word": None}]}).concepts[0]
    with pytest.raises(ValueError, match="parse/concepts has nulls in entities"):
        write_shard(tmp_path, "parse", 0, {"concepts": pa.Table.from_pylist(row, schema=schema.CONCEPTS)})

"""`validate` names each broken promise of the format: one thing at a time is broken by rewriting a cache's files."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.caches import World, attribute, entity, make_cache, relation, reseal

from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.reader import Cache
from hspcgan.pipeline.cache.validate import validate

SCHEMAS = {
    "samples": schema.SAMPLES, "captions": schema.CAPTIONS, "phrases": schema.PHRASES, "rejects": schema.REJECTS,
}  # fmt: skip


GRAPHS = (
    "{", "[]", "{}", '{"entities": []}', '{"entities": [], "relations": 3}', '{"entities": ["bird"], "relations": []}',
    '{"entities": [{"head": "bird"}], "relations": []}', '{"entities": [], "relations": [[0, "on"]]}',
    '{"entities": [], "relations": [["bird", "on", "tree"]]}', '{"entities": [], "relations": [[-1, "on", 0]]}',
    '{"entities": [{"head": "bird", "attributes": []}], "relations": [[-2, "on", 0]]}',
)  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """Two shards; the first caption has two entities, an attribute and a relation; phrase 0 is the entity "bird"."""
    world = World(4, sizes=(4, 4))
    world.concepts[0][0] |= {
        "entities": [entity("bird"), entity("tree", 4)],
        "attributes": [attribute("red", 0)],
        "relations": [relation("on", 0, 1)],
    }
    return make_cache(tmp_path_factory.mktemp("cache") / "cache", world)


@pytest.fixture
def cache(whole, tmp_path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "cache"))


def change_rows(cache: Path, table: str, change: Callable[[list[dict[str, Any]]], Any]) -> None:
    path = cache / f"{table}.parquet"
    rows = pq.read_table(path).to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMAS[table]), path)
    reseal(cache)


def change_array(cache: Path, file_name: str, dataset: str, change: Callable[[np.ndarray], np.ndarray | None]) -> None:
    """`change` works in place, or returns what takes the dataset's place."""
    with h5py.File(cache / file_name, "r+") as file:
        array = file[dataset][:]
        result = change(array)
        del file[dataset]
        file[dataset] = array if result is None else result
    reseal(cache)


def put(array: np.ndarray, row: int, value: float) -> None:
    array[row] = value


def set_in(row: dict[str, Any], **values: Any) -> None:
    row.update(values)


def test_a_whole_cache_breaks_nothing(whole):
    validate(whole)
    validate(str(whole))


@pytest.mark.parametrize(
    ("table", "change", "message"),
    [
        ("captions", lambda r: set_in(r[0]["entities"][0], phrase=9999), "entities: phrase ids outside phrases"),
        ("captions", lambda r: set_in(r[0]["relations"][0], phrase=-1), "relations: phrase ids outside phrases"),
        ("captions", lambda r: set_in(r[0]["attributes"][0], phrase=0), "attributes: phrases of the wrong kind"),
        ("captions", lambda r: set_in(r[0]["attributes"][0], entity=2), "attributes: entity refers to an entity"),
        ("captions", lambda r: set_in(r[0]["relations"][0], subject=2), "relations: subject refers to an entity"),
        ("captions", lambda r: set_in(r[0]["relations"][0], object=-2), "relations: object refers to an entity"),
        ("captions", lambda r: set_in(r[0]["entities"][0], phrase=None), "captions.parquet: nulls in entities"),
        ("captions", lambda r: set_in(r[0], attributes=None), "captions.parquet: nulls in attributes"),
        ("captions", lambda r: set_in(r[0], text=None), "captions.parquet: nulls in text"),
        ("captions", lambda r: set_in(r[0], caption_id=r[1]["caption_id"]), "caption ids are not unique"),
        ("captions", lambda r: set_in(r[0], key="nobody"), "keys without a sample, such as ['nobody']"),
        ("captions", lambda r: r.reverse(), "captions.parquet: not in the order of samples.parquet"),
        ("captions", lambda r: set_in(r[0], n_tokens=99), "caption/offsets do not match n_tokens"),
        ("captions", lambda r: r.pop(), "captions, but the tables have"),
        ("samples", lambda r: set_in(r[1], key=r[0]["key"]), "samples.parquet: keys are not unique"),
        ("samples", lambda r: set_in(r[0], split="dev"), "splits ['dev'], expected ('train', 'val', 'test')"),
        ("samples", lambda r: r.append(r[0] | {"key": "mute"}), "samples without a caption, such as ['mute']"),
        ("samples", lambda r: r.append(r[0] | {"key": "mute"}), "images is uint8 (8, 3, 6, 6), expected uint8 (9,"),
        ("samples", lambda r: set_in(r[0], sha256="abc"), "sha256 'abc'"),
        ("samples", lambda r: set_in(r[0], height=0), "has the invalid size 9×0"),
        ("samples", lambda r: set_in(r[0], box=[9, 0, 12, 5]), "the box [9, 0, 12, 5] of k0/0 has no area"),
        ("samples", lambda r: set_in(r[0], box=[0, 0, 5]), "the box [0, 0, 5] of k0/0 has no area"),
        ("captions", lambda r: set_in(r[0]["entities"][0], end=999), "a span outside its caption"),
        ("captions", lambda r: set_in(r[0]["entities"][0], start=-1), "a span outside its caption"),
        ("captions", lambda r: set_in(r[0]["entities"][0], word=-1), "entities: a word index below 0"),
        ("captions", lambda r: set_in(r[0]["attributes"][0], word=-1), "attributes: a word index below 0"),
        *[
            ("captions", lambda r, one=one: set_in(r[0], graph=one), f"row 0: {one[:60]!r} is not a scene graph")
            for one in GRAPHS
        ],
        ("phrases", lambda r: set_in(r[0], count=r[0]["count"] + 1), "counts do not match the captions"),
        ("phrases", lambda r: set_in(r[0], phrase=1), "phrases.parquet: ids are not the row numbers"),
        ("phrases", lambda r: set_in(r[0], kind="verb"), "phrases.parquet: unknown kinds ['verb']"),
        ("phrases", lambda r: set_in(r[0], prompt="bird"), "do not follow the templates, such as 'bird'"),
        ("phrases", lambda r: set_in(r[1], text=r[0]["text"], prompt=r[0]["prompt"]), "phrases are not unique"),
        ("phrases", lambda r: r.pop(), "phrase_text is float16"),
        ("rejects", lambda r: r.append(dict.fromkeys(schema.REJECTS.names, "x")), "states 0 rejects, but the tables"),
    ],
)  # fmt: skip
def test_a_broken_table_is_named(cache, table, change, message):
    change_rows(cache, table, change)
    with pytest.raises(ValueError, match=r"violates the cache format(?s:.)*To fix: .*--rebuild") as error:
        validate(cache)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda info: info.update(normalised=True), "`normalised` is true, but format 1 stores raw"),
        (lambda info: info["stages"]["parse"].update(batch=3), "`fingerprint` does not match the inputs"),
        (lambda info: info["clip"].update(sha256="d" * 64), "but captions were encoded by 'cccc"),
        (lambda info: info["templates"].update(entity="{}"), "'entity': '{}', 'relation': 'one thing {} another'}"),
        (lambda info: info["clip"].update(context_length=4), "n_tokens outside 2 … 4, the context of made-up"),
        (lambda info: info["clip"].update(embed_dim=16), "expected float16 (8, 16)"),
        (lambda info: info.update(image_size=7), "expected uint8 (8, 3, 7, 7)"),
        *[
            (lambda info, name=name: info["counts"].update({name: 10**6}), f"states 1000000 {name}, but the tables")
            for name in ("rows_in", "samples", "captions", "rejects", "phrases", "tokens", "empty_graphs", "truncated")
        ],
    ],
)  # fmt: skip
def test_a_wrong_cache_json_is_named(cache, change, message):
    captions = len(pq.read_table(cache / "captions.parquet"))
    reseal(cache, change)
    with pytest.raises(ValueError, match="violates the cache format") as error:
        validate(cache)
    assert message.replace("float16 (8,", f"float16 ({captions},") in str(error.value)


@pytest.mark.parametrize(
    ("name", "dataset", "change", "message"),
    [
        ("features.h5", "phrase/text", lambda a: put(a, 3, np.nan), "phrase_text has values that are not finite"),
        ("features.h5", "caption/sentence", lambda a: put(a, -1, np.inf), "sentence has values that are not finite"),
        ("features.h5", "caption/tokens", lambda a: put(a, 20, -np.inf), "token_rows has values that are not finite"),
        ("features.h5", "caption/sentence", lambda a: a.astype(np.float32), "sentence is float32"),
        ("features.h5", "caption/tokens", lambda a: a[:-1], "token_rows is float16"),
        ("features.h5", "caption/offsets", lambda a: a[:-1], "offsets is int64"),
        ("features.h5", "caption/offsets", lambda a: put(a, 2, a[2] - 1), "caption/offsets do not match n_tokens"),
        ("features.h5", "caption/offsets", lambda a: a + 1, "caption/offsets do not match n_tokens"),
        ("index.h5", "caption/sample", lambda a: put(a, 0, 1), "index.h5: caption/sample does not match the tables"),
        ("index.h5", "caption/text", lambda a: put(a, 0, 7), "index.h5: caption/text does not match"),
        ("index.h5", "sample/split", lambda a: a[:-1], "index.h5: sample/split does not match"),
        ("index.h5", "entity/phrase", lambda a: put(a, 0, 99), "index.h5: entity/phrase does not match"),
        ("index.h5", "phrase/mean", lambda a: a + 1, "index.h5: phrase/mean does not match"),
        ("images.h5", "image", lambda a: a[1:], "images is uint8 (7, 3, 6, 6)"),
        ("images.h5", "image", lambda a: a.transpose(0, 2, 3, 1).copy(), "images is uint8 (8, 6, 6, 3)"),
    ],
)
def test_a_broken_array_is_named(cache, name, dataset, change, message):
    change_array(cache, name, dataset, change)
    with pytest.raises(ValueError, match="violates the cache format") as error:
        validate(cache)
    assert message in str(error.value)


def test_compressed_data_cannot_be_mapped_and_is_refused(cache):
    with h5py.File(cache / "images.h5", "r+") as file:
        images = file["image"][:]
        del file["image"]
        file.create_dataset("image", data=images, chunks=True, compression="gzip")
    reseal(cache)
    with pytest.raises(ValueError, match=r"images\.h5: image is chunked or compressed"):
        validate(cache)


@pytest.mark.parametrize(
    ("stored", "why"), [({}, "has no values"), ({"external": "other.bin"}, "is stored in another file")]
)
def test_data_without_values_in_the_file_are_refused(cache, stored, why):
    with h5py.File(cache / "images.h5", "r+") as file:
        shape, dtype = file["image"].shape, file["image"].dtype
        del file["image"]
        file.create_dataset("image", shape=shape, dtype=dtype, **stored)
    reseal(cache)
    with pytest.raises(ValueError, match=rf"images\.h5: image {why}, so it cannot be mapped"):
        validate(cache)


def test_all_that_is_broken_is_named_at_once(cache):
    change_rows(cache, "samples", lambda rows: set_in(rows[0], split="dev"))
    change_rows(cache, "captions", lambda rows: set_in(rows[0], caption_id=rows[1]["caption_id"]))
    reseal(cache, lambda info: info["counts"].update(tokens=0))
    with pytest.raises(ValueError, match="violates the cache format") as error:
        validate(cache)
    for message in ("splits ['dev']", "caption ids are not unique", "states 0 tokens"):
        assert message in str(error.value)


def test_a_cache_of_the_older_layout_is_refused_with_the_command_that_rebuilds_it(cache):
    change_array(cache, "index.h5", "caption/text", lambda a: np.arange(len(a), dtype=np.int32))
    for opened in (Cache, validate):
        with pytest.raises(ValueError, match=r"older layout \(caption/text in .*; rebuild .*--rebuild"):
            opened(cache)

"""Parquet tables with bad columns, cells or bytes: one bad row costs one row; a file that is not Parquet is one error."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.corpus import assert_told, ingest, ingested
from helpers.datasets import picture

from hspcgan.pipeline.sources.readers import parquet_rows


def parquet(path: Path, **columns: object) -> None:
    pq.write_table(pa.table(columns), path)


def not_utf8(*texts: str) -> pa.Array:
    """Strings of Arrow whose bytes are Latin-1."""
    return pa.Array.from_buffers(pa.string(), len(texts), pa.array([t.encode("latin-1") for t in texts]).buffers())


PARQUET = {
    "structs": (lambda p: parquet(p, image=[{"bytes": picture(1), "path": None}, {"bytes": b"junk", "path": "x"}], caption=["a", "b"]), 1),
    "binary": (lambda p: parquet(p, image=pa.array([picture(1), b"", b"junk"], pa.binary()), caption=["a", "b", "c"]), 1),
    "large-binary": (lambda p: parquet(p, image=pa.array([picture(1), None], pa.large_binary()), caption=["a", "b"]), 1),
    "numbers": (lambda p: parquet(p, image=[1, 2], caption=["a", "b"]), "no usable sample"),
    "nulls": (lambda p: parquet(p, image=pa.nulls(2), caption=["a", "b"]), "no usable sample"),
    "captions-numbers": (lambda p: parquet(p, image=["0.png", "1.png"], caption=[1, 2]), "no usable sample"),
    "captions-lists": (lambda p: parquet(p, image=["0.png", "1.png"], caption=[["a", "b"], []]), 1),
    "captions-null": (lambda p: parquet(p, image=["0.png", "1.png"], caption=["a", None]), 1),
    "dictionary-of-images": (lambda p: parquet(p, image=pa.array([picture(1), None, picture(2)]).dictionary_encode(), caption=["a", "b", "c"]), 2),
    "dictionary": (lambda p: parquet(p, image=pa.array(["0.png", "1.png"]).dictionary_encode(), caption=["a", "b"]), 2),
    "dates": (lambda p: parquet(p, image=["0.png", "1.png"], caption=pa.array([2**61, None], pa.timestamp("ms"))), "cannot be read: a value of type timestamp[ms]"),
    "paths-dates": (lambda p: parquet(p, image=pa.array([2**30, 1], pa.date32()), caption=["a", "b"]), "cannot be read: a value of type date32[day]"),
    "durations": (lambda p: parquet(p, image=["0.png", "1.png"], caption=pa.array([2**61, 1], pa.duration("ms"))), "cannot be read: a value of type duration[ms]"),
    "fixed-lists": (lambda p: parquet(p, image=["0.png", "1.png"], caption=pa.FixedSizeListArray.from_arrays(not_utf8("a cat", "\xff"), 1)), 1),
    "maps": (lambda p: parquet(p, image=["0.png", "1.png"], caption=pa.MapArray.from_arrays([0, 1, 2], pa.array(["a", "b"]), not_utf8("a", "\xff"))), "no usable sample"),
    "category": (lambda p: parquet(p, image=["0.png", "1.png"], caption=pa.DictionaryArray.from_arrays([0, 1], not_utf8("a", "\xff"))), "write the column as plain strings"),
    "no-rows": (lambda p: parquet(p, image=pa.array([], pa.string()), caption=pa.array([], pa.string())), "no usable sample"),
    "no-column": (lambda p: parquet(p, picture=["0.png"], caption=["a"]), "no column image"),
    "cut": (lambda p: (parquet(p, image=["0.png"], caption=["a"]), p.write_bytes(p.read_bytes()[:-20])), "not a complete Parquet"),
    "text": (lambda p: p.write_bytes(b"image,caption\n"), "not a complete Parquet"), "empty": (lambda p: p.write_bytes(b""), "not a complete Parquet"),
    "flipped": (lambda p: (parquet(p, image=["0.png"], caption=["a"]), p.write_bytes(b"PAR1" + b"\xff" * 200 + b"PAR1")), "not a complete Parquet"),
    "long-path": (lambda p: parquet(p, image=["x" * 20_000_000, "1.png"], caption=["a", "b"]), 1), "long-caption": (lambda p: parquet(p, image=["0.png", "1.png"], caption=["x" * 20_000_000, "b"]), 1),
    "long-split": (lambda p: parquet(p, image=["0.png", "1.png"], caption=[["x" * 2_000_000, "a"], ["b"]]), 2), "long-struct": (lambda p: parquet(p, image=[{"bytes": None, "path": "x" * 5_000_000}, {"bytes": picture(1), "path": None}], caption=["a", "b"]), 1),
    "fifo": (lambda p: os.mkfifo(p), "a pipe"), "folder": (lambda p: p.mkdir(), "is a folder"), "device": (lambda p: p.symlink_to("/dev/zero"), "a device"),
}  # fmt: skip


@pytest.mark.parametrize("name", PARQUET)
def test_parquet_of_every_kind(tmp_path, data, tiny_clip_path, name):
    make, wanted = PARQUET[name]
    make(data / "all.parquet")
    result, cache = ingest(
        tmp_path, data if name in ("fifo", "folder", "device") else data / "all.parquet", tiny_clip_path, "table"
    )
    if isinstance(wanted, int):
        assert (result.exit_code, len(ingested(cache).samples)) == (0, wanted), result.output
    else:
        assert_told(result, wanted)


@pytest.mark.parametrize(
    "cells",
    [{"image": ["0.png"], "caption": ["x" * 2_500_000]}, {"image": [bytes(2_500_000)], "caption": ["a"]}],
)
def test_a_huge_cell_of_parquet_is_an_error_before_it_is_read(tmp_path, data, tiny_clip_path, cells, monkeypatch):
    monkeypatch.setattr(parquet_rows, "MAX_PAGE", 2_000_000)
    pq.write_table(pa.table(cells), data / "all.parquet", use_dictionary=False)
    result, _ = ingest(tmp_path, data / "all.parquet", tiny_clip_path, "table")
    assert_told(
        result,
        "all.parquet: row group 1 has 2,500,0",
        "in one page of the column",
        "more than the 2,000,000 allowed",
        codes={3},
    )


@pytest.mark.parametrize(
    ("kind", "count"),
    [("list", 50_000_000), ("struct", 2**21), ("map", 2**21), ("large-list", 2**21), ("list-of-lists", 2**21)],
)
def test_a_cell_of_very_many_values_costs_its_row(tmp_path, data, tiny_clip_path, kind, count):
    values = pa.nulls(count + 1, pa.string())
    nulls = pa.ListArray.from_arrays(pa.array([0, 1, count, count + 1]), values)
    cells = {
        "list": lambda: nulls, "large-list": lambda: nulls.cast(pa.large_list(pa.string())), "struct": lambda: pa.StructArray.from_arrays([nulls], ["a"]),
        "list-of-lists": lambda: pa.ListArray.from_arrays(pa.array([0, 1, 2, 3]), nulls), "map": lambda: pa.MapArray.from_arrays(nulls.offsets, values.fill_null(""), values),
    }[kind]()  # fmt: skip
    table = {"image": ["0.png", "1.png", "2.png"], "text": ["a bird", "a cat", "a dog"], "caption": cells}
    pq.write_table(pa.table(table), data / "all.parquet")
    result, cache = ingest(tmp_path, data / "all.parquet", tiny_clip_path, "table", caption_columns=["text", "caption"])
    assert result.exit_code == 0, result.output
    found = ingested(cache)
    assert found.samples == {"0", "2"}
    assert "values, more than the 1,048,576 allowed" in found.why("all.parquet#2")


LONG = "word " * 200_000


@pytest.mark.parametrize(("text", "rows", "images", "why"), [
    (LONG, 1900, 2, "1,000,000 bytes; a caption may have up to 10,000 characters"), (LONG[:9000], 200_000, 1, "captions of 1,053,000 characters for 0.png, more than the 1,048,576 allowed"),
    ("a bird", 3000, 1, "1,001 captions for 0.png, more than the 1,000 allowed"),
])  # fmt: skip
def test_many_long_captions_take_little_memory(tmp_path, data, tiny_clip_path, text, rows, images, why):
    captions = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([text]))
    names = [f"{number % images}.png" for number in range(rows)]
    good = pa.table({"image": ["2.png"], "caption": pa.array(["a dog"]).dictionary_encode()})
    pq.write_table(
        pa.concat_tables([pa.table({"image": names, "caption": captions}), good]).unify_dictionaries(),
        data / "all.parquet",
    )
    result, cache = ingest(tmp_path, data / "all.parquet", tiny_clip_path, "table")
    assert result.exit_code == 0, result.output
    found = ingested(cache)
    assert found.samples == {"2"}
    assert why in found.why("0")


def test_a_column_name_of_parquet_that_is_not_utf_8_is_one_error(tmp_path, data, tiny_clip_path):
    path = data / "t.parquet"
    columns = pa.table({"image": ["0.png"], "caption": ["a bird"], "xxyyzz": [1]})
    pq.write_table(columns, path, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"xxyyzz", b"caf\xe9 y"))
    told, _ = ingest(tmp_path, path, tiny_clip_path, "table")
    assert_told(told, "t.parquet: the name of a column is not UTF-8; rename the column", codes={3})

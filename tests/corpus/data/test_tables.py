"""Tables with bad rows: one bad row costs one row; a file that is not a table at all is one error."""

import gzip
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.cli import hspcgan
from helpers.corpus import assert_told, bounded, ingest, ingested
from helpers.datasets import manifest, picture, write

from hspcgan.pipeline.sources.readers import parquet_rows

GOOD = "0.png,a red bird\n1.png,a blue bird\n"
CSV_ROWS: dict[str, tuple[str, int]] = {
    "plain": ("2.png,a cat", 3), "quoted": ('2.png,"a cat, asleep"', 3), "doubled": ('2.png,"a ""red"" cat"', 3),
    "two-lines": ('2.png,"a cat\nasleep"', 3), "backslashed": ('2.png,"a \\"red\\" bird"\n2.png,"a \\"red\\" bird"', 2),
    "open-quote": ('2.png,"a cat', 2), "many-open": ('2.png,"a\n' * 20, 2), "too-few": ("2.png", 2), "too-many": ("2.png,a,b,c", 2),
    "empty-line": ("\n\n", 2), "commas": (",,,,,", 2), "nul": ("2.png,a \x00 cat", 3), "escape": ("2.png,a \x1b[31mcat", 3),
    "no-image": (",a cat", 2), "absent": ("nowhere.png,a cat", 2), "out": ("../../etc/passwd,a cat", 2), "absolute": ("/etc/passwd,a cat", 2),
    "url": ("https://example.org/a.png,a cat", 2), "no-caption": ("2.png,", 2), "spaces": ("2.png,   ", 2), "tilde": ("~/2.png,a cat", 2),
    "backslash": ("sub\\2.png,a cat", 2), "case": ("2.PNG,a cat", 2), "list": ('2.png,"[""a cat"", ""a dog""]"', 3), "python-list": ("2.png,\"['a cat', 'a dog']\"", 3),
    "long-name": (f"{'x' * 300}.png,a cat", 2), "dot": (".,a cat", 2), "folder": ("sub,a cat", 2), "device": ("../../../dev/zero,a cat", 2),
    "fifo": ("pipe.png,a cat", 2), "link": ("link.png,a cat", 2), "quote-inside": ('2.png,a "red" cat', 3),
}  # fmt: skip


@pytest.fixture
def data(tmp_path) -> Path:
    folder = tmp_path / "data"
    for number in range(3):
        write(folder / f"{number}.png", picture(number))
    (folder / "sub").mkdir()
    os.mkfifo(folder / "pipe.png")
    (folder / "link.png").symlink_to("/dev/zero")
    return folder


@pytest.mark.parametrize("name", CSV_ROWS)
def test_a_bad_row_of_csv_costs_itself(tmp_path, data, tiny_clip_path, name):
    row, images = CSV_ROWS[name]
    write(data / "all.csv", f"image,caption\n{GOOD}{row}\n")
    result, cache = ingest(tmp_path, data / "all.csv", tiny_clip_path, "table")
    assert result.exit_code == 0, result.output
    assert len(ingested(cache).samples) == images


CSV_FILES: dict[str, tuple[bytes, int | str]] = {
    "bom": (b"\xef\xbb\xbfimage,caption\n0.png,a bird\n", 1), "crlf": (b"image,caption\r\n0.png,a bird\r\n", 1),
    "utf-16": ("image,caption\n0.png,a bird\n".encode("utf-16"), "`iconv -f UTF-16 -t UTF-8"), "latin": (b"image,caption\n0.png,caf\xe9 bird\n1.png,a cat\n", 1),
    "utf-16-no-mark": ("image,caption\n0.png,a bird\n".encode("utf-16-be"), "is encoded in UTF-16BE"), "utf-32": ("image,caption\n0.png,a bird\n".encode("utf-32"), "is encoded in UTF-32, "),
    "semicolons": (b"image;caption\n0.png;a bird\n", "separated by ';'"), "tabs": (b'"image"\t"caption"\n0.png\ta bird\n', "separated by '\\t'"),
    "empty": (b"", "no column"), "header": (b"image,caption\n", "no"), "escape-header": (b"\x1b[31mimage,caption\n0.png,x\n", "no column"),
    "twice": (b"image,caption,image\n0.png,a,b\n", "several columns"), "zeros": (bytes(10_000), "no column"), "binary": (bytes(range(256)) * 100, "no column"),
    "gzip": (gzip.compress(b"image,caption\n0.png,a bird\n"), "all.csv is compressed with gzip"), "excel": (b"PK\3\4" + bytes(100), "an Excel workbook; "), "sep": (b"sep=,\nimage,caption\n0.png,a bird\n", "all.csv, line 1: 'sep=,' is not the header"),
    "open-header": (b'image,"caption\n0.png,a bird\n', "header"), "parquet": (b"PAR1" + bytes(100) + b"PAR1", "no column"),
}  # fmt: skip


@pytest.mark.parametrize("name", CSV_FILES)
def test_a_file_that_is_no_table_is_one_error(tmp_path, data, tiny_clip_path, name):
    content, wanted = CSV_FILES[name]
    write(data / "all.csv", content)
    result, cache = ingest(tmp_path, data / "all.csv", tiny_clip_path, "table")
    if isinstance(wanted, int):
        assert (result.exit_code, len(ingested(cache).samples)) == (0, wanted), result.output
    else:
        assert_told(result, wanted)


JSONL_ROWS: dict[str, tuple[bytes, int]] = {
    "plain": (b'{"image": "2.png", "caption": "a cat"}', 3), "list": (b'{"image": "2.png", "caption": ["a", "b cat"]}', 3), "text": (b"hello", 2),
    "array": (b'["2.png", "a cat"]', 2), "number": (b"7", 2), "null": (b"null", 2), "cut": (b'{"image": "2.png", "ca', 2), "lacks": (b'{"image": "2.png"}', 2),
    "deep": (b"[" * 100_000, 2), "digits": (b'{"image": ' + b"9" * 5000 + b"}", 2), "image-number": (b'{"image": 3, "caption": "a cat"}', 2), "image-list": (b'{"image": ["2.png"], "caption": "a"}', 2),
    "caption-object": (b'{"image": "2.png", "caption": {"a": 1}}', 2), "nan": (b'{"image": "2.png", "caption": NaN}', 2), "surrogate": (b'{"image": "\\ud800.png", "caption": "a"}', 2),
    "nul": (b'{"image": "a\\u0000.png", "caption": "a"}', 2), "not-utf8": (b'{"image": "2.png", "caption": "caf\xe9"}', 2), "blank": (b"   ", 2), "twice": (b'{"image": "1.png", "image": "2.png", "caption": "a cat"}', 2),
}  # fmt: skip


def test_jsonl_and_tsv_in_another_form_are_one_error(tmp_path, data, tiny_clip_path):
    line = json.dumps({"image": "0.png", "caption": "a bird"}) + "\n"
    row = json.loads(line)
    tables = {
        "a.jsonl": (line.encode("utf-16"), "is encoded in UTF-16"), "b.tsv": ("image,caption\n0.png,a bird\n", "separated by ','"),
        "c.jsonl": (gzip.compress(line.encode()), "c.jsonl is compressed with gzip; unpack it with `gunzip"),
        "d.jsonl": (json.dumps([row, row], indent=1), "d.jsonl is a list in JSON, expected an object in each line; convert it with `jq -c .[]"),
        "e.jsonl": (json.dumps(row, indent=1), "e.jsonl is an object over several lines in JSON"),
    }  # fmt: skip
    for name, (content, told) in tables.items():
        write(data / name, content)
        assert_told(ingest(tmp_path, data / name, tiny_clip_path, "table")[0], told, codes={3})


@pytest.mark.parametrize("name", JSONL_ROWS)
def test_a_bad_line_of_jsonl_costs_itself(tmp_path, data, tiny_clip_path, name):
    row, images = JSONL_ROWS[name]
    good = b"".join(json.dumps({"image": f"{n}.png", "caption": "a bird"}).encode() + b"\n" for n in (0, 1))
    write(data / "all.jsonl", good + row + b"\n")
    result, cache = ingest(tmp_path, data / "all.jsonl", tiny_clip_path, "table")
    assert result.exit_code == 0, result.output
    assert len(ingested(cache).samples) == images


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


def test_the_reasons_for_long_cells(tmp_path, data, tiny_clip_path):
    rows = [{"image": "p" * 5000, "caption": "a bird"}, {"image": "0.png", "caption": ["x" * 1_500_000, "a bird"]}]
    write(data / "all.jsonl", "\n".join(map(json.dumps, rows)))
    found = ingested(ingest(tmp_path, data / "all.jsonl", tiny_clip_path, "table")[1])
    assert found.captions == {"0": ["a bird"]}
    assert found.why("0#0") == "1,500,000 characters; a caption may have up to 10,000 characters"
    assert found.why("all.jsonl#1").startswith(f"image is not the path of an image: '{'p' * 59} … (5,000 characters)")


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


def test_a_line_of_very_many_values_is_an_error(tmp_path, data, tiny_clip_path):
    write(
        data / "all.jsonl",
        '{"image": "0.png", "caption": [' + "[]," * 2_700_000 + "[]]}\n" + '{"image": "1.png", "caption": "a cat"}\n',
    )
    result, cache = ingest(tmp_path, data / "all.jsonl", tiny_clip_path, "table")
    assert result.exit_code == 0, result.output
    assert ingested(cache).samples == {"1"}
    assert "2,700,001 captions for all.jsonl#1" in ingested(cache).why("all.jsonl#1")
    write(data / "all.jsonl", '{"image": "0.png", "caption": [' + "[]," * 20_000_000 + "[]]}\n")
    assert_told(
        ingest(tmp_path, data / "all.jsonl", tiny_clip_path, "table")[0],
        "a line of more than 8,388,608 bytes",
        codes={3},
    )


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "tsv", "parquet"])
def test_an_endless_line_is_an_error_before_the_table_is_hashed(tmp_path, tiny_clip_path, suffix):
    path = write(tmp_path / "data" / f"all.{suffix}", b"")
    os.truncate(path, 400 * 2**30)
    with bounded():
        result, _ = ingest(tmp_path, tmp_path / "data", tiny_clip_path, "table")
    assert_told(result, f"all.{suffix}")


def test_a_file_that_is_no_table_does_not_fill_the_terminal(tmp_path, tiny_clip_path):
    write(tmp_path / "data" / "all.csv", b"\xfd\xfe\xff" * 5000)
    result, _ = ingest(tmp_path, tmp_path / "data", tiny_clip_path, "table")
    assert_told(result, "no column image, caption; found ")
    assert len(result.output) < 6000


def test_a_deeply_nested_caption_can_be_sent_to_a_worker(tmp_path, tiny_clip_path):
    write(tmp_path / "data" / "0.png", picture(0))
    rows = ['{"image": "0.png", "caption": "a bird"}', '{"image": "0.png", "caption": ' + "[" * 900 + "]" * 900 + "}"]
    table = write(tmp_path / "data" / "all.jsonl", "\n".join(rows))
    path = manifest(tmp_path / "m.yaml", table, tiny_clip_path, source="table", processes=2)
    result = hspcgan("ingest", path)
    assert result.exit_code == 0, result.output
    assert ingested(path.with_suffix(".cache")).rejects == [("0#1", "caption", "not a string: '[[[[[[[...]]]]]]]'")]


def test_a_nested_caption_is_not_kept(tmp_path, tiny_clip_path):
    """It takes 16 times its size in memory, and an image may have 1,000 captions."""
    write(tmp_path / "data" / "0.png", picture(0))
    large = '{"image": "0.png", "caption": {"a": [' + "[]," * 3_000 + "0]}}\n"
    write(tmp_path / "data" / "all.jsonl", '{"image": "0.png", "caption": "a bird"}\n' + 3 * large)
    found = ingested(ingest(tmp_path, tmp_path / "data", tiny_clip_path, "table")[1])
    assert found.captions == {"0": ["a bird"]}
    assert {why for _, _, why in found.rejects} == {"not a string: \"{'a': [[], [], [], [], [], [], ...]}\""}


@pytest.mark.parametrize("suffix", ["jsonl", "json"])
def test_json_with_a_key_that_occurs_twice_is_a_reject(tmp_path, tiny_clip_path, suffix):
    others = "".join(f'"{number}": 0, ' for number in range(80_000))  # too many to compare each with each
    twice, once = (
        f'{{"image": "1.png", {others}"caption": "a", "caption": "b"}}',
        '{"image": "0.png", "caption": "a bird"}',
    )
    for number in range(2):
        write(tmp_path / "data" / f"{number}.png", picture(number))
    if suffix == "json":
        write(tmp_path / "data" / "0.json", once)
        write(tmp_path / "data" / "1.json", twice)
    else:
        write(tmp_path / "data" / "all.jsonl", f"{once}\n{twice}\n")
    source = "folder" if suffix == "json" else "table"
    found = ingested(ingest(tmp_path, tmp_path / "data", tiny_clip_path, source)[1])
    assert found.captions == {"0": ["a bird"]}
    assert [why for _, _, why in found.rejects if "the key 'caption' occurs twice" in why]


def test_a_column_name_of_parquet_that_is_not_utf_8_is_one_error(tmp_path, data, tiny_clip_path):
    path = data / "t.parquet"
    columns = pa.table({"image": ["0.png"], "caption": ["a bird"], "xxyyzz": [1]})
    pq.write_table(columns, path, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"xxyyzz", b"caf\xe9 y"))
    told, _ = ingest(tmp_path, path, tiny_clip_path, "table")
    assert_told(told, "t.parquet: the name of a column is not UTF-8; rename the column", codes={3})

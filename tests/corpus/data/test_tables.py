"""Text tables with bad rows: one bad row costs one row; a file that is not a table at all is one error."""

import gzip
import json
import os

import pytest
from helpers.cli import hspcgan
from helpers.corpus import assert_told, bounded, ingest, ingested
from helpers.datasets import manifest, picture, write

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


def test_the_reasons_for_long_cells(tmp_path, data, tiny_clip_path):
    rows = [{"image": "p" * 5000, "caption": "a bird"}, {"image": "0.png", "caption": ["x" * 1_500_000, "a bird"]}]
    write(data / "all.jsonl", "\n".join(map(json.dumps, rows)))
    found = ingested(ingest(tmp_path, data / "all.jsonl", tiny_clip_path, "table")[1])
    assert found.captions == {"0": ["a bird"]}
    assert found.why("0#0") == "1,500,000 characters; a caption may have up to 10,000 characters"
    assert found.why("all.jsonl#1").startswith(f"image is not the path of an image: '{'p' * 59} … (5,000 characters)")


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

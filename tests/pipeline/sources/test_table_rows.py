"""Tables line by line: what quotes, long cells, missing and repeated columns cost, and that no row is lost."""

import json

import pandas as pd
import pytest
from helpers.datasets import picture, write

from hspcgan.pipeline.sources.config import DataConfig, open_source
from hspcgan.pipeline.sources.readers.table_rows import read_rows
from hspcgan.pipeline.stages.ingest_items import check_items

COLUMNS = ["image", "caption"]


def kept(rows) -> list[str]:
    return [row["caption"] for _, row in rows if isinstance(row, dict)]


def refused(rows) -> dict[int, str]:
    return {number: row for number, row in rows if isinstance(row, str)}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_stray_quote_costs_its_own_row(tmp_path, end):
    lines = ["image,caption", '1.jpg,"a bird with a stray quote', "2.jpg,two", '3.jpg,"three, ""3"""', "4.jpg,four"]
    rows = list(read_rows(write(tmp_path / "t.csv", end.join(lines)), COLUMNS))
    assert kept(rows) == ["two", 'three, "3"', "four"]
    assert list(refused(rows)) == [1]
    assert refused(rows)[1].startswith(
        "line 2 is not a row: a quote is opened but not closed (a cell may contain at most 20 line breaks)"
    )


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_quoted_texts_with_line_breaks_are_read_as_pandas_reads_them(tmp_path, end):
    lines = ["caption,image", '"a bird', "which sings", 'on a branch",1.jpg', '"two', '",2.jpg', "three,3.jpg"]
    path = write(tmp_path / "t.csv", end.join(lines) + end)
    rows = list(read_rows(path, COLUMNS))
    assert [number for number, _ in rows] == [1, 4, 6]
    assert [row for _, row in rows] == pd.read_csv(path).to_dict("records")


@pytest.mark.parametrize(
    "doubtful",
    [
        ['"a bird', "on a branch,sings", 'in the rain",1.jpg'],  # the second may be a row of its own
        ['"a bird', *["sings"] * 30, '",1.jpg'],
        ['"a bird', 'which sings" loudly,1.jpg'],
    ],
)
def test_what_may_be_several_rows_is_never_read_as_one_and_never_cut(tmp_path, doubtful):
    lines = ["caption,image", *doubtful, "three,3.jpg"]
    rows = list(read_rows(write(tmp_path / "t.csv", "\n".join(lines)), COLUMNS))
    assert kept(rows)[-1] == "three"
    assert not {"a bird", "in the rain", "which sings"} & {text.split("\n")[0].strip('"') for text in kept(rows)}
    assert [number for number, _ in rows] == list(range(1, len(lines)))
    assert refused(rows)[1].startswith("line 2 is not a row: a quote is opened but not closed")
    assert len(doubtful) in refused(rows)


def test_what_stands_behind_a_closed_quote_costs_the_row(tmp_path):
    rows = list(read_rows(write(tmp_path / "t.csv", 'image,caption\n1.jpg,"a" bird\n2.jpg,two\n'), COLUMNS))
    assert kept(rows) == ["two"]
    assert "line 2 is not a row: ',' expected after '\"'" in refused(rows)[1]


def test_tsv_has_no_quotes(tmp_path):
    content = 'caption\timage\n"a bird" sings\t1.jpg\n"a\t2.jpg\nthree\t3.jpg\n'
    rows = list(read_rows(write(tmp_path / "t.tsv", content), COLUMNS))
    assert kept(rows) == ['"a bird" sings', '"a', "three"]
    assert not refused(rows)


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_a_long_cell_is_read(tmp_path, suffix):
    between = "," if suffix == "csv" else "\t"
    lines = [["image", "caption", "embedding"], ["1.jpg", "one", "x" * 200_000]]
    rows = read_rows(write(tmp_path / f"t.{suffix}", "\n".join(map(between.join, lines))), COLUMNS)
    assert kept(rows) == ["one"]


def test_a_cell_beyond_all_measure_costs_its_row(tmp_path):
    content = f"image,caption\n1.jpg,{'x' * (2**24 + 1)}\n2.jpg,two\n"
    rows = list(read_rows(write(tmp_path / "t.csv", content), COLUMNS))
    assert kept(rows) == ["two"]
    assert "larger than field limit" in refused(rows)[1]


def test_every_row_and_caption_is_counted(tmp_path):
    for name in "ab":
        write(tmp_path / f"{name}.png", picture())
    rows = [
        {"image": "a.png", "caption": ["a bird", 3, None, ["x"], "a red bird"]},
        {"image": "../up.png", "caption": ["one", "two"]},
        {"image": "b.png", "caption": 7},
        {"image": "b.png", "caption": "a cat\non a mat"},
        {"image": "a.png"},
    ]
    table = write(tmp_path / "t.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    source = open_source(DataConfig(source="table", path=table, image_size=16))
    checked = check_items(16, [source.read(entry) for entry in source.entries()])
    assert [row["text"] for row in checked.captions] == ["a bird", "a red bird", "a cat on a mat"]
    why = {row["where"]: row["why"] for row in checked.rejects}
    assert why["a#1"] == "not a string: '3'"
    assert why["a#2"] == "empty"
    assert why["a#3"] == "not a string: \"['x']\""
    assert why["b#0"] == "not a string: '7'"
    assert why["t.jsonl#5"] == "lacks caption"
    assert set(why) == {"a#1", "a#2", "a#3", "b#0", "t.jsonl#2", "t.jsonl#2#0", "t.jsonl#2#1", "t.jsonl#5"}
    assert checked.rows_in == (1 + 5) + (1 + 2) + (1 + 2) + 1  # a.png, b.png, the row that leads out, the one without

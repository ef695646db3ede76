"""Tables that name images: JSONL, CSV, TSV and Parquet, folders of them, and every kind of broken row."""

import json
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import upath
from helpers.datasets import picture, write

from hspcgan.pipeline.sources.config import DataConfig, open_source

ROWS = [
    {"image": "a.png", "caption": "a red bird", "more": "it sits"},
    {"image": "sub/b.png", "caption": 'a, "quoted" bird', "more": "it flies"},
    {"image": "a.png", "caption": "a bird again", "more": "ein Vögelchen"},
]


def write_table(path, rows):
    if path.suffix == ".parquet":
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        write(path, "".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".tsv":
        write(path, "".join("\t".join(line) + "\n" for line in [list(rows[0]), *(row.values() for row in rows)]))
    else:
        lines = [list(rows[0]), *(row.values() for row in rows)]
        quoted = [[cell.replace('"', '""') for cell in line] for line in lines]
        write(path, "".join(",".join(f'"{cell}"' for cell in row) + "\r\n" for row in quoted))
    return path


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "a.png", picture(1))
    write(tmp_path / "sub" / "b.png", picture(2))
    return tmp_path


def opened(path, **options):
    return open_source(DataConfig(source="table", path=path, image_size=16, test_fraction=0, **options))


def items(source):
    return {entry.where: source.read(entry) for entry in source.entries()}


def texts(item):
    return [text if isinstance(text, str) else text.decode() for text in item.captions]


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".tsv", ".parquet"])
def test_rows_of_one_image_are_joined(folder, suffix):
    found = items(opened(write_table(folder / f"all{suffix}", ROWS), caption_columns=["caption", "more"]))
    assert list(found) == ["a.png", "sub/b.png"]
    assert texts(found["a.png"]) == ["a red bird", "it sits", "a bird again", "ein Vögelchen"]
    assert texts(found["sub/b.png"]) == ['a, "quoted" bird', "it flies"]
    assert found["sub/b.png"].entry.key == "sub/b"
    assert found["a.png"].image == picture(1)
    assert all(item.problem is None for item in found.values())


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_a_caption_column_may_hold_lists(folder, suffix):
    rows = [{"image": "a.png", "caption": ["one", "two", None]}, {"image": "sub/b.png", "caption": ["three"]}]
    found = items(opened(write_table(folder / f"all{suffix}", rows)))
    assert texts(found["a.png"]) == ["one", "two", ""]


def test_columns_and_the_folder_of_images_can_be_named(folder):
    names = ["b.png", "c/../b.png", str(folder / "sub" / "b.png")]
    rows = [{"file_name": name, "text": text} for name, text in zip(names, "xyz", strict=True)]
    table = write_table(folder / "lists" / "metadata.csv", rows)
    found = items(opened(table, images=folder / "sub", image_column="file_name", caption_columns=["text"]))
    assert texts(found["b.png"]) == ["x", "y", "z"]


def test_a_split_column_or_tables_named_test_decide_the_split(folder):
    rows = [{"image": "a.png", "caption": "x", "part": "TRAIN"}, {"image": "sub/b.png", "caption": "y", "part": "val"}]
    source = opened(write_table(folder / "all.jsonl", rows), split_column="part")
    assert [entry.split for entry in source.entries()] == ["train", "test"]
    write_table(folder / "tables" / "train.csv", rows[:1])
    write_table(folder / "tables" / "test.csv", rows[1:])
    source = opened(folder / "tables", images=folder)
    assert [entry.split for entry in source.entries()] == ["train", "test"]
    write_table(folder / "tables" / "test.csv", rows)
    found = items(opened(folder / "tables", images=folder))
    assert found["train.csv#1"].problem == "in two splits: image a.png is already in the test split"
    assert [(found[name].entry.split, found[name].problem) for name in ("a.png", "sub/b.png")] == [("test", None)] * 2


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
@pytest.mark.parametrize("path", ["../secret.png", "/etc/passwd", "sub/../../secret.png", "", "a\0.png"])
def test_a_path_that_leads_out_is_refused(folder, suffix, path):
    rows = [{"image": "a.png", "caption": "fine"}, {"image": path, "caption": "not"}]
    found = items(opened(write_table(folder / f"all{suffix}", rows)))
    assert found["a.png"].problem is None
    assert found[f"all{suffix}#2"].image is None
    assert "path is outside" in found[f"all{suffix}#2"].problem or "is not the path" in found[f"all{suffix}#2"].problem


GOOD = b'{"image": "a.png", "caption": "x"}\n'


@pytest.mark.parametrize(("name", "content", "row", "reason"), [
    ("t.jsonl", b'{"image": "a.png", "caption": "x"}\n{"image": \n', 2, "not JSON: Expecting value"),
    ("t.jsonl", b'{"image": "a.png", "caption": "x"}\n\n["a.png"]\n', 3, "not an object with image, caption"),
    ("t.jsonl", b'{"image": "a.png", "caption": "x"}\n{"image": "b.png"}\n', 2, "lacks caption"),
    ("t.jsonl", GOOD + b'{"image": "b.png", "caption": "\xff"}\n', 2, "not JSON: byte 31 is not UTF-8"),
    ("t.jsonl", GOOD + b'{"n": ' + b"9" * 5000 + b"}\n", 2, "not JSON: a number has too many digits"),
    ("t.jsonl", GOOD + b'{"image": "b.png", "caption" "x"}\n', 2, "not JSON: Expecting ':' delimiter at column 30$"),
    ("t.jsonl", GOOD + b'{"image": {"url": "b.png", "w": 3}, "caption": "x"}\n', 2, "has the fields url, w; expec"),
    ("t.jsonl", b'{"image": "b.png"}\n{"image": "a.png", "caption": "x"}\n', 1, "lacks caption"),
    ("t.csv", b"image,caption\na.png,x\nhttp://x/y.jpg,y\n", 2, "image is a URL: 'http"),
    ("t.jsonl", b'{"image": "a.png", "caption": "x"}\n{"image": null, "caption": "x"}\n', 2, "not the path .*: None"),
    ("t.csv", b"image,caption\na.png,x\nb.png,too,many\n", 2, "3 cells, expected 2"),
])  # fmt: skip
def test_a_broken_row_costs_that_row(folder, name, content, row, reason):
    found = items(opened(write(folder / name, content)))
    assert found["a.png"].problem is None
    assert re.search(reason, found[f"{name}#{row}"].problem)


def test_bytes_that_are_no_utf8_reach_the_check_of_captions(folder):
    found = items(opened(write(folder / "t.csv", b"image,caption\na.png,caf\xe9\nsub/b.png,fine\n")))
    assert found["a.png"].captions == (b"caf\xe9",)
    broken = pa.array([b"caf\xe9", b"fine"]).view(pa.string())
    pq.write_table(pa.table({"image": ["a.png", "sub/b.png"], "caption": broken}), folder / "t.parquet")
    assert items(opened(folder / "t.parquet"))["a.png"].captions == (b"caf\xe9",)


def test_missing_images_and_rows_without_text_are_named(folder):
    rows = [{"image": "gone.png", "caption": "x"}, {"image": "a.png", "caption": []}]
    found = items(opened(write_table(folder / "t.jsonl", rows)))
    assert "No such file" in found["gone.png"].problem
    assert found["a.png"].problem == "no captions in its rows"


@pytest.mark.parametrize(("files", "path", "reason"), [
    ({"a.png": b""}, "", r"not a table or a folder of tables in one format; found .*a\.png; expected a \.jsonl"),
    ({"a.csv": b"image,caption\n", "b.jsonl": b""}, "", "not a table or a folder of tables in one format"),
    ({"all.parquet/part-0.parquet": b""}, "", r"all\.parquet is a folder, not a table; .*set data\.path to it"),
    ({"t.csv": b"file,text\nx,y\n"}, "t.csv", r"no column image, caption; found file, text; .*data\.image_column"),
    ({"t.jsonl": b'{"file": 1}\n'}, "t.jsonl", "no column image, caption; found file"),
    ({"t.csv": b""}, "t.csv", "no column image, caption; found none"),
    ({"t.parquet": b"PAR1 cut short"}, "t.parquet", "is not a complete Parquet"),
    ({"t.jsonl": b'{"image": "a"}\n{"image": "b", "text": 1}\n'}, "t.jsonl", "no column caption; found image, text"),
    ({"t.csv": b"image,caption,caption\na.png,x,y\n"}, "t.csv", "several columns have the name caption; rename"),
    ({"t.csv": b'image,"caption\na.png,x\n'}, "t.csv", "line 1, the header: a quote is opened but not closed"),
    ({"t.xlsx": b""}, "t.xlsx", "found t.xlsx"),
])  # fmt: skip
def test_a_wrong_table_shows_what_was_found_and_expected(tmp_path, files, path, reason):
    for name, content in files.items():
        write(tmp_path / name, content)
    with pytest.raises(ValueError, match=reason):
        opened(tmp_path / path).entries()


def test_the_signature_moves_with_the_table_and_the_images(folder):
    table = write_table(folder / "t.csv", ROWS)
    before = opened(table).signature()
    assert opened(table).signature() == before
    write(folder / "a.png", picture(1) + b" ")
    assert opened(table).signature() != before


def test_a_url_is_read_through_fsspec():
    home = upath.UPath("memory://bucket/data")
    home.mkdir(parents=True, exist_ok=True)
    (home / "a.png").write_bytes(picture(1))
    (home / "all.csv").write_text("image,caption\na.png,a bird\n../secret.png,no\n")
    found = items(opened("memory://bucket/data/all.csv"))
    assert found["a.png"].image == picture(1)
    assert found["a.png"].captions == ("a bird",)
    assert "is outside" in found["all.csv#2"].problem


@pytest.mark.parametrize("name", ["http://x/y.jpg", "http:/x/y.jpg", "data:image/png;base64,AAAA"])
def test_an_image_of_another_protocol_costs_its_row_at_a_url_too(folder, name):
    write(folder / "t.jsonl", "".join(json.dumps({"image": n, "caption": "x"}) + "\n" for n in ("a.png", name)))
    found = items(opened(f"file://{folder}/t.jsonl"))
    assert found.pop("a.png").problem is None
    ((_, refused),) = found.items()
    assert refused.problem
    assert refused.captions == ("x",)


def test_a_url_for_a_source_of_local_folders_is_refused():
    with pytest.raises(ValueError, match="reads only local folders"):
        DataConfig(source="folder", path="memory://bucket/data")

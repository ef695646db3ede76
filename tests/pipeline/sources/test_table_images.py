"""Parquet tables that hold the images themselves, {bytes, path} each, as Hugging Face's data sets do."""

import hashlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import upath
from helpers.datasets import picture, write

from hspcgan.pipeline.sources.config import DataConfig, open_source
from hspcgan.pipeline.stages.ingest_items import check_items

KIND = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
"""How `datasets` stores its feature Image()."""


def table(path, rows, group=2):
    """A table of ({bytes, path}, captions) rows in row groups of two."""
    path.parent.mkdir(parents=True, exist_ok=True)
    images, captions = pa.array([image for image, _ in rows], KIND), pa.array([captions for _, captions in rows])
    pq.write_table(pa.table({"image": images, "caption": captions}), path, row_group_size=group)
    return path


def opened(path, **options):
    return open_source(DataConfig(source="table", path=path, image_size=16, test_fraction=0, **options))


def inside(seed, path=None):
    return {"bytes": picture(seed), "path": path}


def key(seed):
    return hashlib.sha256(picture(seed)).hexdigest()


def test_images_in_the_table_are_read_and_equal_ones_joined(tmp_path):
    write(tmp_path / "b.png", picture(9))
    rows = [(inside(seed, "same.png"), [f"caption {seed}"]) for seed in (3, 1, 4, 1, 5)]
    rows.insert(2, ({"bytes": None, "path": "b.png"}, ["by path"]))
    source = opened(table(tmp_path / "all.parquet", rows))
    items = [source.read(entry) for entry in source.entries()]
    assert {item.entry.key: (item.image, item.captions, item.problem) for item in items} == {
        key(3): (picture(3), (b"caption 3",), None),
        key(1): (picture(1), (b"caption 1", b"caption 1"), None),
        key(4): (picture(4), (b"caption 4",), None),
        key(5): (picture(5), (b"caption 5",), None),
        "b": (picture(9), (b"by path",), None),
    }
    assert [item.entry.where for item in items] == [*(f"all.parquet#{row}" for row in (1, 2, 4, 6)), "b.png"]
    assert [source.read(item.entry).image for item in reversed(items)] == [item.image for item in reversed(items)]


def test_what_cannot_be_used_is_refused_row_by_row_and_in_few_words(tmp_path):
    huge = {"bytes": b"\x00\xff" * 50_000, "path": None}
    rows = [(inside(1), ["fine"]), (huge, ["no image"]), ({"bytes": None, "path": None}, ["nothing"]), (None, ["none"]),
            ({"bytes": None, "path": "x" * 5000 + "\0"}, ["long"]), (inside(2), [])]  # fmt: skip
    source = opened(table(tmp_path / "all.parquet", rows))
    checked = check_items(16, [source.read(entry) for entry in source.entries()])
    assert [row["text"] for row in checked.captions] == ["fine"]
    why = {row["where"]: row["why"] for row in checked.rejects if row["what"] == "image"}
    assert sorted(why) == [f"all.parquet#{row}" for row in (2, 3, 4, 5, 6)]
    assert "not a supported image format" in why["all.parquet#2"]
    assert why["all.parquet#3"] == why["all.parquet#4"] == "image is not the path of an image: None"
    assert why["all.parquet#5"] == f"image is not the path of an image: '{'x' * 59} … (5,001 characters)"
    assert why["all.parquet#6"] == "no captions in its rows"
    assert checked.rows_in == 6 + 5


def test_images_that_are_texts_are_refused_row_by_row(tmp_path):
    images = pa.array([{"bytes": "iVBORw0KGgo=", "path": "a.png"}])
    pq.write_table(pa.table({"image": images, "caption": ["a bird"]}), tmp_path / "all.parquet")
    source = opened(tmp_path / "all.parquet")
    checked = check_items(16, [source.read(entry) for entry in source.entries()])
    assert not checked.captions
    assert "not a supported image format" in checked.rejects[0]["why"]


@pytest.mark.parametrize(
    "kind", [pa.binary(), pa.large_binary(), pa.binary_view(), pa.dictionary(pa.int8(), pa.binary())]
)
def test_plain_binary_cells_are_images(tmp_path, kind):
    cells = pa.array([picture(1), None, picture(2)], kind)
    pq.write_table(pa.table({"image": cells, "caption": ["a bird", "none", "a cat"]}), tmp_path / "all.parquet")
    source = opened(tmp_path / "all.parquet")
    first, second, without_image = map(source.read, source.entries())
    assert (first.image, second.image) == (picture(1), picture(2))
    assert without_image.problem is not None


def test_binary_cells_of_a_fixed_size_are_images(tmp_path):
    size = max(len(picture(seed)) for seed in (1, 2))
    images = [picture(seed).ljust(size, b"\0") for seed in (1, 2)]
    cells = pa.array([images[0], None, images[1]], pa.binary(size))
    pq.write_table(pa.table({"image": cells, "caption": ["a bird", "none", "a cat"]}), tmp_path / "all.parquet")
    source = opened(tmp_path / "all.parquet")
    items = [source.read(entry) for entry in source.entries()]
    assert [item.image for item in items] == [*images, None]
    assert [row["text"] for row in check_items(16, items).captions] == ["a bird", "a cat"]


COLUMNS = {
    "strings": lambda texts: texts,
    "large strings": lambda texts: texts.cast(pa.large_string()),
    "lists": lambda texts: pa.ListArray.from_arrays([0, 1, 2], texts),
    "large lists": lambda texts: pa.LargeListArray.from_arrays([0, 1, 2], texts),
    "lists of one": lambda texts: pa.FixedSizeListArray.from_arrays(texts, 1),
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_caption_that_is_not_utf_8_costs_itself_in_every_kind_of_column(tmp_path, kind):
    texts = pa.array([b"a bird", b"caf\xe9"], pa.binary()).view(pa.string())
    images = pa.array([picture(1), picture(2)], pa.binary())
    pq.write_table(pa.table({"image": images, "caption": COLUMNS[kind](texts)}), tmp_path / "all.parquet")
    source = opened(tmp_path / "all.parquet")
    checked = check_items(16, [source.read(entry) for entry in source.entries()])
    assert [row["text"] for row in checked.captions] == ["a bird"]
    assert [row["why"] for row in checked.rejects] == [
        "not UTF-8: unexpected end of data at byte 3",
        "all captions of the image were rejected",
    ]


def test_a_row_with_an_image_of_the_other_split_is_rejected(tmp_path):
    for name in ("test", "train"):
        table(tmp_path / f"{name}.parquet", [(inside(1), ["x"])])
    kept, other = map(opened(tmp_path).read, opened(tmp_path).entries())
    assert (kept.entry.where, kept.entry.split, kept.problem, kept.captions) == (
        "test.parquet#1",
        "test",
        None,
        (b"x",),
    )
    assert (other.entry.where, other.captions) == ("train.parquet#1", (b"x",))
    assert other.problem == "in two splits: image test.parquet#1 is already in the test split"


def test_the_parts_of_a_split_are_known_by_its_name(tmp_path):
    parts = ["test-00000-of-00001", "train-00000-of-00002", "train-00001-of-00002", "validation-00000-of-00001"]
    for seed, part in enumerate([*parts, "latest-00000-of-00001"]):
        table(tmp_path / f"{part}.parquet", [(inside(seed), ["x"])])
    test = [entry.where for entry in opened(tmp_path).entries() if entry.split == "test"]
    assert test == ["test-00000-of-00001.parquet#1", "validation-00000-of-00001.parquet#1"]


def test_the_signature_moves_with_an_image_in_the_table(tmp_path):
    before = opened(table(tmp_path / "t.parquet", [(inside(1), ["x"])])).signature()
    assert opened(table(tmp_path / "t.parquet", [(inside(1), ["x"])])).signature() == before
    assert opened(table(tmp_path / "t.parquet", [(inside(2), ["x"])])).signature() != before


def test_a_table_that_was_cut_meanwhile_costs_its_rows(tmp_path):
    source = opened(table(tmp_path / "t.parquet", [(inside(seed), ["x"]) for seed in range(4)]))
    last = source.entries()[-1]
    table(tmp_path / "t.parquet", [(inside(1), ["x"])])
    assert source.read(last).problem == "cannot be read: t.parquet ends before row 4"
    write(tmp_path / "t.parquet", b"PAR1")
    assert source.read(last).problem.startswith("cannot be read: t.parquet is not a complete Parquet")


def test_images_in_a_table_at_a_url_are_read(tmp_path):
    home = upath.UPath("memory://bucket/images")
    home.mkdir(parents=True, exist_ok=True)
    (home / "t.parquet").write_bytes(table(tmp_path / "t.parquet", [(inside(7), ["x"])]).read_bytes())
    source = opened("memory://bucket/images/t.parquet")
    assert [source.read(entry).image for entry in source.entries()] == [picture(7)]

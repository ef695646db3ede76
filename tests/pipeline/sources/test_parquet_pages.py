"""Pages of Parquet files: their sizes as computed by hand, and images that are read a few rows at a time."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.datasets import picture

from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.sources.readers import parquet_rows
from hspcgan.pipeline.sources.readers.parquet_pages import page_sizes
from hspcgan.pipeline.sources.readers.parquet_rows import ImageRows


def largest(data: bytes) -> int:
    file = pq.ParquetFile(io.BytesIO(data))
    return max(page_sizes(io.BytesIO(data), file.metadata.row_group(0).column(0)))


def written(cells: pa.Array, **options) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"image": cells}), buffer, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "options",
    [{"compression": "none"}, {"compression": "zstd"}, {"data_page_version": "2.0"}, {"write_statistics": False}],
)
def test_a_page_is_as_large_as_its_cells(options):
    """Plain cells: 4 bytes for the length, then the bytes. `nullable=False` leaves no levels."""
    cells = pa.array([bytes(n) for n in (1000, 70_000, 5)])
    schema = pa.schema([pa.field("image", pa.binary(), nullable=False)])
    buffer = io.BytesIO()
    pq.write_table(pa.table([cells], schema), buffer, use_dictionary=False, **options)
    assert largest(buffer.getvalue()) == 3 * 4 + 71_005


def test_the_largest_of_many_pages_is_found():
    sizes = [10, 20, 3000, 40]
    data = written(pa.array([bytes([n]) * size for n, size in enumerate(sizes)]), use_dictionary=False,
                   data_page_size=1, write_batch_size=1)  # fmt: skip
    assert 3000 < largest(data) < 3100  # with the levels


def test_a_dictionary_is_a_page():
    assert largest(written(pa.array(["x" * 9000] * 50))) == 9004


def test_damaged_headers_are_an_error_of_pyarrow_or_give_a_number():
    data = written(pa.array([b"a", b"b" * 500, None]), compression="none")
    chunk = pq.ParquetFile(io.BytesIO(data)).metadata.row_group(0).column(0)
    rng, errors = np.random.default_rng(1), 0
    for _ in range(300):
        broken = bytearray(data)
        broken[rng.integers(4, 40)] = rng.integers(0, 256)
        try:
            assert min(page_sizes(io.BytesIO(bytes(broken)), chunk)) >= 0
        except pa.ArrowInvalid:
            errors += 1
    assert errors > 50


def test_images_are_read_in_small_batches_across_row_groups(tmp_path, monkeypatch):
    images = [picture(seed) for seed in range(7)]
    pq.write_table(pa.table({"image": images}), tmp_path / "t.parquet", row_group_size=3)
    for size in (1, 2**27):
        monkeypatch.setattr(parquet_rows, "MAX_BATCH", size)
        rows = ImageRows(tmp_path / "t.parquet", "image", 2)
        assert [rows.image(number) for number in (2, 3, 6, 7)] == [images[n] for n in (1, 2, 5, 6)]
        assert rows.reaches(tmp_path / "t.parquet", 7)
        assert rows.reaches(tmp_path / "t.parquet", 1) == (size > 1)  # all rows were read together
        assert not rows.reaches(tmp_path / "u.parquet", 7)
        with pytest.raises(UserError, match="ends before row 8"):
            rows.image(8)


def test_a_long_value_that_rows_share_is_in_memory_a_few_times(tmp_path, monkeypatch):
    pq.write_table(pa.table({"image": [b"i"] * 64, "caption": ["x" * 5000] * 64}), tmp_path / "t.parquet")
    monkeypatch.setattr(parquet_rows, "MAX_BATCH", 50_000)
    with open(tmp_path / "t.parquet", "rb") as stream, pq.ParquetFile(stream) as file:
        batches = list(parquet_rows._batches(tmp_path / "t.parquet", stream, file, ["image", "caption"], [0]))
    assert 5 <= max(map(len, batches)) <= 10
    assert sum(map(len, batches)) == 64


@pytest.mark.parametrize("kind", [pa.string(), pa.dictionary(pa.int32(), pa.string())])
def test_a_long_text_of_many_rows_is_read_a_few_rows_at_a_time(tmp_path, monkeypatch, kind):
    texts = pa.array(["x" * 9000] * 50, pa.string()).cast(kind)
    pq.write_table(pa.table({"image": texts, "caption": texts}), tmp_path / "t.parquet")
    monkeypatch.setattr(parquet_rows, "MAX_BATCH", 20_000)
    lengths, column = [], parquet_rows._column
    monkeypatch.setattr(
        parquet_rows, "_column", lambda cells, *rest: lengths.append(len(cells)) or column(cells, *rest)
    )
    rows = list(parquet_rows.parquet_rows(tmp_path / "t.parquet", ["image", "caption"]))
    assert [number for number, _ in rows] == list(range(1, 51))
    assert all(row == {"image": b"x" * 9000, "caption": b"x" * 9000} for _, row in rows)
    assert max(lengths) <= 2


def test_small_row_groups_are_read_together(tmp_path, monkeypatch):
    names = [f"{n}.png" for n in range(60)]
    pq.write_table(pa.table({"image": names, "caption": names}), tmp_path / "t.parquet", row_group_size=1)
    read, together = parquet_rows._read, []
    monkeypatch.setattr(parquet_rows, "_read", lambda *given: together.append(len(given[2])) or read(*given))
    found = [row for _, row in parquet_rows.parquet_rows(tmp_path / "t.parquet", ["image", "caption"])]
    assert [row["image"].decode() for row in found] == names
    assert together == [60]

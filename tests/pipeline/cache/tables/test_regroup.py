"""Tests of regrouping tables, and of the row groups of captions.parquet."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hspcgan.pipeline.cache.partial import assemble
from hspcgan.pipeline.cache.tables.regroup import regroup


@pytest.mark.parametrize("sizes", [[], [0], [3], [2, 0, 1], [1] * 10, [10], [4, 5, 1]])
@pytest.mark.parametrize("rows", [1, 3, 10, 11])
def test_the_rows_stay_in_order_in_tables_of_equal_size(sizes, rows):
    numbers = iter(range(100))
    tables = [pa.table({"n": pa.array([next(numbers) for _ in range(size)], pa.int64())}) for size in sizes]
    found = [table["n"].to_pylist() for table in regroup(tables, rows)]
    total = sum(sizes)
    assert found == [list(range(start, min(start + rows, total))) for start in range(0, total, rows)]


def test_row_groups_and_bytes_do_not_depend_on_the_tables_that_arrive(tmp_path):
    whole = pa.table({"text": [f"bird {number}" for number in range(5000)]})
    for name, size in (("a", 640), ("b", 7)):
        parts = (whole.slice(start, size) for start in range(0, 5000, size))
        assemble._write_parquet(tmp_path / name, whole.schema, regroup(parts, 2000))
    assert pq.ParquetFile(tmp_path / "a").metadata.num_row_groups == 3
    assert pq.read_table(tmp_path / "b").equals(whole)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()

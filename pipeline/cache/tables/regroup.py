"""Regroups a stream of tables, so that the row groups of a Parquet file do not depend on the sizes of these tables."""

from collections.abc import Iterable, Iterator

import pyarrow as pa


def regroup(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """Yields the rows of tables with equal columns as tables of exactly `rows` rows; the last table may be smaller."""
    held: list[pa.Table] = []
    for table in tables:
        held.append(table)
        if sum(map(len, held)) >= rows:
            whole = pa.concat_tables(held)
            full = len(whole) - len(whole) % rows
            yield from (whole.slice(start, rows) for start in range(0, full, rows))
            held = [whole.slice(full)]
    if sum(map(len, held)):
        yield pa.concat_tables(held)

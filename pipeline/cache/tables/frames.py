"""Converts the tables of a cache to pandas data frames, for notebooks."""

from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    import pandas as pd


def frame(table: pa.Table) -> "pd.DataFrame":
    """Converts a table to a data frame; keeps the row order: caption row i has the features `cache.sentence[i]`.

    Lists become Python lists and structs become dicts; integers stay integers.
    """
    nested = [name for name, column in zip(table.column_names, table.columns, strict=True) if _is_nested(column.type)]
    flat = table.drop_columns(nested).to_pandas()
    lists: dict[str, Any] = {name: table[name].to_pylist() for name in nested}
    return flat.assign(**lists)[table.column_names]


def _is_nested(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_struct(kind)

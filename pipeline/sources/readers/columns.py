"""A row of a table, and the check that a table has the columns named in the manifest."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hspcgan.model.common.errors import UserError

MAX_SHOWN = 500
"""Characters of the found columns in a message; the first line of a file that is not a table can be of any length."""
Row = dict[str, Any] | str
"""A row as a dictionary by column, or the reason why the row cannot be read."""
DELIMITERS = (",", ";", "\t", "|")


def require_columns(table: Path, there: list[str], columns: list[str]) -> None:
    """Raises UserError if a table with the columns `there` lacks one of `columns`, or has several with its name."""
    twice = sorted({name for name in columns if there.count(name) > 1})
    if twice:
        raise UserError(f"{table}: several columns have the name {', '.join(twice)}; rename all but one of each")
    missing = [name for name in columns if name not in there]
    if missing:
        fix = "set data.image_column, data.caption_columns and data.split_column to columns of the table"
        raise UserError(
            f"{table}: no column {', '.join(missing)}; found {', '.join(there)[:MAX_SHOWN] or 'none'}; "
            f"{delimiter_hint(there, columns) or fix}"
        )


def delimiter_hint(header: list[str], columns: Iterable[str]) -> str:
    """Returns what is wrong and how to convert the table if another character separates its columns, else ""."""
    for mark in DELIMITERS:
        if len(header) == 1 and set(columns) <= {cell.strip(' "') for cell in header[0].split(mark)}:
            return (
                f"the cells seem to be separated by {mark!r}, but hspcgan expects commas in .csv and tabs in .tsv; "
                f"convert the table with pandas: `read_csv(OLD, sep={mark!r}).to_csv(NEW, index=False)`"
            )
    return ""

"""Reads the Parquet tables of a cache: whole tables, some rows, blocks of rows, or pandas data frames."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.arrays.ragged import offsets_of
from hspcgan.pipeline.cache.cache_json import REBUILD_HINT, unreadable_error
from hspcgan.pipeline.cache.tables.digests import Places, digests
from hspcgan.pipeline.cache.tables.frames import frame

if TYPE_CHECKING:
    import pandas as pd


FILES = {
    schema.SAMPLES_FILE: schema.SAMPLES,
    schema.CAPTIONS_FILE: schema.CAPTIONS,
    schema.PHRASES_FILE: schema.PHRASES,
    schema.REJECTS_FILE: schema.REJECTS,
}
"""The tables with their columns."""
BLOCK = 2**14  # number of rows in memory at a time while single rows are read


class Tables:
    """The tables of the cache at `path`, read on first use."""

    path: Path
    info: dict[str, Any]
    checks = True  # check rows and ids when reading; False in `validate`, which lists all problems itself

    @cached_property
    def samples(self) -> pa.Table:
        return self._table(schema.SAMPLES_FILE, schema.SAMPLES)

    @cached_property
    def captions(self) -> pa.Table:
        return self._table(schema.CAPTIONS_FILE, schema.CAPTIONS)

    @cached_property
    def phrases(self) -> pa.Table:
        return self._table(schema.PHRASES_FILE, schema.PHRASES)

    @cached_property
    def rejects(self) -> pa.Table:
        return self._table(schema.REJECTS_FILE, schema.REJECTS)

    def captions_at(self, rows: Sequence[int] | np.ndarray, columns: Sequence[str] | None = None) -> pa.Table:
        """Returns rows of captions.parquet in the given order, all or some columns; reads only their row groups."""
        return self._rows_at(schema.CAPTIONS_FILE, rows, columns)

    def samples_at(self, rows: Sequence[int] | np.ndarray, columns: Sequence[str] | None = None) -> pa.Table:
        """Returns the given rows of samples.parquet, like `captions_at`."""
        return self._rows_at(schema.SAMPLES_FILE, rows, columns)

    def _rows_at(self, name: str, rows: Sequence[int] | np.ndarray, columns: Sequence[str] | None) -> pa.Table:
        wanted, places = np.unique(np.asarray(rows, dtype=np.int64), return_inverse=True)
        names = None if columns is None else list(columns)
        with self._opened(name, FILES[name]) as file:
            sizes = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
            starts = offsets_of(np.array(sizes, dtype=np.int64))
            group_of = np.searchsorted(starts, wanted, side="right") - 1
            groups = np.unique(group_of)
            first_read = offsets_of(np.diff(starts)[groups])  # of each group, among the rows that are read
            place = first_read[np.searchsorted(groups, group_of)] + wanted - starts[group_of]
            parts, done = [file.read_row_groups([], columns=names)], 0
            for batch in file.iter_batches(BLOCK, groups.tolist(), names):
                own = place[slice(*np.searchsorted(place, [done, done + len(batch)]))] - done
                parts.append(pa.Table.from_batches([batch]).take(own))
                done += len(batch)
            table = pa.concat_tables(parts)
            self._require_whole(name, table)
        return table.take(places)

    def _require_whole(self, name: str, table: pa.Table) -> None:
        """Raises an error if rows of a file have text that is not UTF-8, nulls, or ids of what does not exist."""
        table.validate(full=True)  # ArrowInvalid, for which `_opened` raises UserError
        if not self.checks:
            return
        problem = f"nulls in {', '.join(nulls)}" if (nulls := schema.null_columns(table)) else self._id_problem(table)
        if problem:
            raise UserError(f"{self.path / name} is damaged: {problem}; {REBUILD_HINT}")

    def _id_problem(self, table: pa.Table) -> str:
        """Returns which concepts of captions have a phrase or an entity that does not exist; "" if there are none."""
        known = self.info["counts"]["phrases"]
        for column in (name for name in schema.COLUMNS.values() if name in table.column_names):
            found = table[column].combine_chunks()
            items = found.flatten()
            ids = items.field("phrase")
            if len(ids) and not 0 <= pc.min(ids).as_py() <= pc.max(ids).as_py() < known:
                return f"column {column} has phrase ids up to {pc.max(ids).as_py():,}, but there are {known:,} phrases"
            if "entities" in table.column_names:
                entities = pc.list_value_length(table["entities"]).combine_chunks().take(pc.list_parent_indices(found))
                for edge in {"entity", "subject", "object"} & {field.name for field in items.type}:
                    ends = items.field(edge)  # compared with arrays only, since for a number pyarrow imports pandas
                    if len(ends) and (pc.min(ends).as_py() < -1 or not pc.all(pc.less(ends, entities)).as_py()):
                        return f"column {column}: {edge} refers to an entity that does not exist"
        return ""

    def pictures_in_train(self) -> dict[str, tuple[int, int]]:
        """Returns {split: (number of its images that are also in train, number of its images)}, compared by sha256.

        Only splits with images of train are included.
        """
        trained = Places(map(digests, self._pictures("train")))
        found = {}
        for split in schema.SPLITS[1:]:
            held = [trained.find(own) >= 0 for own in self._pictures(split)]
            if twice := int(sum(map(np.sum, held))):
                found[split] = (twice, sum(map(len, held)))
        return found

    def _pictures(self, split: str) -> Iterator[pa.ChunkedArray]:
        """Yields the sha256 of a split's image files, in blocks."""
        for block in self.blocks(schema.SAMPLES_FILE, ["split", "sha256"]):
            yield block.filter(pc.equal(block["split"], split))["sha256"]

    def samples_frame(self) -> "pd.DataFrame":
        """Returns samples.parquet as a pandas data frame: key, split, path, size, box and sha256 of each image."""
        return frame(self.samples)

    def captions_frame(self) -> "pd.DataFrame":
        """Returns captions.parquet as a pandas data frame: ids, text, entities, attributes, relations, scene graphs."""
        return frame(self.captions)

    def phrases_frame(self) -> "pd.DataFrame":
        """Returns phrases.parquet as a pandas data frame: kind, text, prompt and count of each unique phrase."""
        return frame(self.phrases)

    def rejects_frame(self) -> "pd.DataFrame":
        """Returns rejects.parquet as a pandas data frame with the columns `stage`, `where`, `what` and `why`."""
        return frame(self.rejects)

    def sample_shards(self) -> list[int]:
        """Returns the sample count of each non-empty ingest shard; batches of the taps stage do not cross shards."""
        with self._opened(schema.SAMPLES_FILE, schema.SAMPLES) as file:
            groups = file.metadata
            return [groups.row_group(number).num_rows for number in range(groups.num_row_groups)]

    def column(self, name: str, column: str) -> pa.ChunkedArray:
        """Returns one column of a Parquet file of the cache."""
        with self._opened(name, FILES[name]) as file:
            table = file.read(columns=[column])
            self._require_whole(name, table)
        return table[column]

    def blocks(self, name: str, columns: Sequence[str] | None = None, rows: int = BLOCK) -> Iterator[pa.Table]:
        """Yields the rows of a Parquet file in blocks of at most `rows`; raises UserError if the file is damaged."""
        with self._opened(name, FILES[name]) as file:
            for batch in file.iter_batches(rows, columns=None if columns is None else list(columns)):
                table = pa.Table.from_batches([batch])
                self._require_whole(name, table)
                yield table

    def _table(self, name: str, columns: pa.Schema) -> pa.Table:
        with self._opened(name, columns) as file:
            table = file.read()
            self._require_whole(name, table)
        return table

    @contextmanager
    def _opened(self, name: str, columns: pa.Schema) -> Iterator[pq.ParquetFile]:
        """Opens a Parquet file; raises UserError if it has other columns, or if a read in the `with` block fails."""
        try:
            file = pq.ParquetFile(self.path / name)  # pq.read_table would import pandas
            if not file.schema_arrow.equals(columns):
                found = _differing_columns(file.schema_arrow, columns)
                raise UserError(f"{self.path / name} has columns {found}; {REBUILD_HINT}")
            wanted = self.info["counts"].get(name.removesuffix(".parquet"))
            if self.checks and wanted not in (None, file.metadata.num_rows):
                raise UserError(
                    f"{self.path / name} is damaged: {file.metadata.num_rows:,} rows, expected "
                    f"{wanted:,}; {REBUILD_HINT}"
                )
            yield file
        except (pa.ArrowException, OSError) as error:
            raise unreadable_error(self.path / name, error) from error


def _differing_columns(found: pa.Schema, wanted: pa.Schema) -> str:
    """Returns the found and the expected columns for a message: names or, if only types differ, those columns."""
    if found.names != wanted.names:
        return f"{found.names}, expected {wanted.names}"
    wrong = [column.name for column in wanted if not found.field(column.name).equals(column)]
    got, expected = ([f"{name}: {side.field(name).type}" for name in wrong] for side in (found, wanted))
    return f"{got}, expected {expected}"

"""Reads a finished cache: Parquet tables, HDF5 datasets mapped into memory; safe to pickle and to open in workers."""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hspcgan.model.errors import UserError
from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.caption_features import CaptionFeatures, Ragged
from hspcgan.pipeline.cache.frames import frame
from hspcgan.pipeline.cache.index import ITEM_FIELDS, offsets_of
from hspcgan.pipeline.cache.info import REBUILD_HINT, read_info, work_folder
from hspcgan.pipeline.cache.mapped import mapped

if TYPE_CHECKING:
    import pandas as pd

COPY = "give a local folder, and copy a finished cache there or from there with `hspcgan copy SOURCE TARGET`"
URL = re.compile(r"[A-Za-z][\w+.-]+:/")  # one slash: as a Path, a URL has lost the other


class Cache:
    """A finished cache. Files are opened on first use; pickling an object takes only its path and cache.json.

    UserError when there is no cache or an unfinished one, when cache.json is damaged or of another format version, and
    when a file is missing or of another size. A damaged table raises UserError on first use. Checksums are not compared
    here; `validate` does that.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if not (self.path / schema.INFO).is_file():
            if URL.match(str(path)):
                raise UserError(f"{path} is a URL, and a cache is mapped into memory: {COPY}")
            if work_folder(self.path).exists():
                raise UserError(
                    f"{self.path} is not finished; run `hspcgan prepare MANIFEST` again, it resumes, or `hspcgan copy`"
                )
            raise UserError(f"no cache in {self.path} ({schema.INFO}); make one with `hspcgan prepare MANIFEST`")
        self.info: dict[str, Any] = read_info(self.path / schema.INFO)
        names = schema.contents_of(self.info)
        missing = [name for name in names if not (self.path / name).is_file()]
        if missing:
            raise UserError(f"{self.path} lacks {', '.join(missing)}; {REBUILD_HINT}")
        for name in names:  # now, and not in the middle of a training run
            got, size = (self.path / name).stat().st_size, self.info["files"][name]["size"]
            if got != size:
                raise UserError(
                    f"{self.path / name} is truncated or damaged: {got:,} bytes, expected {size:,}; {REBUILD_HINT}"
                )
        last = {
            schema.FEATURES_FILE: "caption/tokens",
            schema.IMAGES_FILE: "image",
            schema.INDEX_FILE: "relation/object",
            schema.TAPS_FILE: "taps",
        }
        for name in last.keys() & set(names):
            self._map(name, last[name])

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "info": self.info}

    def check(self) -> None:
        """Reads the tables and maps the arrays; UserError, with the fix, for a damaged or truncated file."""
        for name in ("samples", "captions", "phrases", "rejects"):
            getattr(self, name)
        for name in ("images", "phrase_text", "sentence", "token_rows", "offsets"):
            getattr(self, name)

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
        """These rows of captions.parquet in this order, all columns or some; only their row groups are read."""
        return self._rows_at(schema.CAPTIONS_FILE, rows, columns)

    def samples_at(self, rows: Sequence[int] | np.ndarray, columns: Sequence[str] | None = None) -> pa.Table:
        """These rows of samples.parquet, like `captions_at`."""
        return self._rows_at(schema.SAMPLES_FILE, rows, columns)

    def _rows_at(self, name: str, rows: Sequence[int] | np.ndarray, columns: Sequence[str] | None) -> pa.Table:
        file, wanted = pq.ParquetFile(self.path / name), np.asarray(rows, dtype=np.int64)
        sizes = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
        starts = offsets_of(np.array(sizes, dtype=np.int64))
        groups = np.unique(np.searchsorted(starts, wanted, side="right") - 1)
        held = np.concatenate([np.arange(starts[group], starts[group + 1]) for group in groups] or [wanted])
        table = file.read_row_groups(groups.tolist(), columns=None if columns is None else list(columns))
        return table.take(np.searchsorted(held, wanted))

    def samples_frame(self) -> "pd.DataFrame":
        """samples.parquet as a pandas frame: key, split, path, width, height, box, sha256 of each image."""
        return frame(self.samples)

    def captions_frame(self) -> "pd.DataFrame":
        """captions.parquet as a pandas frame: ids and text, entities, attributes, relations and the scene graph."""
        return frame(self.captions)

    def phrases_frame(self) -> "pd.DataFrame":
        """phrases.parquet as a pandas frame: kind, text, prompt and count of each unique phrase."""
        return frame(self.phrases)

    def rejects_frame(self) -> "pd.DataFrame":
        """rejects.parquet as a pandas frame: stage, where, what and why of each refused row."""
        return frame(self.rejects)

    def sample_shards(self) -> list[int]:
        """Samples from each shard of ingest that has any: batches of the taps stage do not cross shards."""
        groups = pq.ParquetFile(self.path / schema.SAMPLES_FILE).metadata
        return [groups.row_group(number).num_rows for number in range(groups.num_row_groups)]

    @cached_property
    def images(self) -> np.ndarray:
        """uint8 [S, 3, H, W], RGB."""
        return self._map(schema.IMAGES_FILE, "image")

    @cached_property
    def taps(self) -> np.ndarray:
        """float16 [S, V, T, D, g, g], CLIP's patch features of each image's views; only after `require_taps`."""
        return self._map(schema.TAPS_FILE, "taps")

    @cached_property
    def phrase_text(self) -> np.ndarray:
        """float16 [P, d], raw features of the phrases' prompts."""
        return self._map(schema.FEATURES_FILE, "phrase/text")

    @cached_property
    def sentence(self) -> np.ndarray:
        """float16 [C, d], raw sentence features."""
        return self._map(schema.FEATURES_FILE, "caption/sentence")

    @cached_property
    def offsets(self) -> np.ndarray:
        """int64 [C + 1]: caption row i has token rows offsets[i] … offsets[i + 1] − 1."""
        return self._map(schema.FEATURES_FILE, "caption/offsets")

    @cached_property
    def token_rows(self) -> np.ndarray:
        """float16 [ΣT, d], token features of all captions."""
        return self._map(schema.FEATURES_FILE, "caption/tokens")

    @cached_property
    def texts(self) -> CaptionFeatures:
        """The captions' features and concepts, from which `collate` builds batches."""
        return CaptionFeatures(self.concepts, self.phrase_text, self.sentence, self.token_rows, self.offsets)

    @cached_property
    def concepts(self) -> dict[str, Ragged]:
        """Phrase ids and edges of each caption by kind, int32."""
        return {
            kind: Ragged(self._index(f"{kind}/offsets"), {name: self._index(f"{kind}/{name}") for name in fields})
            for kind, fields in ITEM_FIELDS.items()
        }

    def tokens(self, row: int) -> np.ndarray:
        """Token features of a caption row, float16 [T, d]."""
        return self.token_rows[self.offsets[row] : self.offsets[row + 1]]

    @cached_property
    def sample_captions(self) -> np.ndarray:
        """int64 [S + 1]: sample row i has caption rows sample_captions[i] … sample_captions[i + 1] − 1."""
        return self._index("sample/captions")

    @cached_property
    def caption_sample(self) -> np.ndarray:
        """Caption row → sample row, int32 [C]."""
        return self._index("caption/sample")

    @cached_property
    def caption_text(self) -> np.ndarray:
        """Caption row → number of its text, int32 [C]; equal for equal texts."""
        return self._index("caption/text")

    def captions_of(self, sample_row: int) -> range:
        """Caption rows of a sample; they are consecutive."""
        return range(int(self.sample_captions[sample_row]), int(self.sample_captions[sample_row + 1]))

    def split_rows(self, split: str) -> np.ndarray:
        """Sample rows of a split, int64; none for a split that the format does not know."""
        known = {name: number for number, name in enumerate(schema.SPLITS)}
        return np.flatnonzero(self._index("sample/split") == known.get(split, len(known)))

    @cached_property
    def phrase_mean(self) -> dict[str, np.ndarray]:
        """Mean raw feature of the unique phrases of each kind, float32 [d]; zeros for a kind without phrases."""
        return dict(zip(schema.KINDS, self._index("phrase/mean"), strict=True))

    def _index(self, dataset: str) -> np.ndarray:
        return self._map(schema.INDEX_FILE, dataset)

    def require_clip(self, sha256: str) -> None:
        """UserError when the features were encoded by a CLIP with other weights."""
        own = self.info["clip"]
        if own["sha256"] != sha256:
            raise UserError(
                f"{self.path} was encoded by CLIP {own['name']} (sha256 {own['sha256']}), but the CLIP in use has "
                f"sha256 {sha256}; set encode.clip to the cache's, or {REBUILD_HINT}"
            )

    def require_texts(self, texts: Mapping[str, Any], owner: str) -> None:
        """UserError when the cache has another annotator or other templates than `owner`, a name for the message.

        `texts`: {"parse": {"annotator"}, "templates": {kind: template}}; a missing key is not compared.
        """
        parse, templates = texts.get("parse") or {}, texts.get("templates") or {}
        if not isinstance(templates, Mapping):
            raise UserError(
                f"encode.templates of {owner} is {templates!r}, expected a template for each kind of phrase"
            )
        pairs = [("parse.annotator", self.info["parser"].get("annotator"), parse.get("annotator"))]
        pairs += [
            (f"encode.templates.{kind}", own, templates.get(kind)) for kind, own in self.info["templates"].items()
        ]
        differing = [f"{key} {own!r}, {owner} with {wanted!r}" for key, own, wanted in pairs
                     if None not in (own, wanted) and own != wanted]  # fmt: skip
        if differing:
            raise UserError(f"{self.path} was made with {'; '.join(differing)}; use the cache's, or {REBUILD_HINT}")

    def require_taps(self, blocks: Sequence[int]) -> None:
        """UserError when the cache holds no CLIP features of views, or features after other blocks."""
        own = self.info.get("taps")
        if own is None:
            raise UserError(
                f"{self.path} has no {schema.TAPS_FILE}, the CLIP features that train.cache_taps: disk reads; set "
                f"taps.views, such as [whole, whole-flipped], and run `hspcgan prepare MANIFEST`, which adds them; or "
                "set train.cache_taps: true or false"
            )
        if own["blocks"] != list(blocks):
            raise UserError(
                f"{self.path / schema.TAPS_FILE} has features of CLIP's blocks {own['blocks']}, but the model reads "
                f"{list(blocks)}; set model.taps so, or taps.blocks to model.taps and {REBUILD_HINT}"
            )

    def _table(self, name: str, columns: pa.Schema) -> pa.Table:
        try:
            table = pq.ParquetFile(self.path / name).read()  # pq.read_table would import pandas
        except (pa.ArrowException, OSError) as error:
            raise UserError(f"{self.path / name} is damaged ({error}); {REBUILD_HINT}") from error
        if not table.schema.equals(columns):
            raise UserError(
                f"{self.path / name} has columns {table.schema.names}, expected {columns.names}; {REBUILD_HINT}"
            )
        return table

    def _map(self, name: str, dataset: str) -> np.ndarray:
        return mapped(self.path / name, dataset)

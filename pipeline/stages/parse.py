"""Parses each unique caption once with the concept parser; repeated captions reuse the first result."""

import functools
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.partial.partial_cache import PartialCache
from hspcgan.pipeline.cache.partial.reader import ShardStore
from hspcgan.pipeline.concepts import Parser
from hspcgan.pipeline.concepts.annotate.fingerprint_inputs import rules_code
from hspcgan.pipeline.concepts.concept_types import Concepts
from hspcgan.pipeline.concepts.config import ParseConfig
from hspcgan.pipeline.stages.executors import Mapper
from hspcgan.pipeline.stages.run_stage import Job, Shard, Stage

MOST_TABLES = 32  # shards whose results stay in memory for later shards with equal captions


class _Plan:
    """Assigns each unique caption to the first shard that contains it, which parses it; uses 4 bytes per caption."""

    def __init__(self, partial: PartialCache) -> None:
        self.starts, self.first = partial.first_captions()

    def first_occurrences(self, shard: int) -> np.ndarray:
        """Returns, for each caption of a shard, the row of its first occurrence, counted over all shards, int32."""
        return self.first[self.starts[shard] : self.starts[shard + 1]]

    def rows_to_parse(self, shard: int) -> np.ndarray:
        """Returns the rows, within a shard, of the captions that are parsed in this shard, int64."""
        return np.flatnonzero(self.first_occurrences(shard) == np.arange(self.starts[shard], self.starts[shard + 1]))

    def part(self, shard: int) -> "_Part":
        """Returns the rows that a shard parses, and for each caption the shard and row that contain the result."""
        home = self.first_occurrences(shard)
        shards = np.searchsorted(self.starts, home, side="right") - 1
        return _Part(
            shard, self.rows_to_parse(shard), shards.astype(np.int32), (home - self.starts[shards]).astype(np.int32)
        )


def concept_row(concepts: Concepts) -> dict[str, Any]:
    """Returns a parsed caption as a row of schema.CONCEPTS, without its id."""
    return {
        "entities": [
            {"phrase": e.text, "head": e.head, "start": e.start, "end": e.end, "word": e.word, "type": e.type}
            for e in concepts.entities
        ],
        "attributes": [
            {"phrase": a.text, "text": a.text, "entity": a.entity, "word": a.word} for a in concepts.attributes
        ],
        "relations": [
            {"phrase": r.text, "text": r.text, "subject": r.subject, "object": r.object, "word": r.word}
            for r in concepts.relations
        ],
        "graph": json.dumps(concepts.graph, ensure_ascii=False, sort_keys=True),
    }


def _parse_texts(parser: Parser, texts: Sequence[str]) -> tuple[list[dict[str, Any]], Counter[str]]:
    """The mapper of the stage: returns a row of schema.CONCEPTS without its id for each caption, and summed `notes`."""
    notes: Counter[str] = Counter()
    rows = []
    for concepts in parser.parse(texts):
        rows.append(concept_row(concepts))
        notes.update(concepts.notes)
        notes["noun_chunk_fallback"] += concepts.empty
    return rows, notes


@functools.lru_cache(maxsize=1)
def _parser(config: ParseConfig) -> Parser:
    return Parser(config)


def make_mapper(config: ParseConfig) -> functools.partial:
    return functools.partial(_parse_texts, _parser(config))


@dataclass(frozen=True)
class _Part:
    """The rows that a shard parses, and for each of its captions the shard and row that contain the result."""

    index: int
    rows_to_parse: np.ndarray  # [n] int64, rows of this shard to parse
    shard: np.ndarray  # [c] int32, for each caption: the shard of the first equal caption
    row: np.ndarray  # [c] int32, and its row in that shard

    def earlier_shards(self) -> list[int]:
        """Returns the earlier shards from which this shard takes results."""
        return [int(shard) for shard in np.unique(self.shard) if shard != self.index]


@dataclass(frozen=True)
class _Captions:
    """Reads and writes the parse stage's shards; keeps the most recently read tables in memory."""

    store: ShardStore
    tables: dict[int, pa.Table] = field(default_factory=dict)

    def read(self, part: _Part) -> list[str]:
        texts = self.store.column_of("ingest", part.index, "captions", "text")
        return texts.take(pa.array(part.rows_to_parse)).to_pylist()

    def pack(self, part: _Part, parsed: tuple[list[dict[str, Any]], Counter[str]]) -> Shard:
        known = {(part.index, row): found for row, found in zip(part.rows_to_parse.tolist(), parsed[0], strict=True)}
        rows = []
        ids = self.store.column_of("ingest", part.index, "captions", "caption_id").to_pylist()
        for caption_id, place in zip(ids, zip(part.shard.tolist(), part.row.tolist(), strict=True), strict=True):
            if place not in known:
                known[place] = self._as_table(place[0]).slice(place[1], 1).to_pylist()[0]
            rows.append({**known[place], "caption_id": caption_id})
        table = pa.Table.from_pylist(rows, schema=schema.CONCEPTS)
        return Shard({"concepts": table}, stats={"notes": dict(parsed[1])})

    def _as_table(self, shard: int) -> pa.Table:
        if shard not in self.tables:
            if len(self.tables) == MOST_TABLES:
                self.tables.pop(next(iter(self.tables)))
            self.tables[shard] = self.store.read("parse", shard, only=["concepts"])[0]["concepts"]
        return self.tables[shard]


def job(make_mapper: Callable[[], Mapper], processes: int, partial: PartialCache) -> Job:
    """Returns the parse job of a cache; `make_mapper` creates the mapper from captions to rows and notes."""
    plan = _Plan(partial)
    captions = _Captions(ShardStore(partial.target.resolve()))
    return Job(
        sizes=[len(plan.rows_to_parse(index)) for index in range(len(plan.starts) - 1)],
        part=plan.part,
        read=captions.read,
        make_mapper=make_mapper,
        pack=captions.pack,
        processes=processes,
        before=_Part.earlier_shards,
    )


def stage(config: ParseConfig) -> Stage:
    """Returns the parse stage for a `parse` section; raises UserError if the model of the annotator is missing."""
    open_job = functools.partial(job, functools.partial(make_mapper, config), config.processes)
    settings = config.model_dump(mode="json", exclude={"processes", "model", "spacy_model"})  # models: see tools
    inputs = {"parse": settings, "tools": versions(config), "code": rules_code(config.annotator)}
    return Stage("parse", "captions", inputs, lambda: plan_line(config), open_job)


def plan_line(config: ParseConfig) -> str:
    """Returns a line for the user with the annotator, the model and the number of processes."""
    return f"{config.annotator} {config.model or '(default model)'}, processes {config.processes}"


def versions(config: ParseConfig) -> dict[str, str]:
    """Returns the versions of the tools and the hash of the model that a parse depends on."""
    return _parser(config).versions()


def notes(partial: PartialCache) -> dict[str, int]:
    """Returns the sums of `Concepts.notes` over unique captions, and the number of noun-chunk fallbacks."""
    total: Counter[str] = Counter()
    for stats in partial.stats("parse"):
        total.update(stats["notes"])
    return dict(sorted(total.items()))

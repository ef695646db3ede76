"""Checks the concepts in the tables of a cache: phrases, mentions, spans and scene graphs; for `validate`."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.tables.read import Tables


def phrase_problems(tables: Tables) -> Iterator[str]:
    """Yields problems in phrases.parquet: ids, kinds, order, duplicates, prompts that do not fit the templates."""
    phrases, templates = tables.phrases, tables.info["templates"]
    if not np.array_equal(phrases["phrase"].to_numpy(), np.arange(len(phrases))):
        yield "phrases.parquet: ids are not the row numbers"
    kinds = pc.index_in(phrases["kind"], pa.array(schema.KINDS))
    if kinds.null_count:
        yield f"phrases.parquet: unknown kinds {sorted(set(phrases['kind'].unique().to_pylist()) - set(schema.KINDS))}"
    elif (np.diff(kinds.to_numpy()) < 0).any():
        yield f"phrases.parquet: not sorted by kind, {', '.join(schema.KINDS)}"
    if phrases.group_by(["kind", "text"]).aggregate([]).num_rows != len(phrases):
        yield "phrases.parquet: phrases are not unique"
    for kind, template in templates.items():
        own = phrases.filter(pc.equal(phrases["kind"], kind))
        start, end = (pa.scalar(part) for part in template.split("{}"))
        wrong = own["prompt"].filter(
            pc.not_equal(own["prompt"], pc.binary_join_element_wise(start, own["text"], end, ""))
        )
        if len(wrong):
            yield f"phrases.parquet: prompts that do not follow the templates, such as {wrong[0].as_py()!r}"
            return


def concept_problems(tables: Tables) -> Iterator[str]:
    """Yields problems in the concept columns of captions.parquet, and phrase counts that do not match them."""
    kinds = pc.index_in(tables.phrases["kind"], pa.array(schema.KINDS)).fill_null(-1).to_numpy()
    counts = np.zeros(len(tables.phrases), np.int64)
    problems = [line for block in tables.blocks(schema.CAPTIONS_FILE) for line in _block_concepts(block, kinds, counts)]
    yield from dict.fromkeys(problems)
    if (counts != tables.phrases["count"].to_numpy()).any():
        yield "phrases.parquet: counts do not match the captions"


def _block_concepts(captions: pa.Table, kinds: np.ndarray, counts: np.ndarray) -> Iterator[str]:
    """Yields problems found in the concepts of a block of captions; adds the mentions of each phrase to `counts`."""
    entities = captions["entities"].combine_chunks().value_lengths().to_numpy(zero_copy_only=False)
    for number, name in enumerate(schema.COLUMNS.values()):
        column = captions[name].combine_chunks()
        items, owner = column.flatten(), _list_indices(column)
        phrase = items.field("phrase").to_numpy(zero_copy_only=False)
        if len(phrase) and (phrase.min() < 0 or phrase.max() >= len(kinds)):
            yield f"{name}: phrase ids outside phrases.parquet"
            continue
        counts += np.bincount(phrase, minlength=len(kinds))
        if (kinds[phrase] != number).any():
            yield f"{name}: phrases of the wrong kind"
        if (items.field("word").to_numpy(zero_copy_only=False) < 0).any():
            yield f"{name}: a word index below 0"
        for edge in {"entity", "subject", "object"} & {f.name for f in items.type}:
            ends = items.field(edge).to_numpy(zero_copy_only=False)
            if ((ends < -1) | (ends >= entities[owner])).any():
                yield f"{name}: {edge} refers to an entity that does not exist"


def span_problems(tables: Tables) -> Iterator[str]:
    """Yields problems in the entities' character spans, the numbers of tokens and the scene graphs."""
    context, name = tables.info["clip"]["context_length"], tables.info["clip"]["name"]
    problems: dict[str, None] = {}
    first = 0
    for captions in tables.blocks(schema.CAPTIONS_FILE):
        lengths = pc.utf8_length(captions["text"]).to_numpy()
        column = captions["entities"].combine_chunks()
        items = column.flatten()
        start, end = (items.field(field).to_numpy(zero_copy_only=False) for field in ("start", "end"))
        if ((start < 0) | (end < start) | (end > lengths[_list_indices(column)])).any():
            problems["entities: a span outside its caption"] = None
        tokens = captions["n_tokens"].to_numpy()
        if (tokens < 2).any() or (tokens > context).any():
            problems[f"captions.parquet: n_tokens outside 2 … {context}, the context of {name}"] = None
        damaged = _damaged_graph(captions["graph"].to_pylist(), first)
        if damaged:
            problems[damaged] = None
            break
        first += len(captions)
    yield from problems


def _damaged_graph(graphs: list[str], first: int) -> str | None:
    for row, graph in enumerate(graphs, start=first):
        try:
            schema.read_graph(graph)
        except ValueError as error:
            return f"captions.parquet: graph in row {row}: {error}"
    return None


def _list_indices(column: pa.ListArray) -> np.ndarray:
    lengths = column.value_lengths().to_numpy(zero_copy_only=False)
    return np.repeat(np.arange(len(lengths)), lengths)

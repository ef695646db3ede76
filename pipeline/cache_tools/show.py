"""Shows a finished cache: the parse of a caption as a table, its graph as SVG, and statistics of the cache."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from tabulate import tabulate

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.printable import format_count
from hspcgan.model.common.validation import quoted, shortened
from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.arrays.image_store import describe_store
from hspcgan.pipeline.cache.cache_json import REBUILD_HINT
from hspcgan.pipeline.cache.reader import Cache
from hspcgan.pipeline.cache_tools.languages import languages
from hspcgan.pipeline.graphs.svg import graph_svg

MAX_CELL = 400  # characters of a cell that are shown


def find(cache: Cache, caption: str | None = None, search: str | None = None, number: int | None = None) -> list[int]:
    """
    Finds rows of captions.parquet by caption id or sample key, by string (`search`, case-insensitive, at most ten rows)
    or by row `number`; by default, returns the first three rows.

    Raises UserError if nothing is found.
    """
    total = cache.captions.num_rows
    if caption is not None:
        ids, keys = cache.captions["caption_id"].to_pylist(), cache.captions["key"].to_pylist()
        rows = [row for row in range(total) if caption in (ids[row], keys[row])]
        if not rows:
            raise UserError(f"no caption or sample {caption!r}; ids look like {ids[0]!r}, keys like {keys[0]!r}")
        return rows
    if search is not None:
        texts = cache.captions["text"].to_pylist()
        rows = [row for row, text in enumerate(texts) if search.lower() in text.lower()]
        if not rows:
            raise UserError(f"no caption contains {quoted(search)}")
        return rows[:10]
    if number is not None:
        if not 0 <= number < total:
            raise UserError(f"no caption row {number}; the cache has rows 0 … {total - 1}")
        return [number]
    return list(range(min(3, total)))


def describe(cache: Cache, row: int) -> str:
    """Formats a caption with its entities, attributes, relations and graph edges for a terminal."""
    record = cache.captions.slice(row, 1).to_pylist()[0]
    split = cache.samples["split"][int(cache.caption_sample[row])].as_py()
    cut = ", truncated" if record["truncated"] else ""
    title = f"{record['caption_id']}  ({split}, row {row}, {format_count(record['n_tokens'], 'token')}{cut})"
    lines = [title, f"  {record['text']}", ""]
    heads = [entity["head"] for entity in record["entities"]]

    def name(index: int) -> str:
        return heads[index] if index >= 0 else "–"

    phrases = cache.phrases["text"]
    rows = []
    for e in record["entities"]:
        place = f"“{record['text'][e['start'] : e['end']]}” {e['type']}".strip()
        rows.append(("entity", phrases[e["phrase"]].as_py(), e["word"], place))
    for a in record["attributes"]:
        rows.append(("attribute", a["text"], a["word"], f"of {name(a['entity'])}"))
    for r in record["relations"]:
        rows.append(("relation", r["text"], r["word"], f"{name(r['subject'])} → {name(r['object'])}"))
    if not rows:
        return "\n".join([*lines, "  nothing found: only the global prompt represents the caption", ""])
    lines += _table(("kind", "phrase", "word", "edge or place"), rows)
    edges = [f"{a['text']} ⊕ {name(a['entity'])}" for a in record["attributes"] if a["entity"] >= 0]
    edges += [
        f"{name(r['subject'])} ─{r['text']}→ {name(r['object'])}"
        for r in record["relations"]
        if r["subject"] >= 0 and r["object"] >= 0
    ]
    lines += ["", f"  graph: {' · '.join(edges) or 'no edges'}", ""]
    return "\n".join(lines)


def svg(cache: Cache, row: int) -> str:
    """Returns the scene graph of a caption as an SVG document. Raises UserError if the graph is damaged."""
    record = cache.captions.slice(row, 1).to_pylist()[0]
    try:
        graph = schema.read_graph(record["graph"])
    except ValueError as error:
        raise UserError(f"{cache.path / schema.CAPTIONS_FILE}: graph in row {row}: {error}; {REBUILD_HINT}") from error
    return graph_svg(record["text"], graph)


def split_warnings(cache: Cache) -> list[str]:
    """Returns a warning for each split with images that are also in train under other keys."""
    return [
        f"{twice:,} of {count:,} {split} images are also in train, as equal files under other keys, so metrics on this "
        "split do not reflect new images; remove the duplicates, or keep each image in one split"
        for split, (twice, count) in cache.pictures_in_train().items()
    ]


def statistics(cache: Cache) -> str:
    """Formats statistics for a terminal: row counts, rejects by reason, concepts per caption and frequent phrases."""
    counts, info = cache.info["counts"], cache.info
    offered = counts["samples"] + counts["captions"] + counts["rejects"]
    splits = cache.split_counts()
    alignment = info["parser"].get("alignment", {})
    lines = [
        f"rows    {offered:,} in = {format_count(counts['samples'], 'image')} + "
        f"{format_count(counts['captions'], 'caption')} + "
        f"{counts['rejects']:,} rejected",
        f"splits  {', '.join(f'{split} {count:,}' for split, count in sorted(splits.items(), reverse=True))}",
        f"images  {info['image_size']} × {info['image_size']} px, {describe_store(info)}",
        f"texts   {format_count(counts['tokens'], 'token')}, {format_count(counts['truncated'], 'caption')} truncated",
        f"CLIP    {info['clip']['name']} ({info['clip']['sha256'][:12]}…), width {info['clip']['embed_dim']}",
        *(f"taps    {line}" for line in taps_lines(cache)),
        f"graphs  {format_count(counts['empty_graphs'], 'caption')} without an entity "
        f"({counts['empty_graphs'] / max(1, counts['captions']):.2%}); "
        f"{format_count(alignment.get('noun_chunk_fallback', 0), 'unique caption')} fell back to noun chunks",
        *(f"words   {found.line()}" for found in [languages(cache)] if found),
        *(f"doubles {line}" for line in split_warnings(cache)),
        "",
    ]
    lines += _table(
        ("per caption", "mean", "median", "most", "none"),
        [_summary_of_counts(cache, kind) for kind in ("entities", "attributes", "relations")],
    )
    merged = cache.phrases.group_by(["kind", "text"]).aggregate([("count", "sum")])  # of several caches read as one
    columns = (merged[name].to_pylist() for name in ("count_sum", "kind", "text"))
    common = sorted(zip(*columns, strict=True), key=lambda phrase: (-phrase[0], phrase[2]))
    lines.append("")
    lines += _table(
        ("phrases", "unique", "mentions", "only once", "most frequent"),
        [_frequencies(kind, [(count, text) for count, own, text in common if own == kind])
         for kind in ("entity", "attribute", "relation")],
    )  # fmt: skip
    if alignment:
        lines += ["", *_table(("parser, over unique captions", "count"), sorted(alignment.items()))]
    if cache.rejects.num_rows:
        lines += ["", *_table(("rejected", "stage", "what", "why"), reasons(cache.rejects))]
    return "\n".join(lines)


def taps_lines(cache: Cache) -> list[str]:
    """Returns one line that lists the image views with CLIP features and their size; [] for a cache without views."""
    if "taps" not in cache.info:
        return []
    views, size = cache.info["taps"]["views"], cache.taps.nbytes
    named = f"{format_count(len(views), 'view')} ({', '.join(views)})"
    shown = f"CLIP features of {named} after blocks {cache.info['taps']['blocks']}"
    return [f"{shown}: {size / max(1, len(cache.taps)) / 1e3:,.0f} KB per image, {size / 1e6:,.1f} MB"]


def _frequencies(kind: str, phrases: list[tuple[int, str]]) -> tuple[Any, ...]:
    counts = [count for count, _ in phrases]
    shown = ", ".join(f"{text} {count}" for count, text in phrases[:8])
    return kind, len(counts), sum(counts), counts.count(1), shown


def reasons(rejects: pa.Table) -> list[tuple[int, str, str, str]]:
    """
    Groups rejects, rows of schema.REJECTS, into (count, stage, what, why), the most frequent first.

    Reasons that differ only in details (after a colon, or numbers) are counted together under the most frequent reason.
    """
    groups: dict[tuple[str, str, str], Counter[str]] = {}
    for row in rejects.to_pylist():
        _, image, why = row["why"].rpartition(schema.IMAGE_REFUSED)
        kind = image + re.sub(r"-?\d[\d,.]*", "N", why.partition(": ")[0])
        groups.setdefault((row["stage"], row["what"], kind), Counter())[row["why"]] += 1
    counted = [(whys.total(), stage, what, _example(whys)) for (stage, what, _), whys in groups.items()]
    return sorted(counted, key=lambda group: (-group[0], group[1:]))


def _example(whys: Counter[str]) -> str:
    why = whys.most_common(1)[0][0]
    return why if len(whys) == 1 else f"{why} (one of {len(whys):,} variants)"


def _summary_of_counts(cache: Cache, kind: str) -> tuple[Any, ...]:
    sizes = np.array(cache.captions[kind].combine_chunks().value_lengths())
    return kind, f"{sizes.mean():.2f}", int(np.median(sizes)), int(sizes.max()), f"{(sizes == 0).mean():.1%}"


def _table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Formats rows as lines of left-aligned columns, below a header and a dashed line; long cells are truncated."""
    cells = [[shortened(str(cell), MAX_CELL) for cell in row] for row in rows]
    text = tabulate(cells, header, tablefmt="simple", disable_numparse=True, stralign="left", numalign="left")
    return [f"  {line}".rstrip() for line in text.splitlines()]

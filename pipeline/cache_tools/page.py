"""Renders a finished cache as one self-contained HTML page for browsing: `hspcgan inspect CACHE --html FILE`.

The page needs no server. Its only script has thirty lines; it implements the search box by hiding images that do not
match. Without JavaScript, the search box is missing, but the browser's search still finds captions.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from PIL import Image

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.printable import format_count
from hspcgan.model.common.progress import progress_bar
from hspcgan.model.common.validation import quoted
from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.arrays.image_store import describe_store
from hspcgan.pipeline.cache.reader import Cache
from hspcgan.pipeline.cache_tools.show import reasons, svg
from hspcgan.pipeline.pages.marked_caption import marked
from hspcgan.pipeline.pages.templates import stylesheet, templates

HERE = Path(__file__).parent
IMAGES = 100  # on a page by default
WIDTH = 160  # longest side of an image on the page, in px
PHRASES, REJECTS = 25, 100  # rows of a table


def render(cache: Cache, search: str | None = None, most: int = IMAGES) -> str:
    """Returns an HTML page with all images of a cache, or those with `search` in a caption.

    If there are more than `most`, the page shows `most` of them, taken at regular intervals from the cache's rows.
    Raises UserError if no caption contains `search`.
    """
    rows = _matching(cache, search)
    chosen = rows[np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int))]
    script = (HERE / "search.js").read_text(encoding="utf-8")
    of = f"the {len(rows):,} with “{search}” in a caption" if search else f"{len(rows):,}"
    counts, rejects = cache.info["counts"], cache.rejects
    parts = [
        f"{counts[part]:,} {name}"
        for part, name in (("samples", "images"), ("captions", "captions"), ("rejects", "rejects"))
    ]
    offered = sum(counts[part] for part in ("samples", "captions", "rejects"))
    return (
        templates(HERE)
        .get_template("page.html")
        .render(
            name=cache.path.resolve().name,
            style=stylesheet(HERE / "page.css"),
            facts=_facts(cache),
            shown=f"All {of}" if len(chosen) == len(rows) else f"{len(chosen):,} of {of}, taken at regular intervals",
            samples=[_sample(cache, row) for row in progress_bar(chosen.tolist(), "images")],
            phrases=[_phrases(cache, kind) for kind in schema.KINDS],
            offered=f"{format_count(offered, 'row')} in = {' + '.join(parts)}",
            reasons=reasons(rejects),
            rejects=rejects.slice(0, REJECTS).to_pylist(),
            rejected_shown=f"{'The first' if len(rejects) > REJECTS else 'All'} "
            f"{format_count(min(REJECTS, len(rejects)), 'row')}",
            script=Markup(script),  # our own script, not data
            script_hash="sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


def _matching(cache: Cache, search: str | None) -> np.ndarray:
    """Returns the rows of the samples with `search` in a caption, or of all samples, in order."""
    if search is None:
        return np.arange(len(cache.samples))
    texts = cache.captions["text"].to_pylist()
    found = [row for row, text in enumerate(texts) if search.lower() in text.lower()]
    if not found:
        raise UserError(f"no caption contains {quoted(search)}")
    return np.unique(cache.caption_sample[found])


def _facts(cache: Cache) -> list[str]:
    info, splits = cache.info, Counter(cache.split_counts())
    return [
        ", ".join(f"{count:,} {split}" for split, count in splits.most_common()) + " images",
        f"{info['image_size']} px, {describe_store(info)}",
        f"{format_count(info['counts']['captions'], 'caption')}, "
        f"{info['counts']['empty_graphs']:,} of them without an entity",
        f"parsed by {info['parser'].get('annotator', 'an unknown annotator')}",
        f"CLIP {info['clip']['name']}",
    ]


def _sample(cache: Cache, row: int) -> dict[str, Any]:
    """Returns an image and its captions for the template."""
    record = cache.samples.slice(row, 1).to_pylist()[0]
    captions = [_caption(cache, caption) for caption in cache.captions_of(row)]
    return {"key": record["key"], "split": record["split"], "url": _thumbnail(cache.images[row]), "captions": captions}


def _caption(cache: Cache, row: int) -> dict[str, Any]:
    record = cache.captions.slice(row, 1).to_pylist()[0]
    counts = [f"{len(record[column])} {column}" for column in schema.COLUMNS.values()]
    # graph_svg escapes all strings.
    return {"marked": marked(record), "summary": ", ".join(counts), "graph": Markup(svg(cache, row))}


def _thumbnail(pixels: np.ndarray) -> str:
    """Converts an image, uint8 [3, H, W], to a JPEG with at most WIDTH pixels per side, as a data URL."""
    image = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    image.thumbnail((WIDTH, WIDTH), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _phrases(cache: Cache, kind: str) -> tuple[str, int, int, list[tuple[str, int]]]:
    """Returns a kind, its counts of unique phrases and of mentions, and its most frequent phrases with their counts."""
    columns = zip(*(cache.phrases[name].to_pylist() for name in ("kind", "text", "count")), strict=True)
    own = sorted(((text, count) for of, text, count in columns if of == kind), key=lambda pair: (-pair[1], pair[0]))
    return kind, len(own), sum(count for _, count in own), own[:PHRASES]

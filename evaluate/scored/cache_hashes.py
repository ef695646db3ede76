"""Hashes of the cache contents that an evaluation reads, by kind, for the comparison with evaluate.lock."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from hspcgan.evaluate.scored.selection import Selection
from hspcgan.pipeline.cache.reader import Cache
from hspcgan.pipeline.cache.schema import COLUMNS

SHOWN = 12  # digits of a sha256


def contents(cache: Cache, chosen: Selection, ids: Sequence[str], texts: Sequence[str]) -> dict[str, str]:
    """Returns the sha256 of images, captions (with ids), their concepts, CLIP and templates."""
    images = hashlib.sha256()
    for row in [*chosen.sample_rows, *chosen.reference_rows]:
        images.update(cache.images[int(row)].tobytes())
    captions = cache.captions_at(chosen.caption_rows)
    concepts = [
        [[[item[key] for key in sorted(item) if key != "phrase"] for item in row] for row in captions[name].to_pylist()]
        for name in COLUMNS.values()
    ]
    return {
        "images": images.hexdigest()[:SHOWN],
        "captions": _sha256(list(zip(ids, texts, strict=True))),
        "concepts": _sha256(concepts),
        "clip": cache.info["clip"]["sha256"][:SHOWN],
        "templates": _sha256(cache.info["templates"]),
    }


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:SHOWN]

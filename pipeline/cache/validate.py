"""Checks every promise of the cache format, and names all that are broken."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.reader import MEND, Cache

BLOCK = 65536  # rows read at a time


def validate(path: Path | str) -> None:
    """ValueError that lists each broken promise; returns nothing when all are kept."""
    cache = Cache(path)
    problems = [*_info(cache), *_keys(cache), *_shapes(cache)]
    problems = problems or [*_phrases(cache), *_concepts(cache), *_finite(cache)]
    if problems:
        raise ValueError(f"{path} breaks the cache format:\n  " + "\n  ".join(problems) + f"\nTo mend: {MEND}")


def _info(cache: Cache) -> Iterator[str]:
    needed = {"fingerprint", "counts", "clip", "templates", "tools", "parser", "normalised", "image_size", "stages"}
    missing = needed - cache.info.keys()
    if missing:
        yield f"cache.json lacks {sorted(missing)}"
        return
    if cache.info["normalised"] is not False:
        yield "cache.json says that features are normalised; format 1 holds raw ones"
    tables = {"samples": cache.samples, "captions": cache.captions, "phrases": cache.phrases, "rejects": cache.rejects}
    for name, table in tables.items():
        if cache.info["counts"].get(name) != len(table):
            yield f"cache.json counts {cache.info['counts'].get(name)} {name}, the table has {len(table)}"


def _keys(cache: Cache) -> Iterator[str]:
    keys = cache.samples["key"].to_pylist()
    if len(set(keys)) != len(keys):
        yield "samples.parquet: keys are not unique"
    unknown = set(cache.captions["key"].to_pylist()) - set(keys)
    if unknown:
        yield f"captions.parquet: keys without a sample, such as {sorted(unknown)[:3]}"
    elif len(cache.captions) and (np.diff(cache.caption_sample) < 0).any():
        yield "captions.parquet: not in the order of samples.parquet"
    ids = cache.captions["caption_id"].to_pylist()
    if len(set(ids)) != len(ids):
        yield "captions.parquet: caption ids are not unique"


def _shapes(cache: Cache) -> Iterator[str]:
    width, size = cache.info["clip"]["embed_dim"], cache.info["image_size"]
    captions, phrases, samples = len(cache.captions), len(cache.phrases), len(cache.samples)
    tokens = int(np.sum(cache.captions["n_tokens"].to_numpy()))
    expected = {
        "phrase_text": ((phrases, width), "float16"), "sentence": ((captions, width), "float16"),
        "token_rows": ((tokens, width), "float16"), "offsets": ((captions + 1,), "int64"),
        "images": ((samples, 3, size, size), "uint8"),
    }  # fmt: skip
    for name, (shape, dtype) in expected.items():
        found = getattr(cache, name)
        if found.shape != shape or found.dtype != dtype:
            yield f"{name} is {found.dtype} {found.shape}, expected {dtype} {shape}"
    if len(cache.offsets) == captions + 1 and (np.diff(cache.offsets) != cache.captions["n_tokens"].to_numpy()).any():
        yield "features.h5: caption/offsets do not agree with n_tokens"


def _phrases(cache: Cache) -> Iterator[str]:
    phrases = cache.phrases.to_pydict()
    if phrases["phrase"] != list(range(len(cache.phrases))):
        yield "phrases.parquet: ids are not the row numbers"
    if set(phrases["kind"]) - set(schema.KINDS):
        yield f"phrases.parquet: kinds {sorted(set(phrases['kind']) - set(schema.KINDS))}"
    templates = cache.info["templates"]
    rows = zip(phrases["kind"], phrases["text"], phrases["prompt"], strict=True)
    wrong = [prompt for kind, text, prompt in rows if kind in templates and templates[kind].format(text) != prompt]
    if wrong:
        yield f"phrases.parquet: prompts that do not follow the templates, such as {wrong[0]!r}"


def _concepts(cache: Cache) -> Iterator[str]:
    kinds, counts = cache.phrases["kind"].to_pylist(), np.zeros(len(cache.phrases), np.int64)
    entities = cache.captions["entities"].combine_chunks().value_lengths().to_numpy(zero_copy_only=False)
    for kind, name in schema.COLUMNS.items():
        column = cache.captions[name].combine_chunks()
        items, owner = column.flatten(), _owner(column)
        phrase = items.field("phrase").to_numpy(zero_copy_only=False)
        if len(phrase) and (phrase.min() < 0 or phrase.max() >= len(kinds)):
            yield f"{name}: phrase ids outside phrases.parquet"
            continue
        counts += np.bincount(phrase, minlength=len(kinds))
        if any(kinds[p] != kind for p in np.unique(phrase)):
            yield f"{name}: phrases of another kind"
        for edge in ({"entity", "subject", "object"} & {f.name for f in items.type}):
            ends = items.field(edge).to_numpy(zero_copy_only=False)
            if ((ends < -1) | (ends >= entities[owner])).any():
                yield f"{name}: {edge} points at an entity that is not there"
    if (counts != cache.phrases["count"].to_numpy()).any():
        yield "phrases.parquet: counts do not agree with the captions"


def _owner(column: pa.ListArray) -> np.ndarray:
    lengths = column.value_lengths().to_numpy(zero_copy_only=False)
    return np.repeat(np.arange(len(lengths)), lengths)


def _finite(cache: Cache) -> Iterator[str]:
    for name in ("phrase_text", "sentence", "token_rows"):
        array = getattr(cache, name)
        for start in range(0, len(array), BLOCK):
            if not np.isfinite(array[start : start + BLOCK]).all():
                yield f"features.h5: {name} holds values that are not finite near row {start}"
                break

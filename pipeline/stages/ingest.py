"""Ingests a dataset into shards of square images and clean captions; each rejected row is in rejects.parquet."""

import functools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from hspcgan.model.common.printable import format_count
from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.arrays.image_store import describe_store, encode_image, packed
from hspcgan.pipeline.cache.fingerprint import code_of
from hspcgan.pipeline.cache.partial.partial_cache import PartialCache
from hspcgan.pipeline.sources.base import Dataset, Entry, Item
from hspcgan.pipeline.sources.config import DataConfig, open_source
from hspcgan.pipeline.sources.readers.path_or_url import remote_errors
from hspcgan.pipeline.stages.caption_text import beginning
from hspcgan.pipeline.stages.executors import mapper_factory
from hspcgan.pipeline.stages.ingest_items import Checked, check_items
from hspcgan.pipeline.stages.run_stage import Job, Shard, Stage

SHARD_IMAGES = 128
RULES = tuple(f"hspcgan.pipeline.stages.{name}" for name in ("ingest_items", "images", "image_limits", "caption_text"))
SOURCE_CODE = ("hspcgan.pipeline.sources", "hspcgan.pipeline.toybirds")
"""Modules that decide which samples are kept and how: RULES, the module of the source in use, and the modules in the
packages SOURCE_CODE that it imports."""


MAX_HELD = 2**27
"""Bytes of encoded images in memory per shard; 128 large photos are more than 1 GB."""
ENCODING = "hspcgan.pipeline.cache.arrays.image_store"
READ_FIELDS = {"table": ("image_column", "_rows"), "toybirds": ("size",)}
"""The attributes that the `read` of a source uses, by the name of the source; others use only the entry."""


@dataclass
class Encoded:
    """A checked shard, and its images as encoded files."""

    checked: Checked
    files: list[bytes]


def check_and_encode(size: int, store: Mapping[str, Any], items: Sequence[Item | Callable[[], Item]]) -> Encoded:
    """The mapper of the stage if the cache stores encoded images; for raw images, the mapper is `check_items`."""
    checked = check_items(size, items)
    files = [encode_image(pixels, store) for pixels in checked.pixels]
    checked.pixels.clear()
    return Encoded(checked, files)


def pack(size: int, found: Checked | Encoded) -> Shard:
    """Converts a checked shard to the tables and arrays of the cache."""
    if isinstance(found, Encoded):
        checked, arrays = found.checked, packed(found.files)
    else:
        checked, none = found, np.zeros((0, 3, size, size), np.uint8)
        arrays = {"image": np.stack(checked.pixels) if checked.pixels else none}  # [n, 3, H, W]
    tables = {
        "samples": pa.Table.from_pylist(checked.samples, schema=schema.SAMPLES),
        "captions": pa.Table.from_pylist(checked.captions, schema=schema.CAPTION_TEXTS),
        "rejects": pa.Table.from_pylist(checked.rejects, schema=schema.REJECTS),
    }
    return Shard(tables, arrays, {"rows_in": checked.rows_in, "samples": len(checked.samples)})


def _pack(size: int, _: Sequence[Entry], found: Checked | Encoded) -> Shard:
    return pack(size, found)


def reader(source: Dataset, name: str) -> Dataset:
    """Returns a copy of a source without its listing, small enough to send to tasks; it can only `read` entries."""
    made = object.__new__(type(source))
    vars(made).update({field: getattr(source, field) for field in READ_FIELDS.get(name, ())})
    return made


def _read(source: Dataset, path: Any, entries: Sequence[Entry]) -> list[Item | Callable[[], Item]]:
    """Reads entries in order until their images have MAX_HELD bytes; the mapper reads the others, one by one."""
    items: list[Item | Callable[[], Item]] = []
    held = 0
    for entry in entries:
        read = functools.partial(_read_one, source, path, entry)
        if held > MAX_HELD:
            items.append(read)
            continue
        item = read()
        held += len(item.image) if isinstance(item.image, bytes) else 0
        items.append(item)
    return items


def _read_one(source: Dataset, path: Any, entry: Entry) -> Item:
    with remote_errors(path):
        item = source.read(entry)
    return replace(
        item, entry=replace(item.entry, ref=None), captions=tuple(_without_nesting(text) for text in item.captions)
    )


@dataclass(frozen=True)
class _NotText:
    """The first characters of a JSON list or object found instead of a caption; the mapper rejects the caption."""

    text: str

    def __str__(self) -> str:
        return self.text


def _without_nesting(caption: object) -> object:
    """Replaces lists and objects, which cannot be sent to a worker process if they are nested deeply."""
    return _NotText(beginning(caption)) if isinstance(caption, list | dict) else caption


def stage(config: DataConfig) -> Stage:
    """Returns the ingest stage for a `data` section; raises UserError if the dataset has a different layout."""
    with remote_errors(config.path):
        source = open_source(config)
        signature = source.signature()
    store = config.image_store
    encoding = [ENCODING] if store else []
    inputs = {
        "data": config.inputs(),
        "source": signature,
        "shard_images": SHARD_IMAGES,
        "code": code_of([*RULES, *encoding, type(source).__module__], SOURCE_CODE),
        "tools": {"pillow": version("pillow")},
    }

    entries = functools.cache(source.entries)
    raw = mapper_factory(check_items, config.image_size)
    make_mapper = mapper_factory(check_and_encode, config.image_size, store) if store else raw

    def plan() -> str:
        splits = Counter(entry.split for entry in entries())
        return (
            f"{config.source}: {format_count(len(entries()), 'entry', 'entries')} ({schema.split_counts(splits)}) at "
            f"{config.image_size} × {config.image_size} px, {describe_store({'store': store} if store else {})}"
        )

    def open_job(_: PartialCache) -> Job:
        parts = [entries()[start : start + SHARD_IMAGES] for start in range(0, len(entries()), SHARD_IMAGES)]
        return Job(
            sizes=[len(part) for part in parts],
            part=lambda index: parts[index],
            read=functools.partial(_read, reader(source, config.source), config.path),
            make_mapper=make_mapper,
            pack=functools.partial(_pack, config.image_size),
            processes=config.processes,
            needs=(config.path.resolve(),) if isinstance(config.path, Path) and config.path.exists() else (),
        )

    return Stage("ingest", "images", inputs, plan, open_job)

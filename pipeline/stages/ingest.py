"""Ingest: a dataset's entries → shards of square images and clean captions; each rejected row is in rejects.parquet."""

import functools
from collections import Counter
from importlib.metadata import version

import numpy as np
import pyarrow as pa

from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.fingerprint import code_of
from hspcgan.pipeline.cache.partial.partial_cache import PartialCache
from hspcgan.pipeline.sources.config import DataConfig, open_source
from hspcgan.pipeline.stages.engines import mapper_factory
from hspcgan.pipeline.stages.ingest_items import Checked, check_items
from hspcgan.pipeline.stages.run_stage import Job, Shard, Stage

SHARD_IMAGES = 128
RULES = tuple(f"hspcgan.pipeline.stages.{name}" for name in ("ingest_items", "images", "caption_text"))
SOURCE_CODE = ("hspcgan.pipeline.sources", "hspcgan.pipeline.toybirds")
"""Modules that decide which samples are kept and how; of sources, the one in use and what it imports of these."""


def pack(size: int, checked: Checked) -> Shard:
    """A checked shard as the cache's tables and arrays."""
    pixels = np.stack(checked.pixels) if checked.pixels else np.zeros((0, 3, size, size), np.uint8)  # [n, 3, H, W]
    tables = {
        "samples": pa.Table.from_pylist(checked.samples, schema=schema.SAMPLES),
        "captions": pa.Table.from_pylist(checked.captions, schema=schema.CAPTION_TEXTS),
        "rejects": pa.Table.from_pylist(checked.rejects, schema=schema.REJECTS),
    }
    return Shard(tables, {"image": pixels}, {"rows_in": checked.rows_in, "samples": len(checked.samples)})


def stage(config: DataConfig) -> Stage:
    """The ingest stage of a `data` section; raises UserError when the dataset is not of the layout named."""
    source = open_source(config)
    inputs = {
        "data": config.inputs(),
        "source": source.signature(),
        "shard_images": SHARD_IMAGES,
        "code": code_of([*RULES, type(source).__module__], SOURCE_CODE),
        "tools": {"pillow": version("pillow")},
    }

    entries = functools.cache(source.entries)

    def plan() -> str:
        splits = Counter(entry.split for entry in entries())
        return (
            f"{config.source}: {len(entries()):,} entries ({schema.split_counts(splits)}) at "
            f"{config.image_size} × {config.image_size} px"
        )

    def open_job(_: PartialCache) -> Job:
        parts = [entries()[start : start + SHARD_IMAGES] for start in range(0, len(entries()), SHARD_IMAGES)]
        return Job(
            sizes=[len(part) for part in parts],
            read=lambda index: [source.read(entry) for entry in parts[index]],
            make_mapper=mapper_factory(check_items, config.image_size),
            pack=lambda _, checked: pack(config.image_size, checked),
            processes=config.processes,
        )

    return Stage("ingest", "images", inputs, plan, open_job)

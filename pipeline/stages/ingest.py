"""Ingest: a source's entries → checked square images and clean captions; each refusal is a row in rejects."""

import functools
import hashlib
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from hspcgan.model.errors import UserError
from hspcgan.pipeline import sources
from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.partial.writer import PartialCache
from hspcgan.pipeline.sources.base import Item
from hspcgan.pipeline.sources.config import DataConfig, open_source
from hspcgan.pipeline.stages import caption_text, images
from hspcgan.pipeline.stages.engines import maker
from hspcgan.pipeline.stages.runner import Job, Shard, Stage

SHARD_IMAGES = 128


@dataclass
class Checked:
    """A shard after checking: rows of samples, captions and rejects, and the kept images uint8 [n, 3, H, W]."""

    samples: list[dict[str, Any]] = field(default_factory=list)
    captions: list[dict[str, Any]] = field(default_factory=list)
    rejects: list[dict[str, Any]] = field(default_factory=list)
    pixels: list[np.ndarray] = field(default_factory=list)
    rows_in: int = 0

    def reject(self, where: str, what: str, why: str) -> None:
        """Adds one refused row."""
        self.rejects.append({"stage": "ingest", "where": _writable(where), "what": what, "why": _writable(why)})


def check_items(size: int, items: Sequence[Item]) -> Checked:
    """The stage's mapper: no disk; every row of every item ends in captions, samples or rejects."""
    checked = Checked()
    for item in items:
        _check_item(item, size, checked)
    kept = len(checked.samples) + len(checked.captions)
    if checked.rows_in != kept + len(checked.rejects):
        raise AssertionError(f"ingest lost rows: {checked.rows_in} in, {kept} out, {len(checked.rejects)} rejected")
    return checked


def _check_item(item: Item, size: int, checked: Checked) -> None:
    key, where = _writable(item.entry.key), _writable(item.entry.where)
    checked.rows_in += 1 + len(item.captions)
    captions = []
    refused: list[tuple[str, str]] = []
    for number, text in enumerate(item.captions):
        try:
            captions.append({"caption_id": f"{key}#{number}", "key": key, "text": caption_text.clean_caption(text)})
        except ValueError as error:
            refused.append((f"{key}#{number}", str(error)))
    for caption_id, why in refused:
        checked.reject(caption_id, "caption", why)
    try:
        if key != item.entry.key or where != item.entry.where:
            raise UserError("its name is not valid Unicode; rename it")
        sample, pixels = _check_image(item, size)
        if not captions:
            raise UserError("all its captions were refused")
    except ValueError as error:
        checked.reject(where, "image", str(error))
        for row in captions:
            checked.reject(row["caption_id"], "caption", f"{schema.IMAGE_REFUSED}{error}")
        return
    checked.samples.append(sample)
    checked.captions += captions
    checked.pixels.append(pixels)


def _writable(name: str) -> str:
    """A name in which what Parquet cannot hold (bytes that are no UTF-8) is spelt out."""
    return name.encode("utf-8", "backslashreplace").decode()


def _check_image(item: Item, size: int) -> tuple[dict[str, Any], np.ndarray]:
    """The samples row and the pixels uint8 [3, size, size]; raises UserError with the reason."""
    if item.problem is not None:
        raise UserError(item.problem)
    if item.image is None:
        raise UserError("missing image")
    if isinstance(item.image, bytes):
        image, digest = images.decode(item.image), hashlib.sha256(item.image).hexdigest()
    else:
        image, digest = item.image, hashlib.sha256(item.image.tobytes()).hexdigest()
    row = {
        "key": item.entry.key,
        "split": item.entry.split,
        "path": item.entry.where,
        "width": image.width,
        "height": image.height,
        "box": None if item.box is None else list(item.box),
        "sha256": digest,
    }
    return row, images.fit(image if item.box is None else images.around(image, item.box), size)


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
        "rules": _rules_sha256(),
        "tools": {"pillow": version("pillow")},
    }

    entries = functools.cache(source.entries)

    def plan() -> str:
        splits = Counter(entry.split for entry in entries())
        return (
            f"{config.source}: {len(entries()):,} entries ({splits['train']:,} train, {splits['test']:,} test) at "
            f"{config.image_size} × {config.image_size} px"
        )

    def open_job(_: PartialCache) -> Job:
        parts = [entries()[start : start + SHARD_IMAGES] for start in range(0, len(entries()), SHARD_IMAGES)]
        return Job(
            sizes=[len(part) for part in parts],
            read=lambda index: [source.read(entry) for entry in parts[index]],
            make_mapper=maker(check_items, config.image_size),
            pack=lambda _, checked: pack(config.image_size, checked),
            processes=config.processes,
        )

    return Stage("ingest", "images", inputs, plan, open_job)


@functools.cache
def _rules_sha256() -> str:
    """Of the sources that decide what is kept and how: a changed rule makes another cache."""
    modules = (images, caption_text, sys.modules[__name__])
    files = [*(Path(str(module.__file__)) for module in modules), *sorted(Path(sources.__file__).parent.glob("*.py"))]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()

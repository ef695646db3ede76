"""Builds a large dataset and its cache for benchmarks; replaces the parser and CLIP by stand-ins that take little time.

A few captions are parsed; each caption of the dataset is one of them followed by a number. Features are pseudo-random.
Ingest, storage, writer and validation are not replaced.
"""

import functools
import io
import itertools
import json
import tarfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from hspcgan.pipeline.bench.captions import REPEATED
from hspcgan.pipeline.cache.partial.partial_cache import PartialCache
from hspcgan.pipeline.concepts import Parser
from hspcgan.pipeline.concepts.config import ParseConfig
from hspcgan.pipeline.sources.config import DataConfig
from hspcgan.pipeline.stages import encode, ingest, parse, text_order
from hspcgan.pipeline.stages.executors import mapper_factory
from hspcgan.pipeline.stages.run_stage import Job, Stage, run_stage

RECORDED, PER_TAR, PER_SHARD = 400, 5000, 2048
Rows = dict[str, dict[str, Any]]


def record_concepts(texts: Sequence[str], config: ParseConfig) -> Rows:
    """Parses captions; returns {caption: its concepts}."""
    return {text: parse.concept_row(one) for text, one in zip(texts, Parser(config).parse(texts), strict=True)}


def write_shards(folder: Path, texts: Sequence[str], count: int, per_image: int = 5) -> None:
    """Writes `count` captions as WebDataset shards; the images have 8 × 8 pixels, and no two are equal."""
    folder.mkdir()
    captions = (_caption(texts, number) for number in range(count))
    images = iter(lambda: list(itertools.islice(captions, per_image)), [])
    for shard in itertools.count():
        part = list(itertools.islice(images, PER_TAR))
        if not part:
            return
        with tarfile.open(folder / f"{shard:05d}.tar", "w") as archive:
            for number, found in enumerate(part):
                key = f"{shard:05d}{number:04d}"
                about = json.dumps({"captions": found}).encode()
                for suffix, content in ((".png", _picture(shard * PER_TAR + number)), (".json", about)):
                    member = tarfile.TarInfo(key + suffix)
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))


def _picture(number: int) -> bytes:
    """Returns a PNG with the bits of a number as pixels. Images must differ: ingest puts equal ones into one split."""
    bits = np.array([number >> bit & 1 for bit in range(64)], np.uint8).reshape(8, 8, 1)
    buffer = io.BytesIO()
    Image.fromarray(np.repeat(255 * bits, 3, axis=2)).save(buffer, "PNG")
    return buffer.getvalue()


def _caption(texts: Sequence[str], number: int) -> str:
    own = number - (number % REPEATED == REPEATED - 1)  # the last of REPEATED captions repeats the one before it
    return f"{texts[own % len(texts)]} {own}"


def build_cache(
    data: Path,
    path: Path,
    recorded: Rows,
    about: Mapping[str, Any],
    source: Mapping[str, Any],
    lap: Callable[[str], None] = lambda part: None,
) -> None:
    """Builds a cache from the shards in `data`; after each part, calls `lap` with the name of the part.

    `about`: the fields clip and parser of cache.json; clip.embed_dim is the width of the features. `source`: keys of
    the `data` section.
    """
    width, templates = about["clip"]["embed_dim"], encode.Templates().model_dump()
    config = DataConfig.model_validate({"source": "webdataset", "path": data, **source})
    with PartialCache(path) as partial:
        run_stage(partial, ingest.stage(config))
        lap("ingest")
        open_job = functools.partial(parse.job, mapper_factory(_replay_concepts, recorded), 1)
        run_stage(partial, Stage("parse", "captions", {"recorded": True}, lambda: "", open_job))
        lap("concepts")
        run_stage(
            partial,
            Stage("encode", "texts", {"width": width}, lambda: "", functools.partial(_random_encode_job, width)),
        )
        lap("features")
        store = {"store": config.image_store} if config.image_store else {}
        partial.finish({**about, **store, "templates": templates, "tools": {}})
        lap("writer")


def _replay_concepts(recorded: Rows, texts: Sequence[str]) -> tuple[list[dict[str, Any]], Counter[str]]:
    """Replaces the parser: removes the number at the end of each caption, and looks up the recorded concepts."""
    rows = []
    for text in texts:
        base, _, number = text.rpartition(" ")
        row = recorded[base]
        if int(number) % 8 == 0 and row["entities"]:
            first, *others = row["entities"]
            row = {**row, "entities": [{**first, "phrase": f"{first['phrase']} {number}"}, *others]}
        rows.append(row)
    return rows, Counter()


def _random_encode_job(width: int, partial: PartialCache) -> Job:
    """Returns an encode job that writes random features instead of CLIP's; they take almost no time to compute."""
    texts = partial.unique_texts(encode.Templates().model_dump())
    order = text_order.write_order(texts, lambda table: _lengths(table["text"]), partial.scratch("encode"), PER_SHARD)
    read = functools.partial(text_order.read_shard, order)
    return Job(
        sizes=text_order.shard_sizes(order),
        part=int,
        read=read,
        make_mapper=mapper_factory(_random_features, width),
        pack=functools.partial(encode.pack_read, read),
    )


def _lengths(texts: pa.ChunkedArray) -> np.ndarray:
    """Returns the number of tokens of each text, int32 [n]: one per word, plus begin and end of text; at most 77."""
    return np.minimum(77, pc.count_substring(texts, " ").to_numpy() + 3).astype(np.int32)


def _random_features(width: int, batch: list[tuple[str, bool]]) -> encode.Encoded:
    lengths = _lengths(pa.chunked_array([[text for text, _ in batch]]))
    rows = lengths * np.array([is_caption for _, is_caption in batch])
    noise = np.random.default_rng(len(batch)).standard_normal((len(batch) + int(rows.sum()), width)).astype(np.float16)
    offsets = np.concatenate([[0], np.cumsum(rows)]).astype(np.int64)
    return encode.Encoded(lengths, np.zeros(len(batch), bool), noise[: len(batch)], noise[len(batch) :], offsets)

"""Cache format 1: the files of a cache folder, their columns, and the contents of the shards of each stage.

A cache is one folder that is complete or does not exist. Files of a finished cache, with one row per:
`samples.parquet` image · `captions.parquet` caption · `phrases.parquet` unique phrase · `rejects.parquet` rejected
row · `features.h5`: `phrase/text` [P, d], `caption/sentence` [C, d], `caption/tokens` [ΣT, d] with
`caption/offsets` [C+1] (no token rows if encode.tokens is false); float16, raw (not L2-normalised) ·
`images.h5`: `image` [S, 3, H, W] uint8, or, if cache.json has `store` {format: jpeg, png or webp; quality, absent if
lossless}, concatenated encoded files: `bytes` uint8 [B] with `offsets` int64 [S+1] · `index.h5`: the columns of the
tables that training batches need (`write_index.py`), so that training reads no table · `cache.json`: format,
fingerprint, counts, … · if cache.json has `taps` {clip_sha256, views, blocks}, also
`taps.h5`: `taps` [S, V, T, D, g, g] float16, the frozen CLIP's patch features of each image's V views after T blocks.
All HDF5 datasets are contiguous and uncompressed: readers map them into memory. A raw image takes 3·H·W bytes (150,528
at 224 px) and is not decoded in training; encoded images are decoded by threads of the loader. The taps of a view take
2·T·D·g² bytes (225,792 for ViT-B/32).
Until 0.1.0 is released, format 1 may change: a cache without index.h5 has the older layout and must be rebuilt.
A sample's `box` is the box of the object in the original image, x0, y0, x1, y1 in pixels; the stored image is the crop
around that box.

`files` in cache.json lists the size in bytes and the sha256 of every other file; `sha256` is that of the other fields
as sorted JSON. Opening a cache compares sizes; `hspcgan validate` and `hspcgan copy` also compare checksums.
A caption's `graph` is JSON, {"entities": [{"head", "attributes": [text], "start", "end"}], "relations": [[subject,
text, object]]}, with subject and object as in the columns.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from hspcgan.model.common.errors import UserError

FORMAT = 1
INFO, SAMPLES_FILE, CAPTIONS_FILE = "cache.json", "samples.parquet", "captions.parquet"
PHRASES_FILE, REJECTS_FILE = "phrases.parquet", "rejects.parquet"
FEATURES_FILE, IMAGES_FILE, INDEX_FILE, TAPS_FILE = "features.h5", "images.h5", "index.h5", "taps.h5"
FILES = (
    *(INFO, SAMPLES_FILE, CAPTIONS_FILE, PHRASES_FILE, REJECTS_FILE),
    *(FEATURES_FILE, IMAGES_FILE, INDEX_FILE, TAPS_FILE),
)
SYSTEM_FILES = re.compile(r"\.DS_Store|\.nfs[0-9a-f]+|Thumbs\.db|desktop\.ini")
"""Files that operating systems create in any folder."""
STAGES = ("ingest", "parse", "encode", "taps")
SPLITS = ("train", "val", "test")
KINDS = ("entity", "attribute", "relation")
NEVER_EMPTY = ("samples", "captions")
"""The counts in cache.json that are not zero; a cache may have no rejects and, without concepts, no phrases."""
COLUMNS = {"entity": "entities", "attribute": "attributes", "relation": "relations"}


def _concepts(phrase: pa.DataType) -> list[pa.Field]:
    """Returns the concept columns. `phrase`: the type of phrases, ids in a finished cache, strings in parse shards.

    start, end: character span; word: index from 0. attributes.entity, relations.subject and .object: index into the
    caption's entities, −1 for none; they are the scene graph's edges.
    """
    entity = pa.struct([("phrase", phrase), ("head", pa.string()), ("start", pa.int32()), ("end", pa.int32()),
                        ("word", pa.int32()), ("type", pa.string())])  # fmt: skip
    attribute = pa.struct([("phrase", phrase), ("text", pa.string()), ("entity", pa.int32()), ("word", pa.int32())])
    relation = pa.struct([("phrase", phrase), ("text", pa.string()), ("subject", pa.int32()), ("object", pa.int32()),
                          ("word", pa.int32())])  # fmt: skip
    columns = zip(COLUMNS.values(), (entity, attribute, relation), strict=True)
    return [*(pa.field(name, pa.list_(kind)) for name, kind in columns), pa.field("graph", pa.string())]


SAMPLES = pa.schema([
    ("key", pa.string()), ("split", pa.string()), ("path", pa.string()), ("width", pa.int32()),
    ("height", pa.int32()), ("box", pa.list_(pa.int32())), ("sha256", pa.string()),
])  # fmt: skip
CAPTION_TEXTS = pa.schema([("caption_id", pa.string()), ("key", pa.string()), ("text", pa.string())])
REJECTS = pa.schema([("stage", pa.string()), ("where", pa.string()), ("what", pa.string()), ("why", pa.string())])
IMAGE_REFUSED = "its image was rejected: "
"""Prefix of the reason for a caption that was rejected with its image; the reason for the image follows."""
CONCEPTS = pa.schema([pa.field("caption_id", pa.string()), *_concepts(pa.string())])
TEXTS = pa.schema([("text", pa.string()), ("n_tokens", pa.int32()), ("truncated", pa.bool_())])
CAPTIONS = pa.schema([
    *CAPTION_TEXTS, pa.field("n_tokens", pa.int32()), pa.field("truncated", pa.bool_()), *_concepts(pa.int32()),
])  # fmt: skip
PHRASES = pa.schema([
    ("phrase", pa.int32()), ("kind", pa.string()), ("text", pa.string()), ("prompt", pa.string()),
    ("count", pa.int64()),
])  # fmt: skip


MOST_IN_GRAPH = 1000
"""Maximum number of entities, and of relations, in a scene graph; a caption that is parsed has at most 300 words."""


def files_of(info: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the names of the files of the cache with this cache.json; taps.h5 only if the cache has taps."""
    return FILES if "taps" in info else FILES[:-1]


def contents_of(info: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns all files of the cache except cache.json, which lists their sizes and checksums."""
    return tuple(name for name in files_of(info) if name != INFO)


def stages_of(info: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the stages that made the cache with this cache.json."""
    return STAGES if "taps" in info else STAGES[:-1]


@dataclass(frozen=True)
class ShardFormat:
    """The contents of a stage's shards: tables by schema; arrays by numpy type and number of axes.

    `rows`: for some arrays, the table that determines their number of rows, and a number to add.
    """

    tables: dict[str, pa.Schema]
    arrays: dict[str, tuple[str, int]]
    rows: dict[str, tuple[str, int]] = field(default_factory=dict)


INGESTED = {"samples": SAMPLES, "captions": CAPTION_TEXTS, "rejects": REJECTS}
SHARDS = {
    "ingest": ShardFormat(INGESTED, {"image": ("uint8", 4)}, {"image": ("samples", 0)}),
    "parse": ShardFormat({"concepts": CONCEPTS}, {}),
    "encode": ShardFormat(
        {"texts": TEXTS},
        {"sentence": ("float16", 2), "tokens": ("float16", 2), "offsets": ("int64", 1)},
        {"sentence": ("texts", 0), "offsets": ("texts", 1)},
    ),
    "taps": ShardFormat({}, {"taps": ("float16", 6)}),
}
ENCODED_IMAGES = ShardFormat(
    INGESTED, {"image": ("uint8", 1), "image_offsets": ("int64", 1)}, {"image_offsets": ("samples", 1)}
)
"""An ingest shard in which the images are concatenated encoded files."""
OFFSETS = {"offsets": "tokens", "image_offsets": "image"}
"""Arrays of offsets in shards, and the arrays that they index."""


def shard_format(stage: str, arrays: Collection[str]) -> ShardFormat:
    """Returns the format of a stage's shards; that of ingest depends on the names of the arrays."""
    return ENCODED_IMAGES if stage == "ingest" and "image_offsets" in arrays else SHARDS[stage]


def read_graph(text: str) -> dict[str, Any]:
    """Parses the `graph` of a caption. Raises UserError if it does not have the form in the module's docstring."""
    try:
        graph = json.loads(text)
        whole = max(len(graph["entities"]), len(graph["relations"])) <= MOST_IN_GRAPH
        whole = whole and all(
            isinstance(e["head"], str) and isinstance(e["attributes"], list) for e in graph["entities"]
        )
        whole = whole and all(isinstance(text, str) for entity in graph["entities"] for text in entity["attributes"])
        whole = whole and all((type(s), type(t), type(o)) == (int, str, int) for s, t, o in graph["relations"])
        known = range(-1, len(graph["entities"]))
        whole = whole and all(s in known and o in known for s, _, o in graph["relations"])
    except (ValueError, TypeError, KeyError, RecursionError):
        whole = False
    if not whole:
        raise UserError(f"{text[:60]!r} is not a scene graph with `entities` and `relations` between them")
    return graph


def null_columns(table: pa.Table) -> list[str]:
    """Returns the columns that contain a null at any depth, except `box` of samples, which may contain nulls."""
    return [name for name in table.column_names if name != "box" and _holds_null(table[name].combine_chunks())]


def _holds_null(column: pa.Array) -> bool:
    below: list[pa.Array] = []
    if pa.types.is_list(column.type):
        below = [column.flatten()]
    elif pa.types.is_struct(column.type):
        below = column.flatten()
    return column.null_count > 0 or any(map(_holds_null, below))


def split_counts(counts: Mapping[str, int]) -> str:
    """Formats image counts per split as "1,617 train, 125 val, 383 test"; val is left out if it is empty."""
    return ", ".join(f"{counts.get(split, 0):,} {split}" for split in SPLITS if split != "val" or counts.get(split))

"""Made-up datasets as plain Python rows, and their way through the three stages into a cache.

Run as a script (`python caches.py CACHE`) it makes `World(0)` there, resuming, with a line on stdout before each
step, so that a test knows when to kill it.
"""

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.cache_json import size_and_sha256, with_sha256
from hspcgan.pipeline.cache.partial.partial_cache import PartialCache
from hspcgan.pipeline.cache.partial.up_to_date import is_current

WIDTH, SIZE = 8, 6
TEMPLATES = {"entity": "a photo of a {}", "attribute": "a photo of something {}", "relation": "one thing {} another"}
INPUTS: dict[str, dict] = {
    "ingest": {"source": "abc", "data": {"image_size": SIZE, "seed": 0}},
    "parse": {"annotator": "spacy", "tools": {"spacy": "3.8"}},
    "encode": {"clip_sha256": "c" * 64, "templates": TEMPLATES},
}
INFO = {
    "clip": {"name": "made-up", "sha256": "c" * 64, "embed_dim": WIDTH, "context_length": 77},
    "templates": TEMPLATES,
    "tools": {"spacy": "3.8"},
    "parser": {"annotator": "spacy"},
}
GRAPH = '{"entities": [], "relations": []}'
Shard = tuple[dict[str, pa.Table], dict[str, np.ndarray], dict[str, int]]  # tables, arrays, stats
WORDS = ["bird", "branch", "tree", "Straße", "red", "{odd}", "person john", "on", "beak", "sky"]


def entity(phrase: str, word: int = 0, kind: str = "") -> dict[str, Any]:
    return {"phrase": phrase, "head": phrase.split()[-1], "start": word, "end": word + 3, "word": word, "type": kind}


def attribute(phrase: str, owner: int = -1, word: int = 0) -> dict[str, Any]:
    return {"phrase": phrase, "text": phrase, "entity": owner, "word": word}


def relation(phrase: str, subject: int = -1, object_: int = -1, word: int = 0) -> dict[str, Any]:
    return {"phrase": phrase, "text": phrase, "subject": subject, "object": object_, "word": word}


class World:
    """Rows as the stages hand them over: lists of shards, each a list of dicts; features are functions of the text.

    Shard 1 of the default holds rejects alone; the first caption has no concepts, and its text is a prompt as well; two
    captions of different shards have equal texts; some boxes are null.
    """

    def __init__(self, seed: int = 0, sizes: tuple[int, ...] = (4, 0, 5, 3), most_entities: int = 4) -> None:
        self.draw = np.random.default_rng(seed)
        self.samples: list[list[dict]] = []
        self.captions: list[list[dict]] = []
        self.concepts: list[list[dict]] = []
        self.rejects: list[list[dict]] = []
        self.images: list[np.ndarray] = []
        for shard, size in enumerate(sizes):
            keys = [f"k{shard}/{i}" for i in range(size)]
            self.samples.append([self._sample(key) for key in keys])
            self.captions.append(
                [
                    {"caption_id": f"{key}#{n}", "key": key, "text": f"caption {n} of {key}" + "ü" * len(key * n)}
                    for key in keys
                    for n in range(int(self.draw.integers(1, 4)))
                ]
            )
            self.concepts.append(
                [{"caption_id": row["caption_id"], **self._concepts(most_entities)} for row in self.captions[-1]]
            )
            self.rejects.append(
                [
                    {"stage": "ingest", "where": f"bad{shard}-{i}", "what": "image", "why": "empty"}
                    for i in range(size < 4)
                ]
            )
            self.images.append(self.draw.integers(0, 256, (size, 3, SIZE, SIZE), dtype=np.uint8))
        self.captions[0][0]["text"] = prompt("entity", "bird")
        self.concepts[0][0] |= {"entities": [], "attributes": [], "relations": []}
        for shard in (0, -1):
            self.captions[shard][-1]["text"] = "the same words"

    @classmethod
    def of(cls, *concepts: dict[str, Any]) -> "World":
        """One sample with these captions; missing columns are empty."""
        world = cls(sizes=(1,))
        texts = [f"caption {n}" for n in range(len(concepts))]
        world.captions = [[{"caption_id": f"k0/0#{n}", "key": "k0/0", "text": text} for n, text in enumerate(texts)]]
        empty = {"entities": [], "attributes": [], "relations": [], "graph": GRAPH}
        world.concepts = [[{"caption_id": f"k0/0#{n}", **empty, **row} for n, row in enumerate(concepts)]]
        world.rejects = [[]]
        return world

    def _sample(self, key: str) -> dict[str, Any]:
        box = [0, 0, *self.draw.integers(1, 7, 2).tolist()] if self.draw.random() < 0.5 else None
        digest = hashlib.sha256(key.encode()).hexdigest()
        split = "test" if self.draw.random() < 0.3 else "train"
        return {"key": key, "split": split, "path": key, "width": 9, "height": 7, "box": box, "sha256": digest}

    def _concepts(self, most: int) -> dict[str, Any]:
        count = int(self.draw.integers(0, most + 1))

        def some(upto: int) -> range:
            return range(int(self.draw.integers(0, upto + 1)))

        def word() -> str:
            return WORDS[int(self.draw.integers(len(WORDS)))]

        def end() -> int:
            return int(self.draw.integers(-1, count))

        return {
            "entities": [entity(word(), i, "PERSON" if i == 1 else "") for i in range(count)],
            "attributes": [attribute(word(), end(), i) for i in some(2 * most)],
            "relations": [relation(word(), end(), end(), i) for i in some(2 * most)],
            "graph": GRAPH,
        }

    @property
    def rows(self) -> list[dict]:
        """Captions with their concepts, in the cache's order."""
        pairs = zip(flat(self.captions), flat(self.concepts), strict=True)
        return [{**caption, **concepts} for caption, concepts in pairs]

    @property
    def phrases(self) -> list[tuple[str, str, int]]:
        """(kind, text, how often), by kind and text: what the cache must come to."""
        found = []
        for kind, column in (("entity", "entities"), ("attribute", "attributes"), ("relation", "relations")):
            texts = [item["phrase"] for row in self.rows for item in row[column]]
            found += [(kind, text, texts.count(text)) for text in sorted(set(texts))]
        return found


def flat(shards: list[list[dict]]) -> list[dict]:
    return [row for rows in shards for row in rows]


def prompt(kind: str, text: str) -> str:
    return TEMPLATES[kind].replace("{}", text)


def sentence(text: str) -> np.ndarray:
    """float16 [d], the made-up feature of a text."""
    return _random(text, "sentence", 1)[0]


def tokens(text: str) -> np.ndarray:
    """float16 [T, d], T from 3 to 7."""
    return _random(text, "tokens", 3 + len(text) % 5)


def truncated(text: str) -> bool:
    return len(text) % 3 == 0


def _random(text: str, what: str, rows: int) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256((what + text).encode()).digest()[:8], "big")
    return np.random.default_rng(seed).standard_normal((rows, WIDTH)).astype(np.float16)


def ingest_shard(world: World, i: int) -> Shard:
    tables = {
        "samples": pa.Table.from_pylist(world.samples[i], schema=schema.SAMPLES),
        "captions": pa.Table.from_pylist(world.captions[i], schema=schema.CAPTION_TEXTS),
        "rejects": pa.Table.from_pylist(world.rejects[i], schema=schema.REJECTS),
    }
    return tables, {"image": world.images[i]}, {"rows_in": sum(map(len, tables.values()))}


def parse_shard(world: World, i: int) -> Shard:
    return {"concepts": pa.Table.from_pylist(world.concepts[i], schema=schema.CONCEPTS)}, {}, {}


def encode_shard(captions: list[str], prompts: list[str]) -> Shard:
    texts = captions + prompts
    parts = [tokens(text) for text in captions] + [np.zeros((0, WIDTH), np.float16) for _ in prompts]
    rows = [{"text": text, "n_tokens": len(tokens(text)), "truncated": truncated(text)} for text in texts]
    arrays = {
        "sentence": np.array([sentence(text) for text in texts], dtype=np.float16).reshape(-1, WIDTH),
        "tokens": np.concatenate([np.zeros((0, WIDTH), np.float16), *parts]),
        "offsets": np.cumsum([0, *map(len, parts)]),
    }
    return {"texts": pa.Table.from_pylist(rows, schema=schema.TEXTS)}, arrays, {}


def run_stages(partial: PartialCache, world: World, upto: str = "encode", step: Callable[[str], Any] = str) -> None:
    """Does what is left of the stages up to `upto`; `step` is told before each write."""
    for stage in schema.STAGES[: schema.STAGES.index(upto) + 1]:
        partial.begin(stage, INPUTS[stage])
        if partial.is_complete(stage):
            continue
        if stage == "encode":
            captions, prompts = sorted_texts(partial, TEMPLATES)
            shards = [encode_shard(captions[i::3], prompts[i::3]) for i in range(3)]
        else:
            make = ingest_shard if stage == "ingest" else parse_shard
            shards = [make(world, i) for i in range(len(world.samples))]
        for i, shard in enumerate(shards):
            if not partial.has(stage, i):
                step(f"{stage} {i}")
                partial.write(stage, i, *shard)
        partial.complete(stage, len(shards))


def sorted_texts(partial: PartialCache, templates: dict[str, str]) -> tuple[list[str], list[str]]:
    """What is to be encoded: unique captions, and prompts that are no caption."""
    rows = [row for table in partial.unique_texts(templates) for row in table.to_pylist()]
    captions = sorted(row["text"] for row in rows if row["is_caption"])
    return captions, sorted(row["text"] for row in rows if not row["is_caption"])


def make_cache(path: Path, world: World, replace: bool = False, step: Callable[[str], Any] = str) -> Path:
    with PartialCache(path, replace) as partial:
        run_stages(partial, world, step=step)
        step("finish")
        return partial.finish(INFO)


def reseal(folder: Path, change: Callable[[dict[str, Any]], Any] = dict) -> None:
    """cache.json changed, and stating the files as they are now: a cache that was made wrong, not damaged later."""
    info = json.loads((folder / schema.INFO).read_text())
    info["files"] = {name: size_and_sha256(folder / name) for name in info["files"]}
    change(info)
    (folder / schema.INFO).write_text(json.dumps(with_sha256(info)))


def main() -> None:
    path = Path(sys.argv[1])
    if not is_current(path, INPUTS):
        make_cache(path, World(0), step=lambda line: print(line, flush=True))
    print("done", flush=True)


if __name__ == "__main__":
    main()

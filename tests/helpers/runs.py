"""A cache of random images and features, and a manifest of a small model on it, for the trainer's tests."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
import yaml
from helpers.caches import sorted_texts

from hspcgan.model.clip.frozen import load_clip
from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.partial.partial_cache import PartialCache
from hspcgan.pipeline.stages import taps
from hspcgan.pipeline.stages.encode import EncodeConfig
from hspcgan.pipeline.stages.run_stage import run_stage
from hspcgan.pipeline.stages.taps import TapsConfig
from hspcgan.train.run_folder import checkpoints

SIZE, WIDTH = 56, 32
TEMPLATES = {"entity": "a photo of a {}", "attribute": "a photo of something {}", "relation": "{}"}


def make_cache(
    path: Path,
    clip_path: Path,
    train: int = 13,
    test: int = 3,
    repeat_text: bool = True,
    views: Sequence[str] = (),
    n_tokens: Sequence[int] = (4,),
    keep_tokens: bool = True,
) -> Path:
    """`train` + `test` samples with two captions each; with `repeat_text` samples 0 and 1 share one caption's text.

    With `views` the cache holds CLIP features of these. Captions have `n_tokens` in turn. Without `keep_tokens`
    it has no token features, as with encode.tokens: false.
    """
    draw = np.random.default_rng(0)
    keys = [f"bird-{i:03d}" for i in range(train + test)]
    samples, captions, concepts = [], [], []
    for i, key in enumerate(keys):
        split = "train" if i < train else "test"
        samples.append(
            {
                "key": key,
                "split": split,
                "path": key,
                "width": SIZE,
                "height": SIZE,
                "box": None,
                "sha256": hashlib.sha256(key.encode()).hexdigest(),
            }
        )
        for n in range(2):
            text = "the same words" if repeat_text and i < 2 and n == 0 else f"caption {n} of bird {i}"
            captions.append({"caption_id": f"{key}#{n}", "key": key, "text": text})
            concepts.append(_concepts(f"{key}#{n}"))
    texts = sorted({row["text"] for row in captions})
    clip = load_clip(clip_path)
    with PartialCache(path) as partial:
        partial.begin("ingest", {"rows": train + test})
        partial.write(
            "ingest",
            0,
            {
                "samples": pa.Table.from_pylist(samples, schema=schema.SAMPLES),
                "captions": pa.Table.from_pylist(captions, schema=schema.CAPTION_TEXTS),
                "rejects": pa.Table.from_pylist([], schema=schema.REJECTS),
            },
            {"image": draw.integers(0, 256, (len(samples), 3, SIZE, SIZE), dtype=np.uint8)},
            {"rows_in": len(samples) + len(captions), "samples": len(samples)},
        )
        partial.complete("ingest", 1)
        partial.begin("parse", {})
        partial.write("parse", 0, {"concepts": pa.Table.from_pylist(concepts, schema=schema.CONCEPTS)})
        partial.complete("parse", 1)
        partial.begin("encode", {} if keep_tokens else {"tokens": False})
        texts, prompts = sorted_texts(partial, TEMPLATES)
        counts = [n_tokens[i % len(n_tokens)] for i in range(len(texts) + len(prompts))]
        lengths = [keep_tokens * n for n in counts[: len(texts)]] + [0] * len(prompts)
        rows = [{"text": text, "n_tokens": n, "truncated": False}
                for text, n in zip(texts + prompts, counts, strict=True)]  # fmt: skip
        partial.write(
            "encode",
            0,
            {"texts": pa.Table.from_pylist(rows, schema=schema.TEXTS)},
            {
                "sentence": draw.standard_normal((len(rows), WIDTH)).astype(np.float16),
                "tokens": draw.standard_normal((sum(lengths), WIDTH)).astype(np.float16),
                "offsets": np.cumsum([0, *lengths]).astype(np.int64),
            },
        )
        partial.complete("encode", 1)
        about = {"taps": _keep_taps(partial, clip_path, views)} if views else {}
        return partial.finish(
            {
                "clip": {"name": clip.name, "sha256": clip.sha256, "embed_dim": WIDTH, "context_length": 77},
                "templates": TEMPLATES,
                "tools": {},
                "parser": {"annotator": "spacy", "model": "", "spacy_model": "", "batch_size": 256, "alignment": {}},
                **about,
            }
        )


def _keep_taps(partial: PartialCache, clip_path: Path, views: Sequence[str]) -> dict:
    config, encode = TapsConfig(views=tuple(views)), EncodeConfig(clip=str(clip_path), device="cpu")
    run_stage(partial, taps.stage(config, encode))
    return taps.describe(config, encode)


def _concepts(caption_id: str) -> dict:
    return {
        "caption_id": caption_id,
        "entities": [
            {"phrase": "bird", "head": "bird", "start": 0, "end": 3, "word": 1, "type": ""},
            {"phrase": "branch", "head": "branch", "start": 4, "end": 8, "word": 2, "type": ""},
        ],
        "attributes": [{"phrase": "red", "text": "red", "entity": 0, "word": 0}],
        "relations": [{"phrase": "on", "text": "on", "subject": 0, "object": 1, "word": 2}],
        "graph": '{"entities": [], "relations": []}',
    }


MODEL = {
    "image_size": SIZE,
    "noise_dim": 8,
    "code_width": 4,
    "middle_width": 4,
    "adapter_blocks": 1,
    "channels": [16, 16, 8, 8, 8],
    "discriminator_width": 16,
    "head_width": 8,
}
TRAIN = {
    "steps": 6,
    "batch_size": 4,
    "ema": 0.9,
    "lr_generator": 1e-3,
    "lr_discriminator": 1e-3,
    "log_every": 2,
    "grid_every": 4,
    "grid_images": 3,
    "checkpoint_every": 3,
    "device": "cpu",
}


def write_manifest(folder: Path, cache: Path, clip_path: Path, **train: object) -> Path:
    """A manifest whose run folder is `folder`/run; keyword arguments replace settings of its train section."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "manifest.yaml"
    sections = {
        "name": "tiny",
        "cache": str(cache),
        "run": str(folder / "run"),
        "encode": {"clip": str(clip_path)},
        "model": MODEL,
        "train": TRAIN | train,
    }
    path.write_text(yaml.safe_dump(sections))
    return path


def read(folder: Path) -> dict:
    """The state of a run folder's last checkpoint."""
    path = checkpoints.latest(folder)
    assert path is not None
    return torch.load(path / "state.pt", weights_only=True)


def assert_equal(a: object, b: object) -> None:
    """Equal types, keys and values; tensors bit for bit."""
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_equal(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for left, right in zip(a, b, strict=True):
            assert_equal(left, right)
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b)
    else:
        assert a == b

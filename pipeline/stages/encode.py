"""Encodes each unique caption and phrase prompt once with the frozen CLIP's text encoder, as float16 features.

Legend: n texts (captions or prompts) in a batch, L tokens of the longest text, d width of CLIP's embedding.
"""

import functools
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
from pydantic import ConfigDict, Field, field_validator

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.validation import CheckedModel
from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.partial.partial_cache import PartialCache
from hspcgan.pipeline.manifest import ClipChoice, weights_path
from hspcgan.pipeline.stages import text_order
from hspcgan.pipeline.stages.executors import mapper_factory
from hspcgan.pipeline.stages.run_stage import Job, Shard, Stage
from hspcgan.pipeline.stages.unknown_words import warn_unknown

log = logging.getLogger("hspcgan.pipeline")

if TYPE_CHECKING:
    from hspcgan.model.clip.frozen import FrozenClip

BATCH_TEXTS = 128
SHARD_TEXTS = 16 * BATCH_TEXTS


class Templates(CheckedModel):
    """The prompt template for each kind of phrase; {} is replaced by the phrase."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    entity: str = Field(
        default="a photo of a {}",
        description="Text encoded for an entity; {} is its head noun, lemmatised. The default is the paper's.",
    )
    attribute: str = Field(default="a photo of something {}", description="Template for an attribute.")
    relation: str = Field(default="a photo of something {} something", description="Template for a relation.")

    @field_validator("entity", "attribute", "relation")
    @classmethod
    def _has_one_slot(cls, text: str) -> str:
        if text.count("{}") != 1 or "{" in text.replace("{}", "") or "}" in text.replace("{}", ""):
            raise UserError("a template must contain {} exactly once and no other brace")
        return text


class EncodeConfig(ClipChoice):
    """The manifest's `encode` section: the CLIP that encodes captions and phrases, and the prompt templates."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    templates: Templates = Field(default=Templates(), description="Prompt templates by kind of phrase.")
    tokens: bool = Field(
        True,
        description="Store token features of captions. If false, the cache is smaller, but only models without token "
        "features can use it (kind galip, or model.context: sentence).",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Device of the text encoder; auto uses a GPU if there is one."
    )
    processes: int = Field(1, ge=1, le=1_024, description="Worker processes, each with its own CLIP on one thread.")


@dataclass(frozen=True)
class Encoded:
    """Float16 features of texts, in order: sentence features [n, d], and token features [ΣT, d] of the captions."""

    n_tokens: np.ndarray  # [n] int32, including begin and end of text
    truncated: np.ndarray  # [n] bool
    sentence: np.ndarray  # [n, d] float16
    tokens: np.ndarray  # [ΣT, d] float16; [0, d] if encode.tokens is false
    offsets: np.ndarray  # [n + 1] int64; a prompt has no rows


def encode_texts(clip: "FrozenClip", texts: Sequence[str]) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """
    Returns raw sentence features float32 [n, d], token features as a list of float32 [tokens, d], and whether each text
    was truncated, bool [n].

    The context is trimmed to the longest text given, which is exact because CLIP's text attention is causal. Raises
    UserError naming the first text with features that are not finite.
    """
    import torch

    ids, truncated = clip.tokenize(texts)
    lengths = (ids.argmax(dim=-1) + 1).tolist()
    with torch.inference_mode():
        sentence, tokens = clip.encode_text(ids.to(clip.device))  # [n, d], [n, L, d]
    rows, table = sentence.float().cpu().numpy(), tokens.float().cpu().numpy()
    features = [table[i, :length] for i, length in enumerate(lengths)]
    limit = np.finfo(np.float16).max
    for text, row, part in zip(texts, rows, features, strict=True):
        # Comparisons with NaN are false, so this catches NaN, infinity and what float16 cannot hold.
        if not ((np.abs(row) <= limit).all() and (np.abs(part) <= limit).all()):
            raise UserError(
                f"CLIP {clip.name} computed features that are NaN, infinite or beyond float16 for {text[:80]!r}; "
                "its weights are damaged or are not CLIP weights"
            )
    return rows, features, truncated.numpy()


@functools.lru_cache(maxsize=1)
def cached_clip(path: Path, allow_unverified: bool, device: str) -> "FrozenClip":
    from hspcgan.model.clip.frozen import load_clip

    return load_clip(path, allow_unverified=allow_unverified).to(device)


def encode_shard(
    path: Path, allow_unverified: bool, device: str, keep_tokens: bool, batch: list[tuple[str, bool]]
) -> Encoded:
    """The mapper of the stage: encodes pairs (text, whether it is a caption), sorted by length, in fixed batches."""
    clip = cached_clip(path, allow_unverified, device)
    sentences, tokens, lengths, truncated = [], [], [], []
    sizes = [0]
    for start in range(0, len(batch), BATCH_TEXTS):
        part = batch[start : start + BATCH_TEXTS]
        rows, features, cut = encode_texts(clip, [text for text, _ in part])
        sentences.append(rows)
        lengths += [len(feature) for feature in features]
        truncated.append(cut)
        for feature, (_, is_caption) in zip(features, part, strict=True):
            sizes.append(len(feature) if is_caption and keep_tokens else 0)
            tokens.append(feature[: sizes[-1]])
    return Encoded(
        np.array(lengths, np.int32),
        np.concatenate(truncated),
        np.concatenate(sentences).astype(np.float16),
        np.concatenate(tokens).astype(np.float16),
        np.cumsum(sizes, dtype=np.int64),
    )


def pack(batch: list[tuple[str, bool]], encoded: Encoded) -> Shard:
    table = pa.table(
        {"text": [text for text, _ in batch], "n_tokens": encoded.n_tokens, "truncated": encoded.truncated},
        schema=schema.TEXTS,
    )
    arrays = {"sentence": encoded.sentence, "tokens": encoded.tokens, "offsets": encoded.offsets}
    return Shard({"texts": table}, arrays)


def pack_read(read: Callable[[int], list[tuple[str, bool]]], index: int, encoded: Encoded) -> Shard:
    """Reads the texts of a shard again, and packs them with their features."""
    return pack(read(index), encoded)


def stage(config: EncodeConfig) -> Stage:
    """Returns the encode stage for an `encode` section; raises UserError if the CLIP weights are missing or damaged."""
    path, device = weights_path(config.clip), device_of(config)
    clip = cached_clip(path, config.allow_unverified, device)  # first, so that damaged weights are an early error
    templates = config.templates.model_dump()

    def plan() -> str:
        return f"{config.clip} on {device}; " + " · ".join(f"“{text}”" for text in templates.values())

    def open_job(partial: PartialCache) -> Job:
        order = sort_by_length(clip, partial.unique_texts(templates), partial.scratch("encode"))
        warn_unknown(text_order.texts_of(order), path)
        read = functools.partial(text_order.read_shard, order.resolve())
        return Job(
            sizes=text_order.shard_sizes(order),
            part=int,
            read=read,
            make_mapper=mapper_factory(encode_shard, path, config.allow_unverified, device, config.tokens),
            pack=functools.partial(pack_read, read),
            processes=config.processes,
            needs=(path,),
        )

    return Stage("encode", "texts", inputs(config, clip), plan, open_job)


def inputs(config: EncodeConfig, clip: "FrozenClip") -> dict[str, Any]:
    """Returns everything that the features depend on, except the device, which changes only their rounding."""
    return {
        **({} if config.tokens else {"tokens": False}),
        "clip_sha256": clip.sha256,
        "templates": config.templates.model_dump(),
        "batch_texts": BATCH_TEXTS,
        "shard_texts": SHARD_TEXTS,
        "tools": {"openai-clip": version("openai-clip"), "torch": version("torch")},
    }


def describe(config: EncodeConfig) -> dict[str, Any]:
    """Returns the `clip` object of cache.json: name, sha256, embed_dim, context_length."""
    clip = cached_clip(weights_path(config.clip), config.allow_unverified, device_of(config))
    return {
        "name": clip.name,
        "sha256": clip.sha256,
        "embed_dim": clip.embed_dim,
        "context_length": clip.context_length,
    }


def device_of(config: EncodeConfig) -> str:
    """Returns the device that `encode.device` selects: "cpu" or "cuda"."""
    from hspcgan.model.clip.frozen import pick_device

    return str(pick_device(config.device, "encode.device"))


def sort_by_length(clip: "FrozenClip", texts: Iterable[pa.Table], folder: Path) -> Path:
    """Sorts texts by number of tokens, then by text, so that batches are reproducible and need little padding.

    See `write_order`.
    """
    captions = overlong = 0

    def lengths(table: pa.Table) -> np.ndarray:
        nonlocal captions, overlong
        ids, truncated = clip.tokenize(table["text"].to_pylist())
        is_caption = table["is_caption"].to_numpy()
        captions += int(is_caption.sum())
        overlong += int((truncated.numpy() & is_caption).sum())
        return (ids.argmax(dim=-1) + 1).numpy()

    order = text_order.write_order(texts, lengths, folder, SHARD_TEXTS)
    if overlong:
        log.warning(
            f"{overlong} of {captions} unique captions exceed CLIP's {clip.context_length} tokens; "
            "their features cover only the beginning (`truncated` in captions.parquet)"
        )
    return order

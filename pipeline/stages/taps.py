"""Computes taps, the discriminator's inputs: float16 patch features of views of each image, from the frozen CLIP.

Legend: n images of a shard, V views, T taps, D width of the image encoder, g patches per side.
"""

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ConfigDict, Field, field_validator

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.validation import CheckedModel
from hspcgan.pipeline.cache.arrays.image_store import shard_images
from hspcgan.pipeline.cache.fingerprint import code_of
from hspcgan.pipeline.cache.partial.add_taps import ExtendedCache
from hspcgan.pipeline.cache.partial.partial_cache import PartialCache
from hspcgan.pipeline.cache.partial.reader import ShardStore
from hspcgan.pipeline.cache.reader import Cache
from hspcgan.pipeline.manifest import weights_path
from hspcgan.pipeline.stages.encode import EncodeConfig, cached_clip, device_of
from hspcgan.pipeline.stages.executors import mapper_factory
from hspcgan.pipeline.stages.run_stage import Job, Shard, Stage

log = logging.getLogger("hspcgan.pipeline")

if TYPE_CHECKING:
    from hspcgan.model.clip.frozen import FrozenClip

BATCH_IMAGES = 64
CODE = ("hspcgan.model.image_views", "hspcgan.model.clip.block")
"""Modules that determine the exact features: the crops of views, and the pass through CLIP's blocks."""
ReadImages = Callable[[int], tuple[list[str], np.ndarray]]


class TapsConfig(CheckedModel):
    """The manifest's `taps` section: which CLIP features of the images are stored, for `train.cache_taps: disk`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    views: tuple[str, ...] = Field(
        (),
        description="Views of each image: whole, top-left, top-right, bottom-left, bottom-right (crops of 7/8 of each "
        "side), each also mirrored as NAME-flipped. If empty, no features are stored.",
    )
    blocks: tuple[int, ...] = Field(
        (1, 4, 8), description="CLIP blocks after which features are stored, numbered 0 to 11 as in model.taps."
    )

    @field_validator("views")
    @classmethod
    def _are_known_once(cls, views: tuple[str, ...]) -> tuple[str, ...]:
        from hspcgan.model.image_views import VIEWS

        if set(views) - set(VIEWS) or len(set(views)) < len(views):
            raise UserError(f"views must be among {', '.join(VIEWS)}, each at most once")
        return views


def view_taps(clip: "FrozenClip", images: np.ndarray, view: str, blocks: Sequence[int], device: str) -> np.ndarray:
    """Returns CLIP's patch features after `blocks` for a view of images uint8 [n, 3, H, H], float32 [n, T, D, g, g]."""
    import torch

    from hspcgan.model.image_views import view_pixels

    with torch.inference_mode():
        taps = clip.taps_only(view_pixels(images, view).to(device), blocks)
    return torch.stack(taps, dim=1).cpu().numpy()


def tap_shard(
    path: Path,
    allow_unverified: bool,
    device: str,
    views: Sequence[str],
    blocks: Sequence[int],
    batch: tuple[list[str], np.ndarray],
) -> np.ndarray:
    """The mapper of the stage: converts keys and images uint8 [n, 3, H, H] to taps float16 [n, V, T, D, g, g].

    Raises UserError naming the first image and view with features that are not finite in float16.
    """
    from hspcgan.model.clip.block import fold_quick_gelu

    clip = cached_clip(path, allow_unverified, device)
    fold_quick_gelu(clip.network.visual)  # as in training, for equal bits; the text encoder is unchanged
    keys, images = batch
    taps = np.empty((len(images), len(views), len(blocks), clip.width, clip.grid, clip.grid), np.float16)
    for start in range(0, len(images), BATCH_IMAGES):
        part = slice(start, start + BATCH_IMAGES)
        for number, view in enumerate(views):
            found = view_taps(clip, images[part], view, blocks, device)
            held = (np.abs(found) <= np.finfo(np.float16).max).all(axis=(1, 2, 3, 4))  # False for NaN
            if not held.all():
                raise UserError(
                    f"CLIP {clip.name} computed features that are NaN, infinite or beyond float16 for the view {view} "
                    f"of {keys[start + int(held.argmin())]!r}; its weights are damaged or are not CLIP weights"
                )
            taps[part, number] = found
    return taps


def stage(config: TapsConfig, encode: EncodeConfig) -> Stage:
    """Returns the taps stage for a `taps` section with views; raises UserError if the CLIP lacks the blocks."""
    path, device = weights_path(encode.clip), device_of(encode)
    clip, about = cached_clip(path, encode.allow_unverified, device), describe(config, encode)
    kilobytes = 2 * len(config.views) * len(about["blocks"]) * clip.width * clip.grid**2 / 1e3

    def plan() -> str:
        return f"{', '.join(config.views)}: after blocks {about['blocks']} on {device}; {kilobytes:,.0f} KB per image"

    def open_job(partial: PartialCache) -> Job:
        sizes, read = _finished_images(partial) if isinstance(partial, ExtendedCache) else _ingested_images(partial)
        return Job(
            sizes=sizes,
            part=int,
            read=read,
            make_mapper=mapper_factory(tap_shard, path, encode.allow_unverified, device, config.views, about["blocks"]),
            pack=_pack,
            processes=encode.processes,
            needs=(path,),
        )

    inputs = {
        **about,
        "batch_images": BATCH_IMAGES,
        "code": code_of(CODE),
        "tools": {name: version(name) for name in ("openai-clip", "torch")},
    }
    return Stage("taps", "images", inputs, plan, open_job)


def _pack(_: int, taps: np.ndarray) -> Shard:
    return Shard({}, {"taps": taps})


def _ingested_images(partial: PartialCache) -> tuple[list[int], ReadImages]:
    """Returns the sample count of each ingest shard, and a function that reads the keys and images of a shard."""
    read = functools.partial(_read_ingested, ShardStore(partial.target.resolve()))
    return [stats["samples"] for stats in partial.stats("ingest")], read


def _read_ingested(store: ShardStore, index: int) -> tuple[list[str], np.ndarray]:
    tables, arrays = store.read("ingest", index, only=["samples", "image", "image_offsets"])
    return tables["samples"]["key"].to_pylist(), np.array(shard_images(arrays)[:])


def _finished_images(extended: ExtendedCache) -> tuple[list[int], ReadImages]:
    """Like `_ingested_images`, for a finished cache: each ingest shard is a row group of samples.parquet."""
    cache, sizes = extended.finished, extended.finished.sample_shards()
    return sizes, functools.partial(_read_finished, cache.path.resolve(), np.cumsum([0, *sizes]).tolist())


def _read_finished(path: Path, ends: Sequence[int], index: int) -> tuple[list[str], np.ndarray]:
    cache, rows = _opened(path), slice(ends[index], ends[index + 1])
    return cache.samples["key"][rows].to_pylist(), np.array(cache.images[rows])


@functools.lru_cache(maxsize=1)
def _opened(path: Path) -> Cache:
    return Cache(path)


def describe(config: TapsConfig, encode: EncodeConfig) -> dict[str, Any]:
    """Returns the `taps` object of cache.json: clip_sha256, views, 0-based blocks. Raises UserError like `stage`."""
    clip = cached_clip(weights_path(encode.clip), encode.allow_unverified, device_of(encode))
    try:
        blocks = _scaled(config.blocks, clip)
    except ValueError as error:
        raise UserError(
            f"taps.blocks is {list(config.blocks)}, expected increasing numbers within 0..11; they are scaled from 12 "
            f"blocks to the {clip.layers} of CLIP {clip.name} and must stay distinct; use the value of model.taps"
        ) from error
    return {"clip_sha256": clip.sha256, "views": list(config.views), "blocks": blocks}


def warn_other_blocks(config: TapsConfig, encode: EncodeConfig, model: Mapping[str, Any] | None) -> None:
    """Logs one warning if the manifest has a `model` section that reads different blocks than `taps` stores."""
    from hspcgan.model.config import ModelConfig

    if model is None:
        return
    read = model.get("taps", list(ModelConfig.model_fields["taps"].default))
    clip = cached_clip(weights_path(encode.clip), encode.allow_unverified, device_of(encode))
    try:
        same = _scaled(read, clip) == _scaled(config.blocks, clip)
    except ValueError:  # in model.taps; `train` raises the full message
        same = False
    if not same:
        log.warning(
            f"taps.blocks is {list(config.blocks)}, but model.taps is {read}: training with "
            "train.cache_taps: disk will reject this cache; set taps.blocks to model.taps"
        )


def _scaled(blocks: Any, clip: "FrozenClip") -> list[int]:
    """Scales block numbers of a 12-layer CLIP to this CLIP; raises UserError for invalid numbers."""
    from hspcgan.model.config import ModelConfig

    return ModelConfig.model_validate({"taps": blocks}).tap_blocks(clip.layers)

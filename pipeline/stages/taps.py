"""Taps: each image's views once through the frozen CLIP's image tower → the patch features that D reads, float16.

Legend: n images of a shard, V views, T taps, D width of the image tower, g patches per side.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.cache.fingerprint import code_of
from hspcgan.pipeline.cache.image_store import shard_images
from hspcgan.pipeline.cache.partial.add_taps import ExtendedCache
from hspcgan.pipeline.cache.partial.partial_cache import PartialCache
from hspcgan.pipeline.manifest import weights_path
from hspcgan.pipeline.stages.encode import EncodeConfig, cached_clip, device_of
from hspcgan.pipeline.stages.engines import mapper_factory
from hspcgan.pipeline.stages.run_stage import Job, Shard, Stage

log = logging.getLogger("hspcgan.pipeline")

if TYPE_CHECKING:
    from hspcgan.model.clip.frozen import FrozenClip

BATCH_IMAGES = 64
CODE = ("hspcgan.model.image_views", "hspcgan.model.clip.block")
"""Modules that decide the features' bits: the crops of views, and the pass through CLIP's blocks."""
ReadImages = Callable[[int], tuple[list[str], np.ndarray]]


class TapsConfig(BaseModel):
    """The manifest's `taps` section: which CLIP features of the images are kept, for `train.cache_taps: disk`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    views: tuple[str, ...] = Field(
        (),
        description="whole, top-left, top-right, bottom-left, bottom-right (crops of 7/8 of each side), each also "
        "mirrored as NAME-flipped; none: no features are kept.",
    )
    blocks: tuple[int, ...] = Field((1, 4, 8), description="CLIP blocks, numbered for 12 layers, as model.taps is.")

    @field_validator("views")
    @classmethod
    def _are_known_once(cls, views: tuple[str, ...]) -> tuple[str, ...]:
        from hspcgan.model.image_views import VIEWS

        if set(views) - set(VIEWS) or len(set(views)) < len(views):
            raise UserError(f"views are of {', '.join(VIEWS)}, each at most once")
        return views


def view_taps(clip: "FrozenClip", images: np.ndarray, view: str, blocks: Sequence[int], device: str) -> np.ndarray:
    """CLIP's patch features after `blocks` of one view of images uint8 [n, 3, H, H]; float32 [n, T, D, g, g]."""
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
    """The stage's mapper: keys and images uint8 [n, 3, H, H] → float16 [n, V, T, D, g, g].

    Raises UserError naming the first image and view whose features are not finite in float16.
    """
    from hspcgan.model.clip.block import fold_quick_gelu

    clip = cached_clip(path, allow_unverified, device)
    fold_quick_gelu(clip.network.visual)  # as training does, for the same bits; encode's text tower stays as it is
    keys, images = batch
    taps = np.empty((len(images), len(views), len(blocks), clip.width, clip.grid, clip.grid), np.float16)
    for start in range(0, len(images), BATCH_IMAGES):
        part = slice(start, start + BATCH_IMAGES)
        for number, view in enumerate(views):
            found = view_taps(clip, images[part], view, blocks, device)
            held = (np.abs(found) <= np.finfo(np.float16).max).all(axis=(1, 2, 3, 4))  # False where there is a NaN
            if not held.all():
                raise UserError(
                    f"CLIP {clip.name} gave features that are NaN, infinite or beyond float16 for the view {view} of "
                    f"{keys[start + int(held.argmin())]!r}; its weights are damaged or not CLIP's"
                )
            taps[part, number] = found
    return taps


def stage(config: TapsConfig, encode: EncodeConfig) -> Stage:
    """The taps stage of a `taps` section with views; raises UserError for blocks that the CLIP does not have."""
    path, device = weights_path(encode.clip), device_of(encode)
    clip, about = cached_clip(path, encode.allow_unverified, device), describe(config, encode)
    kilobytes = 2 * len(config.views) * len(about["blocks"]) * clip.width * clip.grid**2 / 1e3

    def plan() -> str:
        return f"{', '.join(config.views)}: after blocks {about['blocks']} on {device}; {kilobytes:,.0f} KB an image"

    def open_job(partial: PartialCache) -> Job:
        sizes, read = _finished_images(partial) if isinstance(partial, ExtendedCache) else _ingested_images(partial)
        return Job(
            sizes=sizes,
            read=read,
            make_mapper=mapper_factory(tap_shard, path, encode.allow_unverified, device, config.views, about["blocks"]),
            pack=lambda _, taps: Shard({}, {"taps": taps}),
            processes=encode.processes,
        )

    inputs = {
        **about,
        "batch_images": BATCH_IMAGES,
        "code": code_of(CODE),
        "tools": {name: version(name) for name in ("openai-clip", "torch")},
    }
    return Stage("taps", "images", inputs, plan, open_job)


def _ingested_images(partial: PartialCache) -> tuple[list[int], ReadImages]:
    """Samples in each shard of ingest, and a function from a shard's index to its keys and images."""

    def read(index: int) -> tuple[list[str], np.ndarray]:
        tables, arrays = partial.read("ingest", index, only=["samples", "image", "image_offsets"])
        return tables["samples"]["key"].to_pylist(), np.array(shard_images(arrays)[:])

    return [stats["samples"] for stats in partial.stats("ingest")], read


def _finished_images(extended: ExtendedCache) -> tuple[list[int], ReadImages]:
    """The same for a finished cache, where each shard of ingest is a row group of samples.parquet."""
    cache, sizes = extended.finished, extended.finished.sample_shards()
    ends = np.cumsum(sizes)

    def read(index: int) -> tuple[list[str], np.ndarray]:
        rows = slice(int(ends[index]) - sizes[index], int(ends[index]))
        return cache.samples["key"][rows].to_pylist(), np.array(cache.images[rows])

    return sizes, read


def describe(config: TapsConfig, encode: EncodeConfig) -> dict[str, Any]:
    """The `taps` object of cache.json: clip_sha256, views, blocks (0-based, of this CLIP); UserError like `stage`."""
    clip = cached_clip(weights_path(encode.clip), encode.allow_unverified, device_of(encode))
    try:
        blocks = _scaled(config.blocks, clip)
    except ValueError as error:
        raise UserError(
            f"taps.blocks is {list(config.blocks)}, expected numbers that rise within 0..11: written for 12 blocks, "
            f"they are scaled to the {clip.layers} of CLIP {clip.name}, where no two may meet; set it as model.taps is"
        ) from error
    return {"clip_sha256": clip.sha256, "views": list(config.views), "blocks": blocks}


def warn_other_blocks(config: TapsConfig, encode: EncodeConfig, model: Mapping[str, Any] | None) -> None:
    """One warning line when the manifest's `model` section, if it has one, reads other blocks than `taps` keeps."""
    from hspcgan.model.config import ModelConfig

    if model is None:
        return
    read = model.get("taps", list(ModelConfig.model_fields["taps"].default))
    clip = cached_clip(weights_path(encode.clip), encode.allow_unverified, device_of(encode))
    try:
        same = _scaled(read, clip) == _scaled(config.blocks, clip)
    except ValueError:  # of model.taps; `train` raises the full message
        same = False
    if not same:
        log.warning(
            f"taps.blocks is {list(config.blocks)}, but model.taps is {read}: training with "
            "train.cache_taps: disk will refuse this cache; set taps.blocks to model.taps"
        )


def _scaled(blocks: Any, clip: "FrozenClip") -> list[int]:
    """0-based blocks of this CLIP by their numbers for 12 layers; UserError where there are none such."""
    from hspcgan.model.config import ModelConfig

    return ModelConfig.model_validate({"taps": blocks}).tap_blocks(clip.layers)

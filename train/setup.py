"""Builds a training run from a manifest: frozen CLIP, networks, optimizers and batches. Writes nothing."""

import logging
from contextlib import AbstractContextManager
from copy import deepcopy
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from hspcgan.model.checkpoint import load
from hspcgan.model.clip.block import fold_quick_gelu
from hspcgan.model.clip.frozen import FrozenClip, load_clip
from hspcgan.model.common.errors import UserError
from hspcgan.model.common.files import require_outside_cache, require_writable
from hspcgan.model.config import ModelConfig
from hspcgan.model.networks.build import build
from hspcgan.model.networks.discriminator import Discriminator, Head
from hspcgan.model.networks.generator import Generator
from hspcgan.pipeline.cache.cache_set import open_cache
from hspcgan.pipeline.cache.reader import Cache
from hspcgan.pipeline.cache.schema import CAPTIONS_FILE
from hspcgan.pipeline.manifest import ClipChoice, Manifest, require_manifest, weights_path
from hspcgan.train.config import FREE_ON_RESUME, TrainConfig
from hspcgan.train.data import Batches
from hspcgan.train.distributed import World
from hspcgan.train.process import ownership
from hspcgan.train.step.augment import signed
from hspcgan.train.step.batch import Batch
from hspcgan.train.step.finite import FiniteCheck
from hspcgan.train.step.word_swaps import WordSwaps

log = logging.getLogger("hspcgan.train")


@dataclass
class Run:
    """All objects of a training run in memory: settings, cache, networks, optimizers, batches."""

    manifest: Manifest
    folder: Path
    config: TrainConfig
    model_config: ModelConfig
    world: World
    cache: Cache
    clip: FrozenClip
    generator: Generator
    discriminator: Discriminator
    head: Head
    average: Generator | None  # moving average of the generator's weights; None if train.ema is 0
    optimizer_g: torch.optim.Optimizer
    optimizer_d: torch.optim.Optimizer
    batches: Batches
    tap_blocks: list[int]
    finite: FiniteCheck

    def autocast(self) -> AbstractContextManager:
        return torch.autocast(self.world.device.type, torch.bfloat16, enabled=self.config.precision == "bf16")

    def real_taps(self, batch: Batch) -> list[Tensor]:
        """Returns frozen CLIP features of the real images of a batch, each [b, D, g, g] float32, detached."""
        if batch.taps is not None:
            return [tap.float() for tap in batch.taps]
        return self.image_taps(batch.images)

    def taps_of_pixels(self, pixels: Tensor) -> list[Tensor]:
        """Returns the features that `image_taps` returns, for images uint8 [b, 3, H, W]."""
        return self.image_taps(signed(pixels.to(self.world.device)))

    @torch.no_grad()
    def image_taps(self, images: Tensor) -> list[Tensor]:
        """Returns frozen CLIP features of images [b, 3, H, W] in [−1, 1]: each [b, D, g, g] float32, on the device."""
        with self.autocast():
            taps = self.clip.taps_only(images, self.tap_blocks)
        return [tap.float() for tap in taps]

    @property
    def sampling_generator(self) -> Generator:
        """The generator for sampling: the moving average if there is one, otherwise the current weights."""
        return self.generator if self.average is None else self.average

    def fixed_settings(self) -> dict[str, object]:
        """Returns every setting that must not change when the run is resumed, by dotted name, as JSON values."""
        sections = {
            "train": self.config.model_dump(mode="json", exclude=set(FREE_ON_RESUME)),
            "model": self.model_config.model_dump(mode="json"),
            "cache": {"fingerprint": self.cache.info["fingerprint"]},
            "clip": {"sha256": self.clip.sha256},
        }
        return {f"{section}.{key}": value for section, keys in sections.items() for key, value in keys.items()}


def build_run(manifest: Manifest, world: World) -> Run:
    """Loads, checks and builds everything that this process needs to train with a manifest.

    Raises:
        UserError: an invalid section, a missing package, a missing or damaged cache, a cache made with another CLIP,
            or sizes that do not match.
    """
    require_manifest(manifest)
    config = with_precision(manifest.section("train", TrainConfig), world.device)
    require_outside_cache(manifest.run)
    if not manifest.run.is_dir():
        require_writable(manifest.run)  # a finished run on a read-only disk can be read
    if world.is_main:
        ownership.require_own_folder(manifest.run, ownership.RUN)
        require_wandb(config)
    model_config = manifest.section("model", ModelConfig)
    cache = open_cache(manifest.caches)
    chosen = manifest.section("encode", ClipChoice)
    clip = load_clip(weights_path(chosen.clip), chosen.allow_unverified)
    fold_quick_gelu(clip.network)  # as for taps.h5; text features and imported weights are computed without it
    clip = clip.with_input(model_config.clip_input)
    cache.require_clip(clip.sha256)
    _require_fit(manifest, cache, config, model_config)
    batches = Batches(
        cache,
        config.batch_size,
        config.seed,
        model_config.noise_dim,
        flip=config.flip,
        shift=config.shift,
        n_entities=model_config.locals,
        rank=world.rank,
        size=world.size,
        parts=config.accumulate,
        swaps=_word_swaps(config, cache, clip),
    )
    tap_blocks = model_config.tap_blocks(clip.layers)
    if config.cache_taps == "disk":
        batches.use_cached_taps(tap_blocks, clip.width, clip.grid)

    if world.device.type == "cuda":
        set_gpu_math(config.tf32)
    torch.manual_seed(config.seed)
    generator, discriminator, head = _networks(config, model_config, clip, cache)
    clip.to(world.device)
    for network in (generator, discriminator, head):
        network.to(world.device)
    average = deepcopy(generator).requires_grad_(False) if config.ema else None
    if config.compile:
        generator.compile(backend=config.compile)
    return Run(
        manifest=manifest,
        folder=manifest.run,
        config=config,
        model_config=model_config,
        world=world,
        cache=cache,
        clip=clip,
        generator=generator,
        discriminator=discriminator,
        head=head,
        average=average,
        optimizer_g=_adam([generator], config.lr_generator, config),
        optimizer_d=_adam([discriminator, head], config.lr_discriminator, config),
        batches=batches,
        tap_blocks=tap_blocks,
        finite=FiniteCheck(world),
    )


def with_precision(config: TrainConfig, device: torch.device) -> TrainConfig:
    """Returns the config with `precision: auto` replaced by fp32 or bf16; warns if bf16 is slow on the device."""
    if config.precision == "fp32":
        return config
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    if config.precision == "auto":
        return config.model_copy(update={"precision": "bf16" if fast else "fp32"})
    if not fast:
        log.warning("this %s emulates bf16, which is slow; set train.precision: auto or fp32", device.type.upper())
    return config


def set_gpu_math(tf32: bool) -> None:
    """Switches TF32 on or off for GPUs, and lets cuDNN search for the fastest convolution of each shape.

    With TF32, inputs of float32 matrix products and convolutions are rounded to a 10-bit mantissa.
    """
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True


def _networks(
    config: TrainConfig, model_config: ModelConfig, clip: FrozenClip, cache: Cache
) -> tuple[Generator, Discriminator, Head]:
    """Builds networks with random weights, or loads `train.initial`, which must have the same settings and CLIP."""
    if config.initial is None:
        return build(model_config, clip, cache.phrase_mean)
    from hspcgan.evaluate.checkpoints import find_checkpoint

    try:
        path = find_checkpoint(config.initial)
    except UserError as error:
        raise UserError(f"train.initial: {error}") from error
    loaded = load(path, clip)
    if loaded.config != model_config:
        ours, theirs = model_config.model_dump(), loaded.config.model_dump()
        differing = ", ".join(
            f"{key}: {theirs[key]} in the checkpoint, {ours[key]} here" for key in ours if ours[key] != theirs[key]
        )
        raise UserError(f"train.initial: {path} has other model settings ({differing}); change the model section")
    return loaded.generator.train(), loaded.discriminator.train(), loaded.head.train()


def _word_swaps(config: TrainConfig, cache: Cache, clip: FrozenClip) -> WordSwaps | None:
    if not config.swap_words:
        return None
    return WordSwaps(config.swap_words, cache.column(CAPTIONS_FILE, "text"), clip.tokenize)


def _require_fit(manifest: Manifest, cache: Cache, config: TrainConfig, model_config: ModelConfig) -> None:
    """Raises UserError if text settings, image size or CLIP input of the cache are not those of the manifest."""
    if model_config.prompts != "fc":
        cache.require_texts(manifest.texts, manifest.name)
    if model_config.reads_tokens:
        cache.require_tokens(f"the model of {manifest.name}")
    if cache.images.shape[-1] != model_config.image_size:
        raise UserError(
            f"model.image_size is {model_config.image_size}, but the images in {cache.path} have "
            f"{cache.images.shape[-1]} pixels per side; set model.image_size to this size, or prepare another cache"
        )
    if config.cache_taps == "disk" and model_config.clip_input != "exact":
        raise UserError(
            f"model.clip_input is {model_config.clip_input}, but the taps that the setting `train.cache_taps: disk` "
            "reads were computed with clip_input exact; set train.cache_taps to true or false"
        )


def require_wandb(config: TrainConfig) -> None:
    """Raises UserError if train.wandb is set and Weights & Biases is not installed."""
    if config.wandb and find_spec("wandb") is None:
        raise UserError(
            "train.wandb is set, but wandb is not installed; run `pip install wandb`, or remove train.wandb"
        )


def _adam(networks: list[nn.Module], lr: float, config: TrainConfig) -> torch.optim.Optimizer:
    parameters = [p for network in networks for p in network.parameters() if p.requires_grad]
    return torch.optim.Adam(parameters, lr=lr, betas=config.betas, fused=True)

"""Computes the plan that `train` prints (parameters, memory, steps) from sizes only, without cache or weights."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from hspcgan.model.clip.frozen import FrozenClip, load_clip
from hspcgan.model.common.printable import format_count
from hspcgan.model.common.user_files import kind_of
from hspcgan.model.condition import Condition
from hspcgan.model.config import ModelConfig
from hspcgan.model.meta_device import OPENAI, meta_clip, meta_like, meta_networks
from hspcgan.pipeline.manifest import ClipChoice, Manifest, weights_path
from hspcgan.train.config import TrainConfig
from hspcgan.train.distributed import World
from hspcgan.train.run_folder import checkpoints
from hspcgan.train.setup import Run, require_wandb, with_precision
from hspcgan.train.step import losses

STATE_BYTES = 16  # per trainable parameter: weight, gradient and Adam's two moments, float32 each
GB = 1e9
LARGE = 8 * GB  # RAM for cached taps above which the plan suggests cache_taps: disk


@dataclass(frozen=True)
class Memory:
    """Peak memory of one process during a step, in bytes; workspaces and fragmentation are not counted."""

    training: int  # trainable weights, their gradients and optimizer state, the moving average
    frozen: int  # CLIP
    activations: int  # kept for backward

    @property
    def total(self) -> int:
        return self.training + self.frozen + self.activations


def missing(manifest: Manifest) -> list[str]:
    """Returns what is missing before training can start: one line each, with the command that provides it."""
    lines = []
    for folder in manifest.caches:
        if not (folder / "cache.json").is_file():
            of_several = f" -o cache={folder}" if len(manifest.caches) > 1 else ""
            fix = f"build it with `hspcgan prepare {manifest.ref}{of_several}`"
            if os.path.lexists(folder) and not folder.is_dir():
                fix = f"it is {kind_of(folder)}, expected a folder; give another `cache:`"
            lines.append(f"no cache at {folder}; {fix}")
    config = manifest.section("train", TrainConfig)
    chosen = manifest.section("encode", ClipChoice)
    for check in (lambda: weights_path(chosen.clip), lambda: require_wandb(config)):
        try:
            check()
        except ValueError as error:
            lines.append(str(error))
    return lines


def plan_lines(manifest: Manifest, world: World, run: Run | None = None) -> list[str]:
    """Returns the lines of the plan; without `run`, they are computed from sizes only and do not describe the data.

    Raises:
        UserError: an invalid section, sizes that do not match, a CLIP that is neither on disk nor from OpenAI.
    """
    config = with_precision(manifest.section("train", TrainConfig), world.device)
    model = manifest.section("model", ModelConfig)
    clip = _clip_sizes(manifest) if run is None else meta_like(run.clip)
    networks, memory = meta_networks(model, clip), step_memory(model, config, clip, world.size)
    g, d, head = (f"{_parameters(network) / 1e6:.2f} M" for network in networks)
    rows, images = config.batch_size // world.size // config.accumulate, config.steps * config.batch_size
    extras = (
        [config.precision]
        + ["TF32"] * config.tf32
        + ["compiled"] * bool(config.compile)
        + ["EMA"] * (config.ema > 0)
        + {False: [], True: ["cached taps"], "disk": ["taps from disk"]}[config.cache_taps]
    )
    parts = f", in {config.accumulate} parts" if config.accumulate > 1 else ""
    kind = ", in float32; bf16 takes less" if config.precision == "bf16" else ""
    hardest = f" ({config.hardest})" if "mis" in config.mining else ""
    images_known = None if run is None else len(run.batches.samples)
    cached = [cached_taps_line(tap_bytes(model, clip), images_known)] if config.cache_taps is True else []
    lines = [
        f"{manifest.name}: {model.kind} at {model.image_size} px, frozen CLIP {clip.name}",
        f"prompts: {model.prompts}, {model.slots} from block {model.prompted_blocks(clip.layers)[0]} on, {model.gate}",
        f"parameters: G {g}, D {d}, head {head}",
        f"memory: about {memory.total / GB:.1f} GB per process: {memory.training / GB:.1f} weights, gradients and "
        f"optimizer, {memory.frozen / GB:.1f} CLIP, {memory.activations / GB:.1f} activations of "
        f"{format_count(rows, 'image')}{kind}",
        *cached,
        f"steps: {config.steps} of {config.batch_size} images on {world.size} × {world.device.type}{parts}: "
        f"{format_count(images, 'image')} in total",
        f"loss: {config.loss}, mining {config.mining}{hardest}; {', '.join(extras)}",
        f"run folder: {manifest.run}",
    ]
    if run is not None:
        count, unseen = len(run.batches.samples), len(run.cache.split_rows("test"))
        few = f"; only {format_count(unseen, 'test image')}, but `hspcgan evaluate` needs 4" if unseen < 4 else ""
        lines[-1:-1] = [
            f"data: {format_count(count, 'training image')}, {format_count(run.batches.caption_count, 'caption')} from "
            f"{run.cache.path}; {count / config.batch_size:.1f} steps per epoch, {images / count:.1f} epochs"
            + (f"; views {', '.join(run.batches.views)}" if len(run.batches.views) > 1 else "")
            + few
        ]
    return lines


def tap_bytes(model: ModelConfig, clip: FrozenClip) -> int:
    """Returns the number of bytes of RAM that `cache_taps: true` needs per image: float16 [T, D, g, g]."""
    return 2 * len(model.tap_blocks(clip.layers)) * clip.width * clip.grid**2


def cached_taps_line(of_one: int, images: int | None) -> str:
    """Returns the line about the RAM for `cache_taps: true`.

    `of_one` is the number of bytes per image; `images` is the number of images, None if it is unknown.
    """
    total = "" if images is None else f"{images * of_one / GB:.1f} GB, "
    hint = "; cache_taps: disk with taps.views needs no RAM" if images is None or images * of_one > LARGE else ""
    return f"cached taps: + {total}{of_one / 1e6:.3f} MB per image in the RAM of each process{hint}"


def resume_lines(run: Run) -> list[str]:
    """Returns a line with the step from which the run resumes; no line if there is no checkpoint.

    Raises UserError if the checkpoint is damaged or does not match the run.
    """
    path, steps = checkpoints.latest(run.folder), run.config.steps
    if path is None:
        return []
    step = checkpoints.load_state(path, run)["step"]
    return [f"resumes at step {step} of {steps}" if step < steps else f"already complete: {format_count(step, 'step')}"]


def step_memory(model: ModelConfig, config: TrainConfig, clip: FrozenClip, processes: int = 1) -> Memory:
    """Computes the peak memory of one step in float32 (also if bf16 is set); `clip` must be on the meta device."""
    networks = generator, discriminator, head = meta_networks(model, clip)
    rows, taps = config.batch_size // processes // config.accumulate, model.tap_blocks(clip.layers)
    with torch.device("meta"):
        noise, sentence = torch.empty(rows, model.noise_dim), torch.empty(rows, clip.embed_dim)
        real = [torch.empty(rows, clip.width, clip.grid, clip.grid, requires_grad=True) for _ in taps]
        e = torch.empty(rows, clip.embed_dim, requires_grad=True)

    def generate() -> tuple[list[Tensor], Tensor]:
        condition = Condition.of_sentence(sentence, model.slots.count("L"))
        return clip.image_taps(generator(noise, condition), taps)

    def discriminate() -> list[Tensor]:
        features = discriminator(real)
        score = head(features, e)
        fake = head(discriminator([tap.detach() for tap in real]), sentence)
        return [losses.matching_aware_penalty(score, real, e), head(features, sentence), fake]

    frozen = [*networks, clip]
    of_g, of_d = saved_bytes(generate, frozen), saved_bytes(discriminate, frozen)
    trainable = sum(_parameters(network) for network in networks)
    average = 4 * _parameters(generator) if config.ema else 0
    return Memory(
        training=STATE_BYTES * trainable + average,
        frozen=4 * sum(p.numel() for p in clip.parameters()),
        activations=of_g + of_d,
    )


def saved_bytes(compute: Callable[[], object], networks: list[nn.Module]) -> int:
    """Returns the bytes that autograd saves for the backward pass of `compute`, except the weights of the networks."""
    weights = {p.untyped_storage()._cdata for network in networks for p in network.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        result = compute()  # keeps every storage alive until the sum is computed
        total = sum(storage.nbytes() for key, storage in kept.items() if key not in weights)
    del result
    return total


def _clip_sizes(manifest: Manifest) -> FrozenClip:
    """Returns the CLIP of the manifest on the meta device."""
    chosen = manifest.section("encode", ClipChoice)
    if Path(chosen.clip).stem in OPENAI:
        return meta_clip(Path(chosen.clip).stem)
    return meta_like(load_clip(weights_path(chosen.clip), chosen.allow_unverified))


def _parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters() if p.requires_grad)

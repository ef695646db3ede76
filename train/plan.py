"""What a run would be: parameters, memory, steps; counted from sizes alone, so neither cache nor weights are needed."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from hspcgan.model.clip import FrozenClip, load_clip
from hspcgan.model.condition import Condition
from hspcgan.model.config import ModelConfig
from hspcgan.model.meta import OPENAI, sketch, sketch_clip, sketch_of
from hspcgan.pipeline.manifest import ClipChoice, Manifest, weights_path
from hspcgan.train import checkpoints, losses
from hspcgan.train.config import TrainConfig
from hspcgan.train.distributed import World
from hspcgan.train.setup import Run, require_wandb

STATE_BYTES = 16  # of a trainable parameter: weight, gradient, Adam's two moments, float32 each
GB = 1e9
MUCH = 8 * GB  # RAM for cached taps from which on another way is named


@dataclass(frozen=True)
class Memory:
    """Bytes that a step of one process holds at its peak; workspaces and fragmentation are not counted."""

    training: int  # trainable weights, their gradients and optimizer state, the moving average
    frozen: int  # CLIP
    activations: int  # kept for backward

    @property
    def total(self) -> int:
        return self.training + self.frozen + self.activations


def missing(manifest: Manifest) -> list[str]:
    """What must be there before the manifest can be trained, a line each with the command that makes it."""
    lines = []
    if not (Path(manifest.raw["cache"]) / "cache.json").is_file():
        lines.append(f"no cache at {manifest.raw['cache']}: `hspcgan prepare {manifest.ref}` makes it")
    config = manifest.section("train", TrainConfig)
    chosen = manifest.section("encode", ClipChoice)
    for check in (lambda: weights_path(chosen.clip), lambda: require_wandb(config)):
        try:
            check()
        except ValueError as error:
            lines.append(str(error))
    return lines


def describe(manifest: Manifest, world: World, run: Run | None = None) -> list[str]:
    """The plan, a line each; without `run` from sizes alone.

    Raises:
        UserError: a bad section, sizes that do not fit, a CLIP that is neither there nor one of OpenAI's.
    """
    config, model = manifest.section("train", TrainConfig), manifest.section("model", ModelConfig)
    clip = _sizes(manifest) if run is None else sketch_of(run.clip)
    networks, memory = sketch(model, clip), step_memory(model, config, clip, world.size)
    g, d, head = (f"{_parameters(network) / 1e6:.2f} M" for network in networks)
    rows, images = config.batch_size // world.size // config.accumulate, config.steps * config.batch_size
    extras = (
        [config.precision]
        + ["EMA"] * (config.ema > 0)
        + {False: [], True: ["cached taps"], "disk": ["taps from disk"]}[config.cache_taps]
    )
    parts = f", in {config.accumulate} parts" if config.accumulate > 1 else ""
    kind = ", in float32; bf16 takes less" if config.precision == "bf16" else ""
    hardest = f" ({config.hardest})" if "mis" in config.mining else ""
    images_known = None if run is None else len(run.batches.samples)
    held = [held_taps(tap_bytes(model, clip), images_known)] if config.cache_taps is True else []
    lines = [
        f"{manifest.name}: {model.kind} at {model.image_size} px, frozen CLIP {clip.name}",
        f"prompts: {model.prompts}, {model.slots} from block {model.prompted_blocks(clip.layers)[0]} on, {model.gate}",
        f"parameters: G {g}, D {d}, head {head}",
        f"memory: about {memory.total / GB:.1f} GB a process: {memory.training / GB:.1f} weights, gradients and "
        f"optimizer, {memory.frozen / GB:.1f} CLIP, {memory.activations / GB:.1f} activations of {rows} images{kind}",
        *held,
        f"steps: {config.steps} of {config.batch_size} images on {world.size} × {world.device.type}{parts}: "
        f"{images} images in all",
        f"loss: {config.loss}, mining {config.mining}{hardest}; {', '.join(extras)}",
        f"run folder: {manifest.raw['run']}",
    ]
    if run is not None:
        count, unseen = len(run.batches.samples), len(run.cache.split_rows("test"))
        few = f"; test images: {unseen}, and `hspcgan evaluate` needs 4" if unseen < 4 else ""
        lines[-1:-1] = [
            f"data: {count} training images, {int(run.batches.captions.sum())} captions from {run.cache.path}; "
            f"{count / config.batch_size:.1f} steps an epoch, {images / count:.1f} epochs"
            + (f"; views {', '.join(run.batches.views)}" if len(run.batches.views) > 1 else "")
            + few
        ]
    return lines


def tap_bytes(model: ModelConfig, clip: FrozenClip) -> int:
    """RAM that `cache_taps: true` takes for one image: float16 [T, D, g, g]."""
    return 2 * len(model.tap_blocks(clip.layers)) * clip.width * clip.grid**2


def held_taps(of_one: int, images: int | None) -> str:
    """What `cache_taps: true` adds by the bytes of one image; None: of how many is not known, and may be much."""
    total = "" if images is None else f"{images * of_one / GB:.1f} GB, "
    mend = "; cache_taps: disk, with taps.views, takes none" if images is None or images * of_one > MUCH else ""
    return f"cached taps: + {total}{of_one / 1e6:.3f} MB an image, RAM of each process{mend}"


def standing(run: Run) -> list[str]:
    """Where the run goes on, a line, where it has a checkpoint; UserError for one that it cannot go on from."""
    path, steps = checkpoints.latest(run.folder), run.config.steps
    if path is None:
        return []
    step = checkpoints.read(path, run)["step"]
    return [f"resumes at step {step} of {steps}" if step < steps else f"complete already: {step} steps"]


def step_memory(model: ModelConfig, config: TrainConfig, clip: FrozenClip, processes: int = 1) -> Memory:
    """Peak of one step: weights, and what autograd keeps in float32, whatever the precision; `clip` is a sketch."""
    networks = generator, discriminator, head = sketch(model, clip)
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
    drawn, judged = kept_bytes(generate, frozen), kept_bytes(discriminate, frozen)
    trainable = sum(_parameters(network) for network in networks)
    average = 4 * _parameters(generator) if config.ema else 0
    return Memory(
        training=STATE_BYTES * trainable + average,
        frozen=4 * sum(p.numel() for p in clip.parameters()),
        activations=drawn + judged,
    )


def kept_bytes(compute: Callable[[], object], networks: list[nn.Module]) -> int:
    """Bytes that autograd keeps for the backward pass of `compute`, each storage once, the networks' weights not."""
    weights = {p.untyped_storage()._cdata for network in networks for p in network.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        result = compute()  # alive until the sum is taken, and with it every storage
        total = sum(storage.nbytes() for key, storage in kept.items() if key not in weights)
    del result
    return total


def _sizes(manifest: Manifest) -> FrozenClip:
    chosen = manifest.section("encode", ClipChoice)
    if Path(chosen.clip).stem in OPENAI:
        return sketch_clip(Path(chosen.clip).stem)
    return sketch_of(load_clip(weights_path(chosen.clip), chosen.allow_unverified))


def _parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters() if p.requires_grad)

"""Benchmark of the trainer: measures the time of each part, alternately in plain PyTorch and in this package.

Times are medians. Before they are measured, images and scores of both implementations of GALIP are compared.
"""

import os
import time
from collections.abc import Callable, Iterator
from copy import copy, deepcopy
from dataclasses import replace
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hspcgan.model.clip.file import openai_clip
from hspcgan.model.condition import Condition
from hspcgan.model.import_galip import import_galip
from hspcgan.pipeline.bench.config import BenchConfig, Figure
from hspcgan.pipeline.cache.arrays.collate import collate
from hspcgan.pipeline.manifest import Manifest
from hspcgan.train import distributed
from hspcgan.train.bench.plain import Plain
from hspcgan.train.bench.plain_networks import networks
from hspcgan.train.config import TrainConfig
from hspcgan.train.data import Batches
from hspcgan.train.loop import train_step
from hspcgan.train.setup import Run, build_run
from hspcgan.train.step import losses
from hspcgan.train.step.clock import Clock

GALIP: dict[str, dict[str, Any]] = {
    "model": {"kind": "galip", "clip_input": "galip", "adapter_blocks": 4},
    "train": {"loss": "hinge", "mining": "none", "penalty_norm": "joint"},
}
SLOWEST = 6  # number of operations named in the profile


def figures(manifest: Manifest, bench: BenchConfig, parser: Any) -> Iterator[Figure]:
    """Runs all measurements for a manifest with a finished cache, and yields the measured values.

    `parser` parses captions where the benchmark does not read parses from the cache.
    """
    world = distributed.start(manifest.section("train", TrainConfig).device)
    run = build_run(manifest, world)
    yield from conditioning(run, bench, parser)
    galip, plain = build_both_trainers(manifest, world)
    what = "largest difference between our images and scores and those of plain GALIP, relative to the largest value"
    yield Figure("error", what, difference(galip, plain), "", True)
    seconds = steps(run, galip, plain, bench.rounds)
    of_plain = {name: seconds[name] / seconds["plain"] for name in ("galip", "hspcgan")}
    yield Figure("plain_sec", f"training step of plain GALIP, batch of {run.config.batch_size}", seconds["plain"], "s")
    yield Figure("galip_sec", "training step of GALIP in the trainer", seconds["galip"], "s")
    yield Figure("hspcgan_sec", f"training step of {run.model_config.kind} in the trainer", seconds["hspcgan"], "s")
    yield Figure("galip", "step of GALIP in the trainer, relative to plain GALIP", of_plain["galip"], "×", True)
    yield Figure("hspcgan", f"step of {run.model_config.kind}, relative to plain GALIP", of_plain["hspcgan"], "×", True)
    yield from profile(run, bench.rounds)
    yield from mining(run, seconds["hspcgan"], bench.rounds)
    yield from taps(run, seconds["hspcgan"], bench.rounds)
    yield from sampling(run, galip, plain, bench.rounds, parser)


def conditioning(run: Run, bench: BenchConfig, parser: Any) -> Iterator[Figure]:
    """Measures the time to get the conditions of a batch: from the cache, and by parsing and encoding captions."""
    from hspcgan.evaluate.draw.texts import conditions_from_texts

    cache, slots, size = run.cache, run.model_config.locals, run.config.batch_size
    texts = cache.captions["text"].to_pylist()

    def read(rows: np.ndarray) -> Condition:
        return Condition.from_arrays(collate(cache.texts, rows, n_entities=slots)).to(run.world.device)

    def make(rows: np.ndarray) -> Condition:
        chosen = [texts[row] for row in rows]
        return conditions_from_texts(chosen, run.clip, cache.info["templates"], parser, slots).to(run.world.device)

    def cost(conditions: Callable[[np.ndarray], Condition], captions: int) -> float:
        batches = [np.arange(at, at + size) % len(texts) for at in range(0, captions, size)]
        return median(timed(run, partial(conditions, rows)) for rows in batches)

    rows = np.arange(size) % len(texts)
    ours, loop = read(rows), make(rows)  # also warms up both
    error = (ours.sentence - loop.sentence).norm(dim=1) / loop.sentence.norm(dim=1)
    ours_sec, loop_sec = cost(read, bench.captions), cost(make, bench.compared)
    yield Figure("loop_ms", "parsing and encoding a batch of captions in the training loop", 1e3 * loop_sec, "ms")
    yield Figure("cache_ms", "reading a batch of captions from the cache", 1e3 * ours_sec, "ms")
    yield Figure("condition", "speedup of the cache over parsing and encoding", loop_sec / ours_sec, "×")
    yield Figure(
        "stored",
        "largest relative difference between sentence features from the cache and encoded in the training loop",
        float(error.max()),
        "",
        True,
    )


def build_both_trainers(manifest: Manifest, world: distributed.World) -> tuple[Run, Plain]:
    """Builds a run of the trainer with GALIP's networks, and GALIP in plain PyTorch, with the same random weights."""
    sections = {key: (manifest.raw.get(key) or {}) | values for key, values in GALIP.items()}
    run = build_run(replace(manifest, raw=manifest.raw | sections), world)
    config, shape, clip = run.model_config, run.clip.shape, run.clip.network
    made = networks(
        clip.visual, shape.embed_dim, noise=config.noise_dim, code=config.code_width, middle=config.middle_width,
        channels=config.block_channels(shape.grid), sizes=config.upsample_sizes(shape.grid),
        features=config.discriminator_width, hidden=config.head_width,
    )  # fmt: skip
    path = manifest.run.with_name("galip.pth")
    names = ("netG", "netD", "netC")
    torch.save({"model": {n: network.state_dict() for n, network in zip(names, made, strict=True)}}, path)
    imported = import_galip(path, run.clip, config.image_size)[:3]
    path.unlink()
    for ours, weights in zip((run.generator, run.discriminator, run.head), imported, strict=True):
        ours.load_state_dict(weights.state_dict())
    for network in made:
        network.to(world.device)
    return run, Plain.of(made, clip)


@torch.no_grad()
def difference(run: Run, plain: Plain) -> float:
    """Returns the largest difference between our images and scores and plain GALIP's, relative to the largest value."""
    batch = run.batches.at(0).to(run.world.device)
    noise, sentence = batch.noise, batch.condition.sentence
    expected, images = plain.generator(noise, sentence), run.generator(noise, sentence)
    taps, _ = plain.clip_features(expected)
    score = plain.head(plain.discriminator(taps), sentence)
    got = run.head(run.discriminator(run.clip.taps_only(expected, run.tap_blocks)), sentence)
    pairs = ((images, expected), (got, score))
    return max(float((ours - theirs).abs().max() / theirs.abs().max()) for ours, theirs in pairs)


def steps(run: Run, galip: Run, plain: Plain, rounds: int) -> dict[str, float]:
    """Returns the median seconds per step of each trainer, excluding the first step; all get the same batches."""
    seconds: dict[str, list[float]] = {"plain": [], "galip": [], "hspcgan": []}
    for number in range(rounds + 1):
        tokens = tokens_of(galip, number)
        first, second = (one.batches.at(number).to(run.world.device) for one in (galip, run))
        seconds["plain"].append(timed(run, partial(plain.step, first.images, tokens, first.noise)))
        seconds["galip"].append(timed(run, partial(train_step, galip, first, Clock())))
        seconds["hspcgan"].append(timed(run, partial(train_step, run, second, Clock())))
    return {name: median(values[1:]) for name, values in seconds.items()}


def tokens_of(run: Run, step: int) -> Tensor:
    """Tokenizes the captions of a step with OpenAI's tokenizer; returns [B, 77]."""
    texts = run.cache.captions["text"].take(run.batches.choose(step)[1]).to_pylist()
    return openai_clip().clip.tokenize(texts, truncate=True).to(run.world.device)


def profile(run: Run, rounds: int) -> Iterator[Figure]:
    """Yields shares of the time of a training step: waiting for the loader, each part, the slowest operations."""
    clock, began = Clock(run.world.device), 0.0
    for batch in run.batches.stream(0, rounds + 1, run.config.prefetch, run.world.device):
        clock.lap("wait")
        train_step(run, batch, clock)
        if batch.step == 0:  # its batch was not loaded during an earlier step
            clock.read()
            began = time.perf_counter()
    parts = clock.read()
    whole = time.perf_counter() - began
    names = {"wait": "waiting for the next batch", "fake": "forward passes of G and of CLIP on its images"}
    names |= {"D": "D step", "G": "G step"}
    for part, what in names.items():
        yield Figure(f"{part}_share", f"share of a step: {what}", 100 * parts.get(part, 0.0) / whole, "%", True)
    batch = run.batches.at(0).to(run.world.device)
    device = "cuda" if run.world.device.type == "cuda" else None
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # otherwise it prints each step, and that there is no GPU
    with torch.autograd.profiler.profile(use_device=device, use_kineto=False) as recorded:
        timed(run, partial(train_step, run, batch, Clock()))
    spent = {event.key: event.self_device_time_total or event.self_cpu_time_total for event in recorded.key_averages()}
    total = sum(spent.values())
    slowest = sorted(spent, key=lambda key: -spent[key])[:SLOWEST]
    what = ", ".join(f"{key.removeprefix('aten::')} {100 * spent[key] / total:.0f} %" for key in slowest)
    share = 100 * sum(spent[key] for key in slowest) / total
    yield Figure("slowest", f"share of a step in its slowest operations: {what}", share, "%")


@torch.no_grad()
def mining(run: Run, step_sec: float, rounds: int) -> Iterator[Figure]:
    """Measures the time of hard mining over all pairs of a batch, and its error relative to scoring each pair alone."""
    batch = run.batches.at(0).to(run.world.device)
    features, sentences = run.discriminator(run.real_taps(batch)), batch.sentences
    pairs = run.head.pairs(features, sentences)  # [B, B]
    head, exact = deepcopy(run.head).double(), features.double()
    one_by_one = torch.stack([head(exact, e.expand(len(exact), -1).double()) for e in sentences], dim=1)
    times = [
        timed(run, lambda: losses.hardest_negative(run.head.pairs(features, sentences), batch.negatives))
        for _ in range(10 * rounds)
    ]
    yield Figure("mining_share", "share of a step: all-pairs mining", 100 * median(times) / step_sec, "%", True)
    yield Figure("pairs_error", "largest error of all-pairs scores", float((pairs - one_by_one).abs().max()), "", True)


def taps(run: Run, step_sec: float, rounds: int) -> Iterator[Figure]:
    """Measures the time to load a batch with CLIP features of its images, both computed and read from the cache."""
    stored, computed_sec, read_sec = copy(run.batches), [], []
    stored.use_cached_taps(run.tap_blocks, run.clip.width, run.clip.grid)

    def load(batches: Batches, number: int) -> None:
        run.real_taps(batches.at(number).to(run.world.device))

    for number in range(rounds + 1):
        computed_sec.append(timed(run, partial(load, run.batches, number)))
        read_sec.append(timed(run, partial(load, stored, number)))
    computed, read = median(computed_sec[1:]), median(read_sec[1:])
    yield Figure("images_ms", "loading a batch and computing CLIP features of its images", 1e3 * computed, "ms")
    yield Figure("taps_ms", "loading a batch with CLIP features from the cache", 1e3 * read, "ms")
    yield Figure("taps_saved", "share of a step saved by reading features", 100 * (computed - read) / step_sec, "%")


def sampling(run: Run, galip: Run, plain: Plain, rounds: int, parser: Any) -> Iterator[Figure]:
    """Measures the images per second of both implementations of GALIP, and the time from one caption to its image."""
    from hspcgan.evaluate.draw.generate import generate
    from hspcgan.evaluate.draw.texts import conditions_from_texts

    batch = run.batches.at(0).to(run.world.device)
    noise, sentence = batch.noise, batch.condition.sentence
    theirs, ours, whole = [], [], []
    text = run.cache.captions["text"][0].as_py()

    def draw() -> np.ndarray:
        templates = run.cache.info["templates"]
        condition = conditions_from_texts([text], run.clip, templates, parser, run.model_config.locals)
        return generate(run.generator, condition, [text])

    for _ in range(rounds + 1):
        with torch.inference_mode():
            theirs.append(timed(run, lambda: plain.generator(noise, sentence)))
            ours.append(timed(run, lambda: galip.generator(noise, sentence)))
        whole.append(timed(run, draw))
    plain_sec, ours_sec = median(theirs[1:]), median(ours[1:])
    yield Figure("plain_rate", "sampling with plain GALIP", len(noise) / plain_sec, "images/s")
    yield Figure("ours_rate", "sampling with GALIP in the trainer", len(noise) / ours_sec, "images/s")
    yield Figure("sampling", "sampling speed, relative to plain GALIP", plain_sec / ours_sec, "×")
    what = "time from one caption to its image: parsing, encoding, generating"
    yield Figure("text_sec", what, median(whole[1:]), "s", True)


def timed(run: Run, work: Callable[[], Any]) -> float:
    """Returns the seconds that `work` takes, including its work on the GPU."""
    started = time.perf_counter()
    work()
    if run.world.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started

"""The training loop: discriminator and generator step, moving average, logging, checkpoints; resumes automatically."""

import os
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from hspcgan.model.common.errors import UserError
from hspcgan.train import distributed
from hspcgan.train.config import TrainConfig
from hspcgan.train.periodic_eval import PeriodicEvaluator
from hspcgan.train.process.run_lock import locked
from hspcgan.train.run_folder import checkpoints
from hspcgan.train.run_folder.run_log import RunLog
from hspcgan.train.setup import Run
from hspcgan.train.step import losses
from hspcgan.train.step.apply_gradients import ema_decay, frozen, require_finite, set_rates, update, update_ema
from hspcgan.train.step.augment import shift_images
from hspcgan.train.step.batch import Batch
from hspcgan.train.step.clock import Clock
from hspcgan.train.step.loss_inputs import noise_sensitivity, other_captions, swapped_captions
from hspcgan.train.step.schedule import factor_at

Report = dict[str, Tensor]  # scalars by name


@dataclass(frozen=True)
class Outcome:
    """The result of `train`: the last checkpoint, the number of finished steps, and why the training ended."""

    checkpoint: Path
    step: int  # number of finished steps
    reason: str  # "done", "time" (max_seconds reached) or the name of the signal that stopped the run


def train(run: Run, signals: Sequence[str] = ()) -> Outcome:
    """Trains from the run's last checkpoint, or from scratch, until a limit is reached or a signal is received.

    The limits are `train.steps` and `train.max_seconds`. In every case a checkpoint of the last finished step is saved.

    Args:
        signals: names of the signals received so far, a list that `received_signals` appends to; the first signal ends
            the run after the current step.
    Raises:
        UserError: the checkpoint in the run folder was made with other settings, or another process is training there.
        FloatingPointError: a loss or a gradient was not finite. From that update on no weight is changed; the error is
            raised at the next step that waits for the device.
    """
    if not isinstance(run, Run):
        raise UserError(f"expected a run, got a value of type {type(run).__name__}; make it with build_run")
    began = time.monotonic()
    with locked(run.folder) if run.world.is_main else nullcontext():
        step = checkpoints.resume(run)
        if step >= run.config.steps and not os.access(run.folder, os.W_OK):
            return Outcome(_checkpoint(run, step), step, "done")  # a finished run on a read-only disk
        return _train(run, step, began, signals)


def _train(run: Run, step: int, began: float, signals: Sequence[str]) -> Outcome:
    """Continues training after `step` finished steps; the run folder is locked."""
    config, reason = run.config, "done"
    if config.cache_taps is True:
        run.batches.cache_taps_in_ram(run.taps_of_pixels, stop=lambda: bool(signals))
    if any(distributed.any_process([bool(signals)], run.world)):
        return Outcome(_checkpoint(run, step), step, _signal_name(signals))
    if run.world.is_main:
        run.manifest.save(run.folder / "manifest.yaml")
    evaluator = PeriodicEvaluator(run) if config.evaluate_every and run.world.is_main else None
    run_log, clock = RunLog(run, step), Clock(run.world.device)
    try:
        if step == 0:
            run_log.grid(step)
            clock.lap("log")
        # Needed if the run was stopped between this checkpoint and its evaluation.
        if evaluator and evaluator.due(step) and step not in run_log.evaluated_steps:
            run_log.log_evaluation(step, evaluator.score(step))
            clock.skip()
        for batch in run.batches.stream(step, config.steps, config.prefetch, run.world.device):
            clock.lap("data")
            report = train_step(run, batch, clock)
            step += 1
            run_log.add(report)

            late = config.max_seconds is not None and time.monotonic() - began > config.max_seconds
            stopped, late = distributed.any_process([bool(signals), late], run.world)
            last = stopped or late or step == config.steps
            if last or must_wait_for_device(config, step):
                require_finite(run)
            if step % config.log_every == 0 or last:
                run_log.log(step, clock)
            if step % config.grid_every == 0 or (last and not stopped):
                run_log.grid(step)
            if (step % config.checkpoint_every == 0 or last) and run.world.is_main:
                checkpoints.save(run, step)
            clock.lap("log")
            # SIGKILL may soon follow a signal, so this evaluation is left to the resumed run.
            if evaluator and evaluator.due(step) and not stopped:
                run_log.log_evaluation(step, evaluator.score(step))
                clock.skip()
            if last and step < config.steps:
                reason = _signal_name(signals) if stopped else "time"
                break
    finally:
        run_log.close()
    return Outcome(_checkpoint(run, step), step, reason)


def must_wait_for_device(config: TrainConfig, step: int) -> bool:
    """Returns whether the host waits for the device after `step` steps, in order to log, draw, save or evaluate."""
    every = (config.log_every, config.grid_every, config.checkpoint_every, config.evaluate_every)
    return any(steps is not None and step % steps == 0 for steps in every)


def _checkpoint(run: Run, step: int) -> Path:
    return run.folder / "checkpoints" / f"step-{step:06d}"


def _signal_name(signals: Sequence[str]) -> str:
    """Returns the name of the first signal, or "signal" if another process received it."""
    return signals[0] if signals else "signal"


def train_step(run: Run, batch: Batch, clock: Clock) -> Report:
    """Updates discriminator, generator and moving average, in this order (eq. 3–5); returns the scalars to log.

    With `train.accumulate` the rows are computed in parts, and the gradients of the parts are summed.
    """
    parts, reports = batch.parts(run.config.accumulate), []
    whole = len(parts) == 1  # then one G pass serves both updates; parts are generated twice, to save memory

    set_rates(run, batch.step)

    run.optimizer_d.zero_grad(set_to_none=True)
    for part in parts:
        with torch.set_grad_enabled(whole):
            images, taps, features = draw(run, part)
        clock.lap("fake")
        loss_d, report = discriminator_loss(run, part, [tap.detach() for tap in taps])
        (loss_d / len(parts)).backward()
        reports.append({name: value.detach() for name, value in (report | {"loss_d": loss_d}).items()})
        clock.lap("D")
    grad_d = update(run, mean_of(reports, "loss_d"), run.optimizer_d, "discriminator", batch.step)
    clock.lap("D")

    run.optimizer_g.zero_grad(set_to_none=True)
    for part, report in zip(parts, reports, strict=True):
        if not whole:
            images, taps, features = draw(run, part)
            clock.lap("fake")
        sentence = part.condition.sentence  # [b, d]
        with run.autocast(), frozen(run.discriminator, run.head):
            scores = run.head(run.discriminator(taps), sentence)  # [b]
        similarity = run.config.similarity * factor_at(run.config.similarity_schedule, batch.step)
        loss_g = losses.generator_loss(scores, features, sentence, similarity)
        if run.config.contrast:
            temperature = run.config.contrast_temperature
            contrast = losses.contrastive(features, sentence, *other_captions(run, part), temperature)
            loss_g = loss_g + run.config.contrast * contrast
            report["contrast"] = contrast.detach()
        if run.config.mode_seeking:
            found = noise_sensitivity(run, part, images)
            loss_g = loss_g - run.config.mode_seeking * found
            report["spread"] = found.detach()
        (loss_g / len(parts)).backward()
        report |= {"loss_g": loss_g.detach(), "cosine": losses.image_text_cosine(features.detach(), sentence)}
        clock.lap("G")
    grad_g = update(run, mean_of(reports, "loss_g"), run.optimizer_g, "generator", batch.step)
    clock.lap("G")

    if run.average is not None:
        update_ema(run.average, run.generator, ema_decay(run.config, batch.step), run.finite.skip)
    return {name: mean_of(reports, name) for name in reports[0]} | {"grad_d": grad_d, "grad_g": grad_g}


def draw(run: Run, batch: Batch) -> tuple[Tensor, list[Tensor], Tensor]:
    """Generates images; returns them [b, 3, H, W], their taps, each [b, D, g, g], and their CLIP features [b, d]."""
    with run.autocast():
        images = run.generator(batch.noise, batch.condition)
        return images, *run.clip.image_taps(shift_images(images, batch.shifts), run.tap_blocks)


def mean_of(reports: list[Report], name: str) -> Tensor:
    """Returns the mean of one scalar over the parts of a batch."""
    return torch.stack([report[name] for report in reports]).mean()


def discriminator_loss(run: Run, batch: Batch, fake_taps: list[Tensor]) -> tuple[Tensor, Report]:
    """Returns L_D (eq. 3, 4 or 5) with the gradient penalty, and the scalars to log.

    The real branch is always float32, even with bf16.

    Args:
        fake_taps: CLIP features of generated images, each [b, D, g, g], detached.
    """
    config = run.config
    penalized = batch.step % config.penalty_every == 0
    taps = [
        tap.detach().requires_grad_(penalized) for tap in run.real_taps(batch)
    ]  # leaves: no gradient flows into CLIP
    sentence = batch.condition.sentence.detach().clone().requires_grad_(penalized)
    features = run.discriminator(taps)  # [b, C, g, g]
    real = run.head(features, sentence)  # [b]
    penalty = real.new_zeros(())
    if penalized:
        k, joint = config.penalty_k * config.penalty_every, config.penalty_norm == "joint"
        penalty = losses.matching_aware_penalty(real, taps, sentence, k, config.penalty_p, joint)
    mismatched = mismatched_sentences(run, batch, features)  # ê_i [b, d]
    with run.autocast():
        mis = run.head(features, mismatched)  # [b]
        fake = run.head(run.discriminator(fake_taps), batch.condition.sentence)  # [b]

    usable, world = batch.negatives.any(dim=1), run.world
    fake_terms = losses.negative_terms(config.loss, real, fake.float(), config.margin)
    mis_terms = losses.negative_terms(config.loss, real, mis.float(), config.margin)
    if config.mining in ("fake", "mis+fake"):
        fake_part = losses.worst(fake_terms)
        fake_part = fake_part * distributed.owner_weight(fake_part, world)
    else:
        fake_part = losses.batch_mean(fake_terms)
    if config.mining in ("mis", "mis+fake") and config.hardest == "worst-pair":
        mis_part = losses.worst(mis_terms, usable)
        mis_part = mis_part * distributed.owner_weight(mis_part, world)
    else:
        mis_part = losses.batch_mean(mis_terms, losses.row_weights(batch.negatives, batch.balance))
    loss = losses.real_terms(config.loss, real).mean() + (fake_part + mis_part) / 2 + penalty
    return loss, {"real": real.mean(), "fake": fake.float().mean(), "mis": mis.float().mean(), "penalty": penalty}


@torch.no_grad()
def mismatched_sentences(run: Run, batch: Batch, features: Tensor) -> Tensor:
    """Returns the features of a mismatched caption for each image; [b, C, g, g] → [b, d].

    With mining it is the hardest of the valid captions in the global batch and, with `train.mine_swaps`, of the row's
    own captions with one word swapped; without mining it is the next valid caption in the batch. If no caption in the
    batch is valid, the result is arbitrary and its term has weight 0.
    """
    if run.config.mining in ("none", "fake"):
        return batch.sentences[losses.next_mismatched(batch.negatives, batch.first_row)]
    sentences, valid = batch.sentences, batch.negatives
    if run.config.mine_swaps:
        swapped, has_swapped = swapped_captions(run, batch)
        sentences = torch.cat([sentences, swapped.flatten(0, 1)])  # [B + b·M, d]
        valid = torch.cat([valid, torch.block_diag(*has_swapped).bool()], dim=1)  # [b, B + b·M]
    return sentences[losses.hardest_negative(run.head.pairs(features, sentences), valid)]

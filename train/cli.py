"""The command `hspcgan train`."""

from __future__ import annotations

import atexit
import signal
from collections.abc import Sequence

import click

from hspcgan.model.common.errors import CheckFailedError
from hspcgan.model.common.printable import echo, format_count


@click.command()
@click.argument("manifest")
@click.option(
    "--override",
    "-o",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set a manifest key, such as train.steps=1000; repeatable.",
)
@click.option("--dry-run", is_flag=True, help="Check everything and print parameters, memory and steps; write nothing.")
def train(manifest: str, overrides: tuple[str, ...], dry_run: bool) -> int:
    """Train the model of a manifest from its cache; run the same command again to resume.

    On several GPUs: torchrun --no-python --nproc_per_node 8 hspcgan train MANIFEST. Every process runs this
    command on its share of the batch.
    """
    from hspcgan.train.process.signals import received_signals

    if dry_run:
        _plan(manifest, overrides)
        return 0
    with received_signals() as signals:  # first, because imports and loading take seconds
        _train(manifest, overrides, signals)
    # Python's exit takes a second with torch; a late SIGTERM must not turn the saved run into a failure.
    atexit.register(signal.signal, signal.SIGTERM, signal.SIG_IGN)
    # Alone, a run that a signal stopped exits with 0, since it is saved; `hspcgan demo` ends with this code.
    return 128 + signal.Signals[signals[0]] if signals else 0


def _plan(path: str, overrides: Sequence[str]) -> None:
    """Prints the plan of a run, then either what is missing or the step from which the run resumes."""
    from hspcgan.pipeline.manifest.path_arguments import open_manifest
    from hspcgan.train import distributed, plan
    from hspcgan.train.config import TrainConfig
    from hspcgan.train.periodic_eval import PeriodicEvaluator
    from hspcgan.train.setup import build_run

    manifest = open_manifest(path, overrides)
    config = manifest.section("train", TrainConfig)
    world = distributed.planned_world(config.device)
    absent = plan.missing(manifest)
    run = None if absent else build_run(manifest, world)
    if not world.is_main:
        return
    status = plan.resume_lines(run) if run else ["missing before the run can start:", *absent]
    echo("\n".join([*plan.plan_lines(manifest, world, run), *status]))
    if run and config.evaluate_every:
        PeriodicEvaluator(run)


def _train(path: str, overrides: Sequence[str], signals: Sequence[str]) -> None:
    """Prints the plan, trains, and prints how the run ended."""
    from hspcgan.pipeline.manifest.path_arguments import open_manifest
    from hspcgan.train import distributed, loop, plan
    from hspcgan.train.config import TrainConfig
    from hspcgan.train.setup import build_run

    manifest = open_manifest(path, overrides)
    world = distributed.start(manifest.section("train", TrainConfig).device, signals)
    try:
        run = build_run(manifest, world)
        if world.is_main:
            echo("\n".join(plan.plan_lines(manifest, world, run)))
        outcome = loop.train(run, signals)
    except FloatingPointError as error:
        raise CheckFailedError(str(error)) from error
    finally:
        distributed.end(world)
    if world.is_main:
        where = f"; {outcome.checkpoint}" if outcome.step else ""
        echo(_ending(outcome.reason, outcome.step, run.config.steps) + where)


def _ending(reason: str, step: int, steps: int) -> str:
    if reason == "done":
        return f"complete: {format_count(step, 'step')}"
    cause = "max_seconds reached" if reason == "time" else f"stopped by {reason}"
    saved = ", saved; run the same command to resume" if step else ", before the first step; nothing to save"
    return f"{cause} at step {step} of {steps}{saved}"

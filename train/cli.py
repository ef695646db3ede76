"""The command `hspcgan train`."""

from __future__ import annotations

import atexit
import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hspcgan.pipeline.manifest import Manifest
    from hspcgan.train.config import TrainConfig


@click.command()
@click.argument("manifest")
@click.option(
    "--override", "-o", "overrides", multiple=True, metavar="KEY=VALUE", help="As train.batch_size=16; repeatable."
)
@click.option("--dry-run", is_flag=True, help="Check what is there, print parameters, memory, steps; write nothing.")
def train(manifest: str, overrides: tuple[str, ...], dry_run: bool) -> None:
    """Train a manifest's model from its cache; resumes.

    On several GPUs: torchrun --no-python --nproc_per_node 8 hspcgan train MANIFEST. Every process then runs this
    command, and the batch is shared between them.
    """
    from hspcgan.train.signals import noted_signals

    if dry_run:
        _plan(manifest, overrides)
        return
    with noted_signals() as noted:  # before what takes seconds to import and to load
        _train(manifest, overrides, noted)
    # Putting torch away takes a second, in which a late SIGTERM is not to make a failure of what is saved and told.
    atexit.register(signal.signal, signal.SIGTERM, signal.SIG_IGN)


def _plan(path: str, overrides: Sequence[str]) -> None:
    """Tell what a run would be, as far as what it needs is there."""
    from hspcgan.pipeline.manifest import load_manifest
    from hspcgan.train import distributed, plan
    from hspcgan.train.periodic_eval import Judge
    from hspcgan.train.setup import assemble

    manifest = load_manifest(path, overrides)
    config = _checked(manifest)
    world = distributed.place(config.device)
    absent = plan.missing(manifest)
    run = None if absent else assemble(manifest, world)
    if not world.leads:
        return
    standing = plan.standing(run) if run else ["before it can run:", *absent]
    click.echo("\n".join([*plan.describe(manifest, world, run), *standing]))
    if run and config.evaluate_every:
        Judge(run)


def _train(path: str, overrides: Sequence[str], noted: Sequence[str]) -> None:
    """Print the plan, train, and tell how it ended."""
    from hspcgan.pipeline.manifest import load_manifest
    from hspcgan.train import distributed, loop, plan
    from hspcgan.train.setup import assemble

    manifest = load_manifest(path, overrides)
    world = distributed.start(_checked(manifest).device)
    try:
        run = assemble(manifest, world)
        if world.leads:
            click.echo("\n".join(plan.describe(manifest, world, run)))
        outcome = loop.train(run, noted)
    except FloatingPointError as error:
        raise click.ClickException(str(error)) from error
    finally:
        distributed.end(world)
    if world.leads:
        where = f"; {outcome.checkpoint}" if outcome.step else ""
        click.echo(_ending(outcome.reason, outcome.step, run.config.steps) + where)


def _checked(manifest: Manifest) -> TrainConfig:
    """The train section; slips in the evaluate section are refused now, not by `evaluate` after days of training."""
    from hspcgan.evaluate.config import EvaluateConfig
    from hspcgan.train.config import TrainConfig

    manifest.section("evaluate", EvaluateConfig)
    return manifest.section("train", TrainConfig)


def _ending(reason: str, step: int, steps: int) -> str:
    if reason == "done":
        return f"complete: {step} steps"
    cause = "max_seconds is over" if reason == "time" else f"stopped by {reason}"
    saved = ", saved; the same command resumes" if step else ", before the first; there was nothing to save"
    return f"{cause} at step {step} of {steps}{saved}"

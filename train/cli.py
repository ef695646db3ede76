"""The command `hspcgan train`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hspcgan.pipeline.manifest import Manifest


@click.command()
@click.argument("manifest")
@click.option(
    "--override", "-o", "overrides", multiple=True, metavar="KEY=VALUE", help="As train.batch_size=16; repeatable."
)
@click.option("--dry-run", is_flag=True, help="Check what is there, print parameters, memory, steps; write nothing.")
def train(manifest: str, overrides: tuple[str, ...], dry_run: bool) -> None:
    """Train a manifest's model from its cache; resumes.

    Under torchrun every process runs this command; the batch is shared between them.
    """
    from hspcgan.pipeline.manifest import load_manifest
    from hspcgan.train import distributed, loop, plan
    from hspcgan.train.config import TrainConfig
    from hspcgan.train.judge import Judge
    from hspcgan.train.setup import assemble

    loaded = load_manifest(manifest, overrides)
    _check_evaluation(loaded)
    config = loaded.section("train", TrainConfig)
    world = distributed.start(config.device)
    try:
        absent = plan.missing(loaded) if dry_run else []
        if absent and world.leads:
            click.echo("\n".join([*plan.describe(loaded, world), "before it can run:", *absent]))
        if absent:
            return
        run = assemble(loaded, world)
        if world.leads:
            click.echo("\n".join(plan.describe(loaded, world, run)))
        if dry_run:
            if config.evaluate_every and world.leads:
                Judge(run)
            return
        outcome = loop.train(run)
    except FloatingPointError as error:
        raise click.ClickException(str(error)) from error
    finally:
        distributed.end(world)
    if world.leads:
        where = f"; {outcome.checkpoint}" if outcome.step else ""
        click.echo(_ending(outcome.reason, outcome.step, run.config.steps) + where)


def _check_evaluation(manifest: Manifest) -> None:
    """A slip in the evaluate section is refused now, and not by `hspcgan evaluate` after days of training."""
    from hspcgan.evaluate.config import EvaluateConfig

    manifest.section("evaluate", EvaluateConfig)


def _ending(reason: str, step: int, steps: int) -> str:
    if reason == "done":
        return f"complete: {step} steps"
    cause = "max_seconds is over" if reason == "time" else f"stopped by {reason}"
    saved = ", saved; the same command resumes" if step else ", before the first; there was nothing to save"
    return f"{cause} at step {step} of {steps}{saved}"

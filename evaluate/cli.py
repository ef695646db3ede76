"""The commands `hspcgan evaluate` and `hspcgan report`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("manifest")
@click.option(
    "--checkpoint",
    "checkpoints",
    multiple=True,
    metavar="PATH",
    help="A run, a checkpoint folder or a shipped name; repeatable. Default: the run's latest.",
)
@click.option("--untrained", is_flag=True, help="The generator as it is before its first training step.")
@click.option("--real", is_flag=True, help="Real images in place of generated ones: the floor of FID and KID.")
@click.option("--label", metavar="NAME", help="Name of the result, when one subject is scored.")
@click.option(
    "--override",
    "-o",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set a manifest key, e.g. evaluate.samples=100; repeatable.",
)
@click.option("--dry-run", is_flag=True, help="Check everything, print the plan, write nothing.")
def evaluate(manifest: str, checkpoints: tuple[str, ...], untrained: bool, real: bool, label: str | None,
             overrides: tuple[str, ...], dry_run: bool) -> None:  # fmt: skip
    """Score images by a manifest and check expectations.

    MANIFEST is a path or a shipped name.

    Writes RUN/evaluation/LABEL.json and LABEL.png. Exit code 1 when a checkpoint's figure leaves its bounds.
    """
    from hspcgan.evaluate import run
    from hspcgan.evaluate.expectations import verdict_table
    from hspcgan.evaluate.subjects import subjects as named
    from hspcgan.evaluate.summary import describe, figure_table, way
    from hspcgan.pipeline.manifest.arguments import open_manifest

    loaded = open_manifest(manifest, overrides)
    subjects = named(loaded, list(checkpoints), untrained, real, label)
    setting = run.prepare(loaded)
    click.echo("\n".join(describe(setting, subjects)))
    if dry_run:
        return
    results = run.evaluate(setting, subjects)
    click.echo("\n" + figure_table(results))
    for line in way(results):
        click.echo("\n" + line)
    click.echo("\n" + "\n".join(f"wrote {result.path}" for result in results))
    judged = [result for result in results if result.verdicts]
    for result in judged:
        click.echo(f"\n{result.subject.label} against {loaded.name}'s expectations\n{verdict_table(result.verdicts)}")
    if not all(result.passed for result in judged):
        raise click.exceptions.Exit(1)


def _run_folder(ctx: click.Context, argument: click.Parameter, given: Path) -> Path:
    from hspcgan.pipeline.manifest.arguments import run_folder

    return run_folder(given)


@click.command()
@click.argument("run", type=click.Path(path_type=Path), callback=_run_folder)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Where to write; default RUN/report.html.")
@click.option("--dry-run", is_flag=True, help="Check the run folder, write nothing.")
def report(run: Path, out: Path | None, dry_run: bool) -> None:
    """Write one page about a run.

    RUN/report.html is self-contained: images, figures, curves and where they come from.
    """
    from hspcgan.evaluate.report.build import render
    from hspcgan.model.files import write_whole

    page = render(run).encode()
    target = out or run / "report.html"
    if not dry_run:
        write_whole(target, page)
    click.echo(f"{'would write' if dry_run else 'wrote'} {target} ({len(page) / 1e6:.1f} MB)")

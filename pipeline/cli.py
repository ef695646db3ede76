"""The root command `hspcgan` and the commands of the offline stages; each parses its options and calls one function."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from hspcgan.pipeline.command import RootGroup

CacheFolder = click.argument("cache", type=click.Path(path_type=Path))


@click.group(cls=RootGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--debug", is_flag=True, help="Show tracebacks of refusals too.")
@click.version_option(package_name="hspcgan")
def main(debug: bool) -> None:
    """Captions parsed and encoded once; text-to-image GANs trained and scored from what that left behind.

    A MANIFEST is the path of a YAML file or the name of a shipped one, such as toybirds.
    """


def stage_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The argument and options that prepare and its single stages share."""
    for decorate in reversed(
        (
            click.argument("manifest"),
            click.option(
                "--override", "-o", multiple=True, metavar="KEY=VALUE", help="Set a manifest key: data.seed=1."
            ),
            click.option("--rebuild", is_flag=True, help="Make the cache anew and then replace the present one."),
            click.option(
                "--engine",
                type=click.Choice(["local", "ray"]),
                default="local",
                help="Where mappers run: on this machine, or on the Ray cluster of RAY_ADDRESS.",
            ),
            click.option("--dry-run", is_flag=True, help="Check everything, print the plan, write nothing."),
        )
    ):
        command = decorate(command)
    return command


def _prepare(manifest: str, override: tuple[str, ...], upto: str, only: bool, **options: Any) -> None:
    from hspcgan.pipeline.manifest import load_manifest
    from hspcgan.pipeline.prepare import prepare as run

    run(load_manifest(manifest, override), upto, only, echo=click.echo, **options)


@main.command()
@stage_options
def prepare(manifest: str, override: tuple[str, ...], **options: Any) -> None:
    """Make a dataset's cache: ingest, parse, encode; resumes."""
    _prepare(manifest, override, "encode", only=False, **options)


@main.command()
@stage_options
def ingest(manifest: str, override: tuple[str, ...], **options: Any) -> None:
    """Only check, crop and key images and captions."""
    _prepare(manifest, override, "ingest", only=True, **options)


@main.command()
@stage_options
def parse(manifest: str, override: tuple[str, ...], **options: Any) -> None:
    """Only turn captions into concepts and scene graphs."""
    _prepare(manifest, override, "parse", only=True, **options)


@main.command()
@stage_options
def encode(manifest: str, override: tuple[str, ...], **options: Any) -> None:
    """Only encode captions and phrases, and finish the cache."""
    _prepare(manifest, override, "encode", only=True, **options)


@main.command()
@CacheFolder
@click.option("--caption", metavar="ID", help="A caption id (KEY#0), or a KEY for all captions of its image.")
@click.option("--search", metavar="TEXT", help="Captions that hold this text (the first ten).")
@click.option("--number", type=int, metavar="K", help="The caption in row K.")
@click.option("--svg", type=click.Path(path_type=Path, dir_okay=False), help="Draw the first caption's graph here.")
def inspect(cache: Path, caption: str | None, search: str | None, number: int | None, svg: Path | None) -> None:
    """Show captions with their concepts and scene graphs."""
    from hspcgan.pipeline import inspect as look
    from hspcgan.pipeline.cache.reader import Cache

    if sum(choice is not None for choice in (caption, search, number)) > 1:
        raise click.UsageError("give one of --caption, --search and --number")
    opened = Cache(cache)
    rows = look.find(opened, caption, search, number)
    for row in rows:
        click.echo(look.describe(opened, row))
    if svg is not None:
        svg.parent.mkdir(parents=True, exist_ok=True)
        svg.write_text(look.svg(opened, rows[0]), encoding="utf-8")
        click.echo(f"The graph of the first is drawn in {svg}.")


@main.command()
@CacheFolder
def stats(cache: Path) -> None:
    """Count rows in and out, refusals, concepts, phrases."""
    from hspcgan.pipeline.cache.reader import Cache
    from hspcgan.pipeline.inspect import statistics

    click.echo(statistics(Cache(cache)))


@main.command()
@CacheFolder
def validate(cache: Path) -> None:
    """Check every promise of the cache format."""
    from hspcgan.pipeline.cache.validate import validate as check

    check(cache)
    click.echo(f"{cache} keeps every promise of the format.")


@main.command()
@CacheFolder
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--parquet", is_flag=True, default=True, help="As Parquet, which is the only format so far.")
@click.option("--tokens", is_flag=True, help="With the token features of each caption (large).")
def export(cache: Path, folder: Path, parquet: bool, tokens: bool) -> None:
    """Write concepts and features as plain Parquet into FOLDER."""
    from hspcgan.pipeline.cache.reader import Cache
    from hspcgan.pipeline.export import export as write

    for path in write(Cache(cache), folder, tokens):
        click.echo(str(path))


@main.command()
@click.argument("manifest")
@click.option("--override", "-o", multiple=True, metavar="KEY=VALUE", help="Set a manifest key: bench.captions=500.")
def bench(manifest: str, override: tuple[str, ...]) -> None:
    """Measure a stage against the naive way; exit code 1 when a bar is missed.

    Shipped manifests: bench/graphs, bench/stanza, bench/encode, bench/scale.
    """
    from hspcgan.pipeline.bench.run import run
    from hspcgan.pipeline.manifest import load_manifest

    if not run(load_manifest(manifest, override), echo=click.echo):
        raise click.exceptions.Exit(1)


@main.command()
def doctor() -> None:
    """Say what is installed and what each missing piece needs."""
    from hspcgan.pipeline.doctor import report

    click.echo(report())

"""Commands for a finished cache; CACHE is its folder, or a manifest or run folder that uses the cache."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hspcgan.model.common.out_path import InPath, OutFile, OutPath
from hspcgan.model.common.printable import echo

if TYPE_CHECKING:
    from hspcgan.pipeline.cache.reader import Cache


def _folder(ctx: click.Context, argument: click.Parameter, given: Path) -> Path:
    from hspcgan.pipeline.manifest.path_arguments import cache_folder

    return cache_folder(given)


def _folders(ctx: click.Context, argument: click.Parameter, given: Path) -> tuple[Path, ...]:
    from hspcgan.pipeline.manifest.path_arguments import cache_folders

    return cache_folders(given)


CacheFolder = click.argument("cache", type=InPath(path_type=Path), callback=_folder)


@click.command()
@CacheFolder
@click.option("--caption", metavar="ID", help="Show the caption with this id (KEY#0), or all captions of image KEY.")
@click.option("--search", metavar="TEXT", help="Show captions that contain TEXT (the first ten).")
@click.option("--number", type=int, metavar="K", help="Show the caption in row K.")
@click.option("--svg", type=OutFile, help="Write the graph of the first caption to this SVG file.")
@click.option(
    "--html",
    type=OutFile,
    help="Write a page of images, captions, graphs, phrases and rejects to this file; --search selects images.",
)
@click.option(
    "--images",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="Maximum number of images on the --html page.",
)
def inspect(
    cache: Path, caption: str | None, search: str | None, number: int | None, svg: Path | None, html: Path | None,
    images: int,
) -> None:  # fmt: skip
    """Show captions with their concepts and scene graphs."""
    from hspcgan.model.common.files import write_atomically
    from hspcgan.pipeline.cache.reader import Cache
    from hspcgan.pipeline.cache_tools import show as look

    if sum(choice is not None for choice in (caption, search, number)) > 1:
        raise click.UsageError("give only one of --caption, --search and --number")
    opened = Cache(cache)
    if html is not None:
        if (caption, number, svg) != (None, None, None):
            raise click.UsageError("--html can be combined only with --search and --images")
        _write_page(opened, search, images, html)
        return
    rows = look.find(opened, caption, search, number)
    for row in rows:
        echo(look.describe(opened, row))
    if svg is not None:
        write_atomically(svg, look.svg(opened, rows[0]))
        echo(f"The first caption's graph is in {svg}.")


def _write_page(cache: "Cache", search: str | None, images: int, target: Path) -> None:
    from hspcgan.model.common.files import write_atomically
    from hspcgan.pipeline.cache_tools.page import render

    page = render(cache, search, images).encode()
    write_atomically(target, page)
    echo(f"wrote {target} ({len(page) / 1e6:.1f} MB)")


@click.command()
@click.argument("cache", type=InPath(path_type=Path), callback=_folders)
def stats(cache: tuple[Path, ...]) -> None:
    """Count input and output rows, rejects, concepts and phrases."""
    from hspcgan.pipeline.cache.cache_set import open_cache
    from hspcgan.pipeline.cache_tools.show import statistics

    echo(statistics(open_cache(cache)))


@click.command()
@CacheFolder
def validate(cache: Path) -> None:
    """Check a cache against its format; exit code 1 if invalid."""
    from hspcgan.model.common.errors import CheckFailedError, UserError
    from hspcgan.model.common.progress import bytes_bar
    from hspcgan.pipeline.cache.reader import Cache
    from hspcgan.pipeline.cache.validate import validate as check
    from hspcgan.pipeline.cache_tools.show import split_warnings

    size = sum(file.stat().st_size for file in cache.glob("*") if file.is_file())
    try:
        with bytes_bar("checksums", size) as bar:
            check(cache, report=bar.update)
    except UserError as error:
        if (cache / "cache.json").exists():
            raise CheckFailedError(str(error)) from error
        raise
    echo("\n".join([f"{cache} is valid.", *split_warnings(Cache(cache))]))


@click.command()
@CacheFolder
@click.argument("folder", type=OutPath())
@click.option("--tokens", is_flag=True, help="Also write the token features of each caption (large).")
def export(cache: Path, folder: Path, tokens: bool) -> None:
    """Write concepts and features as plain Parquet into FOLDER."""
    from hspcgan.pipeline.cache.reader import Cache
    from hspcgan.pipeline.cache_tools.export import export as write

    for path in write(Cache(cache), folder, tokens):
        echo(str(path))


@click.command()
@click.argument("source")
@click.argument("target")
@click.option("--replace", is_flag=True, help="If TARGET already contains a cache, overwrite it.")
def copy(source: str, target: str, replace: bool) -> None:
    """Copy a finished cache, to or from an object store.

    SOURCE and TARGET are each a local folder or a URL that fsspec supports, such as s3://bucket/cache.
    """
    from hspcgan.model.common.errors import UserError
    from hspcgan.pipeline.cache_tools.copy import copy_cache

    if target.startswith("memory:"):
        raise UserError(f"{target} would be lost when this command ends; give a folder or another URL as TARGET")
    copied = copy_cache(source, target, replace)
    echo(f"{target}: {copied / 1e6:,.1f} MB copied" if copied else f"{target}: already contains this cache")

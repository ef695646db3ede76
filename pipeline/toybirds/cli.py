"""The commands `hspcgan demo` and `hspcgan assets`."""

from pathlib import Path

import click

from hspcgan.model.common.errors import CheckFailedError
from hspcgan.model.common.out_path import InPath, OutFolder
from hspcgan.model.common.printable import echo


@click.command()
@click.option(
    "--out",
    type=OutFolder,
    default=Path("runs/demo"),
    show_default=True,
    help="Folder for the cache, the run and the report; finished steps of an earlier demo are reused.",
)
@click.option(
    "--train-seconds",
    type=click.IntRange(1, 10**9),
    default=2400,
    show_default=True,
    help="Time limit of the training, in seconds; its 600 steps take 190 to 300 s on two AVX-512 cores.",
)
@click.option("--dry-run", is_flag=True, help="Print the commands without running them.")
@click.pass_context
def demo(ctx: click.Context, out: Path, train_seconds: int, dry_run: bool) -> None:
    """Run all steps, from data to report, on toy birds; this takes four to thirty minutes."""
    from hspcgan.pipeline.toybirds.demo import run

    root = ctx.find_root().command
    assert isinstance(root, click.Group)
    run(root, out, train_seconds, dry_run)


@click.group()
def assets() -> None:
    """Build or check the shipped weights."""


@assets.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--out", type=OutFolder, help="Folder to write to; by default that of the shipped weights.")
@click.option("--factual", type=InPath(path_type=Path), help="FACTUAL's train.csv, for the caption weights.")
@click.option("--coco", type=InPath(path_type=Path), help="COCO's captions_val2017.json, for caption-heads.")
def build(names: tuple[str, ...], out: Path | None, factual: Path | None, coco: Path | None) -> None:
    """
    Build the shipped weights again.

    NAME is toy-stanza, toy-clip, toy-scorer or toy-hspcgan (by default all four, in this order), which are trained from
    scratch, or caption-parser, caption-choices or caption-heads, which are trained on FACTUAL's training captions
    (--factual), caption-heads also on captions of COCO (--coco).
    """
    from hspcgan.pipeline.assets import CAPTION_HEADS, TRAINED_ON_FACTUAL
    from hspcgan.pipeline.toybirds.weights import build as weights

    known = (*weights.BUILDERS, *TRAINED_ON_FACTUAL)
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise click.UsageError(f"unknown weights {', '.join(unknown)}; known: {', '.join(known)}")
    if bool(set(names) & set(TRAINED_ON_FACTUAL)) != (factual is not None):
        trained = " or ".join(TRAINED_ON_FACTUAL)
        raise click.UsageError(f"give --factual train.csv to build {trained}; no other weights need it")
    if (CAPTION_HEADS in names) != (coco is not None):
        raise click.UsageError(f"give --coco captions_val2017.json to build {CAPTION_HEADS}; no other weights need it")
    weights.build(names, out, factual, coco)


@assets.command()
def verify() -> None:
    """Compare the shipped weights with their sha256 list."""
    from hspcgan.pipeline.assets import build_command
    from hspcgan.pipeline.toybirds.weights import build as weights

    wrong = weights.verify()
    if wrong:
        names = dict.fromkeys(Path(name.split("/")[0]).stem for name in wrong)
        commands = ", ".join(f"`{build_command(name)}`" for name in names)
        raise CheckFailedError(
            f"shipped weights differ from {weights.SUMS}: {', '.join(wrong)}; reinstall the package, or rebuild them "
            f"with {commands}"
        )
    echo("All shipped weights match their checksums.")

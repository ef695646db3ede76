"""The commands of the embedded world: `hspcgan demo` and `hspcgan assets`."""

from pathlib import Path

import click

from hspcgan.model.common.errors import CheckFailedError
from hspcgan.model.common.out_path import OutFolder
from hspcgan.model.common.printable import echo


@click.command()
@click.option(
    "--out",
    type=OutFolder,
    default=Path("runs/demo"),
    show_default=True,
    help="Folder for the cache, the run and the report; what an earlier demo finished there is kept.",
)
@click.option(
    "--train-seconds", type=click.FloatRange(min=1), default=300.0, show_default=True, help="Longest training."
)
@click.option("--dry-run", is_flag=True, help="Print the commands, run nothing.")
@click.pass_context
def demo(ctx: click.Context, out: Path, train_seconds: float, dry_run: bool) -> None:
    """The whole path on toy birds, in about six minutes."""
    from hspcgan.pipeline.toybirds.demo import run

    root = ctx.find_root().command
    assert isinstance(root, click.Group)
    run(root, out, train_seconds, dry_run)


@click.group()
def assets() -> None:
    """Build or check the shipped weights."""


@assets.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--out", type=OutFolder, help="Folder; default: where the shipped ones are.")
@click.option("--factual", type=click.Path(path_type=Path), help="FACTUAL's train.csv, for caption-parser.")
def build(names: tuple[str, ...], out: Path | None, factual: Path | None) -> None:
    """
    Build weights: toy-stanza, toy-clip, toy-scorer, toy-hspcgan from nothing (default: all, in this order);
    caption-parser from FACTUAL's training captions (--factual).
    """
    from hspcgan.pipeline.assets import CAPTION_PARSER
    from hspcgan.pipeline.toybirds.weights import build as weights

    known = (*weights.BUILDERS, CAPTION_PARSER)
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise click.UsageError(f"unknown weights {', '.join(unknown)}; known: {', '.join(known)}")
    if (CAPTION_PARSER in names) != (factual is not None):
        raise click.UsageError(f"{CAPTION_PARSER} and --factual train.csv go together")
    weights.build(names, out, factual)


@assets.command()
def verify() -> None:
    """Hold the shipped weights against their sha256 list."""
    from hspcgan.pipeline.assets import build_command
    from hspcgan.pipeline.toybirds.weights import build as weights

    wrong = weights.verify()
    if wrong:
        names = dict.fromkeys(Path(name.split("/")[0]).stem for name in wrong)
        commands = ", ".join(f"`{build_command(name)}`" for name in names)
        raise CheckFailedError(
            f"not as listed in {weights.SUMS}: {', '.join(wrong)}; install the package again, or rebuild them with "
            f"{commands}"
        )
    echo("All shipped weights are as listed.")

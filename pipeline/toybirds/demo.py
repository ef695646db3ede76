"""The demo: runs the commands prepare, train, evaluate and report on toy birds."""

import shlex
import time
from collections.abc import Sequence
from pathlib import Path

import click

from hspcgan.model.common.printable import echo
from hspcgan.pipeline.manifest import load_manifest

MANIFEST, SHIPPED = "toybirds", "toy-hspcgan"


def steps(seconds: float, folder: Path) -> list[tuple[str, list[str]]]:
    """Returns the title and command line of each step. `seconds` limits the training time; `folder` gets all output."""
    places = ["-o", f"cache={folder / 'cache'}", "-o", f"run={folder / 'run'}"]
    train = ["train", MANIFEST, *places, "-o", f"train.max_seconds={seconds}"]
    evaluate = ["evaluate", MANIFEST, *places, "--untrained", "--checkpoint", str(folder / "run")]
    return [
        ("Draw toy birds, then parse and encode their captions", ["prepare", MANIFEST, *places]),
        (f"Train HSPC-GAN from the cache for at most {seconds:.0f} s", train),
        (
            "Evaluate images: untrained, trained, shipped and real",
            [*evaluate, "--checkpoint", SHIPPED, "--real"],
        ),
        ("Build the report", ["report", str(folder / "run")]),
    ]


def run(root: click.Group, folder: Path, seconds: float, dry_run: bool) -> None:
    """Runs each step as a command of the group `root`; stops at the first failure."""
    began = time.monotonic()
    load_manifest(MANIFEST)
    todo = steps(seconds, folder)
    for number, (title, arguments) in enumerate(todo, start=1):
        click.secho(f"\n[{number}/{len(todo)}] {title}", bold=True)
        echo(f"$ hspcgan {shlex.join(arguments)}")
        if not dry_run:
            _call(root, arguments)
    if not dry_run:
        page = folder / "run" / "report.html"
        click.secho(f"\nDone in {time.monotonic() - began:.0f} s. Open {page} in a browser.", bold=True)
        echo(
            "To generate an image from your own caption, run: "
            'hspcgan sample "a large yellow bird with a blue belly is perched on a branch"'
        )


def _call(root: click.Group, arguments: Sequence[str]) -> None:
    code = root.main(list(arguments), prog_name="hspcgan", standalone_mode=False)
    if code:
        raise click.exceptions.Exit(code)

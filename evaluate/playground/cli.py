"""The command `hspcgan playground`: serves the page on 127.0.0.1 until it is interrupted."""

from __future__ import annotations

from pathlib import Path

import click

from hspcgan.model.common.out_path import InPath
from hspcgan.model.common.printable import echo


@click.command()
@click.option(
    "--checkpoint",
    metavar="RUN",
    help="Checkpoint to list first: a run, a checkpoint folder or a shipped checkpoint's name.",
)
@click.option("--runs", type=InPath(path_type=Path, file_okay=False), default=Path("runs"), show_default=True,
              help="Folder with more runs to list.")  # fmt: skip
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8017, show_default=True, help="Port; 0 selects a free port."
)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True,
              help="Device that generates the images.")  # fmt: skip
@click.option("--load-test", "load_sec", type=click.IntRange(1, 86_400), metavar="SECONDS",
              help="Only run a load test with 20 clients for SECONDS; exit code 1 if a response is lost.")  # fmt: skip
def playground(checkpoint: str | None, runs: Path, port: int, device: str, load_sec: int | None) -> None:
    """Serve a local page that parses captions and generates images from them.

    The page is available only on this machine; its address is printed. Press Ctrl-C to stop.
    """
    if load_sec is not None:
        from hspcgan.evaluate.playground.load_test import load_test

        load_test(load_sec, echo)
        return
    from hspcgan.evaluate.playground.checkpoints import Checkpoints
    from hspcgan.evaluate.playground.server import serve

    serve(Checkpoints(checkpoint, runs, device), port, echo)

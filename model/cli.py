"""The command group `hspcgan models`: weights in and out."""

from pathlib import Path

import click


@click.group()
def models() -> None:
    """Pack checkpoints for sharing."""


@models.command()
@click.argument("checkpoint", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option("--clip", "clip_path", type=click.Path(path_type=Path, dir_okay=False), help="Its CLIP, where not found.")
def pack(checkpoint: Path, out: Path, clip_path: Path | None) -> None:
    """Write CHECKPOINT's weights in half precision to the folder OUT, without what only a resumed run needs."""
    from hspcgan.model.checkpoint import load, save_weights

    found = load(checkpoint, clip_path=clip_path)
    networks = (found.generator, found.discriminator, found.head)
    save_weights(out, *networks, found.config, found.clip, extra=found.card.get("extra"), half=True)
    click.echo(f"{out}: {sum(path.stat().st_size for path in out.iterdir()) / 1e6:.1f} MB")

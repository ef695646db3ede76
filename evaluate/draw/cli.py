"""The commands `hspcgan sample`, `interpolate` and `edit`, which generate images from user-supplied captions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hspcgan.model.common.out_path import InPath, OutFolder
from hspcgan.model.common.printable import echo

if TYPE_CHECKING:
    from hspcgan.evaluate.draw.checkpoint import CheckpointChoice


def _shared(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that the commands share; those for checkpoint, CLIP and device are passed as `choice`."""

    @functools.wraps(command)
    def drawing(checkpoint: str, clip_path: str | None, device: str, allow_unverified: bool, **rest: Any) -> None:
        from hspcgan.evaluate.draw.checkpoint import CheckpointChoice

        command(choice=CheckpointChoice(checkpoint, clip_path, device, allow_unverified), **rest)

    for decorate in reversed(
        (
            click.option("--checkpoint", default="toy-hspcgan", show_default=True, metavar="PATH",
                         help="A run, a checkpoint folder, RUN/checkpoints/best or a shipped checkpoint's name."),
            click.option("--clip", "clip_path", metavar="PATH",
                         help="CLIP weights to use instead of the file named in the checkpoint's card."),
            click.option("--allow-unverified", is_flag=True,
                         help="Load a TorchScript CLIP even if its sha256 is not in OpenAI's list; it can run code."),
            click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True,
                         help="First seed of the noise; the noise also depends on the caption."),
            click.option("--out", type=OutFolder, default=Path("samples"),
                         show_default=True, help="Folder to write to."),
            click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True,
                         help="Device that generates the images."),
            click.option("--dry-run", is_flag=True, help="Print the names of the files to be written; write nothing."),
        )
    ):  # fmt: skip
        drawing = decorate(drawing)
    return drawing


_count = click.option(
    "--count",
    type=click.IntRange(1, 10_000),
    default=1,
    show_default=True,
    help="Number of images per caption, with consecutive seeds.",
)


def _show(paths: Iterable[Path]) -> None:
    echo("\n".join(map(str, paths)))


def _planned(paths: Sequence[Path]) -> Sequence[Path]:
    """Returns the files that a dry run prints. UserError if a user's file has the name of one of them."""
    from hspcgan.evaluate.draw.out_folder import require_own_pictures

    require_own_pictures(paths)
    return paths


@click.command()
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@click.option("--texts", "file", type=InPath(path_type=Path, dir_okay=False), help="File with one caption per line.")
@_count
@click.option(
    "--grid/--no-grid",
    default=True,
    show_default=True,
    help="Also write one picture with the images (at most 1,000) and their captions.",
)
@_shared
def sample(
    texts: tuple[str, ...], file: Path | None, count: int, grid: bool, choice: CheckpointChoice, seed: int, out: Path,
    dry_run: bool,
) -> None:  # fmt: skip
    """Generate images from your own captions.

    Each TEXT is one caption, such as "a large yellow bird with a blue belly".
    """
    from hspcgan.evaluate.draw.sample import Request, draw, read_texts

    if file is not None:
        texts = (*texts, *read_texts(file))
    if not texts:
        raise click.UsageError("there are no captions; give a TEXT, or --texts FILE")
    request = Request(texts, tuple(range(seed, seed + count)), out, grid)
    _show(_planned(request.files()) if dry_run else draw(request, choice))


@click.command()
@click.argument("texts", nargs=-1, required=True, metavar="TEXT...")
@click.option(
    "--to-seed",
    type=click.IntRange(0, 2**63 - 1),
    help="Seed of the last frame; if absent, all frames have the same noise.",
)
@click.option(
    "--frames",
    type=click.IntRange(2, 1_000),
    default=9,
    show_default=True,
    help="Number of frames, including both ends; of large images, fewer are possible.",
)
@_shared
def interpolate(
    texts: tuple[str, ...],
    to_seed: int | None,
    frames: int,
    choice: CheckpointChoice,
    seed: int,
    out: Path,
    dry_run: bool,
) -> None:
    """Generate interpolations between captions, between noise vectors, or both.

    Goes from each TEXT to the next and from --seed to --to-seed; writes a strip (PNG) and a GIF that plays forwards and
    backwards.
    """
    from hspcgan.evaluate.draw.interpolate import Interpolation, interpolate

    request = Interpolation(texts, (seed, seed if to_seed is None else to_seed), frames, out)
    _show(_planned(request.files()) if dry_run else interpolate(request, choice))


@click.command()
@click.argument("text")
@click.option("--replace", "replacements", type=(str, str), multiple=True, metavar="OLD NEW",
              help="Words of TEXT and their replacement. Repeatable; each replacement gives one variant.")  # fmt: skip
@_count
@_shared
def edit(
    text: str,
    replacements: tuple[tuple[str, str], ...],
    count: int,
    choice: CheckpointChoice,
    seed: int,
    out: Path,
    dry_run: bool,
) -> None:
    """Generate images of a caption, and of variants of the caption with words replaced.

    All are generated from the same noise, as in Fig. 6 of the paper:
    hspcgan edit "a bird with a white belly" --replace white yellow
    """
    from hspcgan.evaluate.draw.edit import Edits, edit

    edits = Edits(text, replacements, tuple(range(seed, seed + count)), out)
    _show(_planned(edits.files()) if dry_run else edit(edits, choice))

"""The command group `hspcgan models`: fetches weights, packs checkpoints, imports GALIP checkpoints."""

import os
from pathlib import Path

import click

from hspcgan.model.common.errors import UsageError, UserError
from hspcgan.model.common.files import size_mb
from hspcgan.model.common.out_path import InPath, OutFolder
from hspcgan.model.common.printable import echo

_allow_unverified = click.option(
    "--allow-unverified",
    is_flag=True,
    help="Load a TorchScript file of CLIP even if its sha256 is not in OpenAI's list; such a file can run code.",
)


@click.group()
def models() -> None:
    """Fetch weights, pack checkpoints, and import GALIP checkpoints."""


@models.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--all", "everything", is_flag=True, help="Fetch all weights that `hspcgan doctor` can report as missing."
)
@click.option("--to", "folder", type=OutFolder, default=Path("weights"),
              show_default=True, help="Folder for the downloads; other commands search in `weights`.")  # fmt: skip
def fetch(names: tuple[str, ...], everything: bool, folder: Path) -> None:
    """Download weights: CLIP, stanza's English models, Inception, FACTUAL's parser.

    NAME is ViT-B/32, ViT-B/16, ViT-L/14, stanza, inception or factual; without NAME, all are listed. Interrupted
    downloads are resumed, known checksums are verified, and the proxies set in the environment are used. No other
    command downloads anything.
    """
    from hspcgan.model.published_weights import ALL, catalogue
    from hspcgan.model.published_weights import fetch as download

    if not names and not everything:
        for one in catalogue().values():
            mark = "present" if (folder / one.place).exists() else "missing"
            echo(f"{one.name:<10} {mark:<7} {folder / one.place}: {one.needed_by}")
        return
    failed = []
    for name in dict.fromkeys([*names, *(ALL if everything else ())]):
        try:
            found = download(name, folder)
        except UserError as error:
            if not everything:
                raise
            failed.append(f"{name}: {error}")
            continue
        of = "" if found.verified == found.files else f" of {found.verified} of {found.files} files"
        checked = f"checksums{of} verified" if found.verified else "no known checksum"
        echo(f"{found.path}: {'fetched' if found.new else 'already present'}, {size_mb(found.path):,.1f} MB, {checked}")
    if failed:
        raise UserError("these weights were not downloaded:\n  " + "\n  ".join(failed))


@models.command()
@click.argument("checkpoint", type=InPath(path_type=Path, exists=True))
@click.argument("out", type=OutFolder)
@click.option(
    "--clip",
    "clip_path",
    type=InPath(path_type=Path, dir_okay=False),
    help="Path of the CLIP that CHECKPOINT was trained with, if it is not at the path stored in CHECKPOINT.",
)
@_allow_unverified
def pack(checkpoint: Path, out: Path, clip_path: Path | None, allow_unverified: bool) -> None:
    """
    Write the weights of CHECKPOINT to the folder OUT in float16, without the training state.

    CHECKPOINT is a checkpoint folder, a run (its latest checkpoint is packed) or RUN/checkpoints/best. A packed
    checkpoint in OUT is replaced.
    """
    from hspcgan.model.checkpoint import checkpoint_at, load, save_weights
    from hspcgan.model.common.files import resolve_links

    checkpoint = checkpoint_at(checkpoint) or checkpoint
    if not checkpoint.is_dir():
        raise UsageError(f"{checkpoint} is not a folder; give a checkpoint, a run, or RUN/checkpoints/best")
    if resolve_links(out) == resolve_links(checkpoint):
        raise UsageError(f"{out} is CHECKPOINT itself, whose float32 weights would be lost; give another OUT")
    _require_packed(out)
    found = load(checkpoint, clip_path=clip_path, allow_unverified=allow_unverified)
    networks = (found.generator, found.discriminator, found.head)
    save_weights(out, *networks, found.config, found.clip, extra=found.card.get("extra"), half=True)
    echo(f"wrote {out} ({size_mb(out):.1f} MB)")


def _require_packed(out: Path) -> None:
    """Raises UserError if `out` contains a checkpoint or files with the names of one that `pack` did not write."""
    from hspcgan.model.checkpoint import CARD, WEIGHTS, read_card
    from hspcgan.model.common.overwrite import require_ours

    try:
        is_packed = read_card(out)["weights"].get("dtype") == "float16"
    except UserError:
        is_packed = False
    found = [name for name in (CARD, WEIGHTS) if os.path.lexists(out / name)]
    require_ours(out, found, is_packed, "float16 weights of `hspcgan models pack`", "OUT")


@models.command("import-galip")
@click.argument("state", type=InPath(path_type=Path, dir_okay=False))
@click.argument("out", type=OutFolder, required=False)
@click.option(
    "--clip",
    "clip_path",
    type=InPath(path_type=Path, dir_okay=False),
    default=Path("weights/ViT-B-32.pt"),
    show_default=True,
    help="Path of the CLIP that STATE was trained with.",
)
@_allow_unverified
@click.option(
    "--image-size",
    type=click.IntRange(16, 2048),
    default=224,
    show_default=True,
    help="Height and width of generated images, in pixels.",
)
def import_galip(state: Path, out: Path | None, clip_path: Path, allow_unverified: bool, image_size: int) -> None:
    """Convert a state file of the original GALIP code into a checkpoint.

    STATE is a released .pth file; OUT is the folder to write, by default the path STATE without its suffix. The
    checkpoint gives the same images and scores as the original; images are converted for CLIP as in the original code.
    """
    from hspcgan.model import import_galip
    from hspcgan.model.checkpoint import save_weights
    from hspcgan.model.common.files import file_sha256, require_writable

    target = out or state.with_suffix("")
    if target.exists():
        raise UsageError(f"{target} already exists; remove it, or give another OUT")
    require_writable(target)
    clip = import_galip.clip_of(state, clip_path, allow_unverified)
    generator, discriminator, head, config = import_galip.import_galip(state, clip, image_size)
    origin = {"imported": {"from": "GALIP", "file": state.name, "sha256": file_sha256(state)}}
    save_weights(target, generator, discriminator, head, config, clip, extra=origin)
    counts = [sum(p.numel() for p in network.parameters()) for network in (generator, discriminator, head)]
    echo(f"wrote {target}: {counts[0]:,} parameters in G, {counts[1]:,} in D, {counts[2]:,} in the head")

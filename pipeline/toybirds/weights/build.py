"""Builds the shipped weights from their recipes, lists their sha256 and verifies them."""

import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from hspcgan.model.common.files import file_sha256, write_atomically
from hspcgan.pipeline.assets import CAPTION_HEADS, CAPTION_PARSER, TRAINED_ON_FACTUAL, assets_folder
from hspcgan.pipeline.manifest import load_manifest

log = logging.getLogger("hspcgan.pipeline")

SUMS = "SHA256SUMS"
CHECKPOINT_RUNS = ("toybirds_checkpoint", "toybirds_checkpoint_refined")


def build_clip(name: str, folder: Path) -> None:
    """Trains a toy CLIP and logs its measurements from `clip_measures`."""
    from hspcgan.model.clip.frozen import load_clip
    from hspcgan.pipeline.toybirds.weights.clip_measures import bars
    from hspcgan.pipeline.toybirds.weights.toy_clip import RECIPES, save, train

    path = folder / f"{name}.pt"
    save(train(RECIPES[name]), path)
    for measure, value in bars(load_clip(path)).items():
        log.info(f"  {measure:22} {value:.3f}")


def build_stanza(name: str, folder: Path) -> None:
    """Trains the toy stanza models and logs the share of unseen captions with exactly the gold concept sets."""
    from hspcgan.pipeline.concepts import ParseConfig, Parser
    from hspcgan.pipeline.toybirds.scene import sample_scenes
    from hspcgan.pipeline.toybirds.weights.toy_stanza import accuracy, train

    train(folder / name)
    unseen = [scene for scene in sample_scenes(1000, seed=31) if scene.split == "test"]
    parser = Parser(ParseConfig.model_validate({"annotator": "stanza", "model": str(folder / name)}))
    log.info(f"  {accuracy(parser, unseen):.2%} of {5 * len(unseen)} captions have exactly the gold concept sets")


def build_checkpoint(name: str, folder: Path) -> None:
    """Prepares and trains the runs of the checkpoint one after the other, and packs the last averaged generator.

    The packed weights are in half precision; the second run starts from those of the first (`train.initial`). If
    `folder` is not that of the shipped weights, the parser and CLIP in `folder` are used.
    """
    from hspcgan.pipeline.cli.root import main

    def call(*words: str | Path) -> None:
        main.main([str(word) for word in words], prog_name="hspcgan", standalone_mode=False)

    own = {"parse.model": folder / "toy-stanza", "encode.clip": folder / "toy-clip.pt"}
    used = {key: path for key, path in own.items() if folder != assets_folder() and path.exists()}
    override = [word for key, path in used.items() for word in ("-o", f"{key}={path}")]
    for manifest in CHECKPOINT_RUNS:
        call("prepare", manifest, *override)
        call("train", manifest, *override)
        run = load_manifest(manifest).run
        latest = run / "checkpoints" / (run / "checkpoints" / "latest").read_text().strip()
        call("models", "pack", latest, run.parent / "packed")
    call("models", "pack", run.parent / "packed", folder / name)


BUILDERS: dict[str, Callable[[str, Path], None]] = {
    "toy-stanza": build_stanza,
    "toy-clip": build_clip,
    "toy-scorer": build_clip,
    "toy-hspcgan": build_checkpoint,
}


def build(names: Iterable[str], folder: Path | None, factual: Path | None = None, coco: Path | None = None) -> None:
    """
    Builds weights into a folder and lists their sha256.

    Args:
        names: Names of weights; empty for all toy weights.
        folder: Output folder; None for that of the shipped weights.
        factual: FACTUAL's train.csv, for caption-parser, caption-choices and caption-heads.
        coco: COCO's captions_val2017.json, for caption-heads.
    """
    target = folder or assets_folder()
    target.mkdir(parents=True, exist_ok=True)
    for name in tuple(names) or BUILDERS:
        log.info(f"building {name} in {target}")
        if factual and name in TRAINED_ON_FACTUAL:
            from hspcgan.pipeline.caption_parser import learn_choices, learn_heads, train_spacy

            if coco and name == CAPTION_HEADS:
                learn_heads.learn(factual, coco, target / name)
            else:
                (train_spacy.learn if name == CAPTION_PARSER else learn_choices.learn)(factual, target / name)
        else:
            BUILDERS[name](name, target)
        write_sums(target)


def sums(folder: Path) -> dict[str, str]:
    """Returns the sha256 of each weights file below the folder, by relative path."""
    files = (p for p in sorted(folder.rglob("*")) if p.suffix in {".pt", ".safetensors", ".json", ".tsv"})
    return {p.relative_to(folder).as_posix(): file_sha256(p) for p in files}


def write_sums(folder: Path) -> None:
    """Writes SHA256SUMS in the format of the sha256sum tool; lines for other files are kept, which a user may have."""
    path, found = folder / SUMS, sums(folder)
    lines = path.read_bytes().splitlines() if path.is_file() else []
    kept = [line for line in lines if os.fsdecode(line.partition(b"  ")[2]) not in found]
    own = [f"{digest}  {name}".encode() for name, digest in found.items()]
    write_atomically(path, b"".join(line + b"\n" for line in [*kept, *own]))


def verify(folder: Path | None = None) -> list[str]:
    """Returns the names of files that are missing, damaged or not listed."""
    target = folder or assets_folder()
    lines = (target / SUMS).read_text().splitlines() if (target / SUMS).is_file() else []
    listed = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    found = sums(target)
    return sorted(name for name in listed.keys() | found.keys() if listed.get(name) != found.get(name))

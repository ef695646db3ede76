"""Subjects to score: a checkpoint, the generator before its first training step, a folder of images, real images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hspcgan.evaluate.checkpoints import find_checkpoint, open_checkpoint, read_card
from hspcgan.model.clip.frozen import FrozenClip
from hspcgan.model.common.errors import UsageError, UserError
from hspcgan.model.common.printable import printable
from hspcgan.model.common.validation import quoted
from hspcgan.model.config import ModelConfig
from hspcgan.model.networks.build import build
from hspcgan.model.networks.generator import Generator
from hspcgan.pipeline.cache.reader import Cache
from hspcgan.pipeline.manifest import Manifest

CHECKPOINT, IMAGES, REAL, UNTRAINED = "checkpoint", "images", "real", "untrained"  # kinds
LONGEST_LABEL = 200  # bytes; file systems allow 255 for a name with its suffix
TRAINED = "trained"  # label of the checkpoint in the manifest's run


@dataclass(frozen=True)
class Subject:
    """One source of images to score; it has one column in the tables of an evaluation.

    `source` is the given path or the name of a shipped checkpoint. A checkpoint is opened only when it is scored, so
    that a missing checkpoint affects only one column.
    """

    label: str
    kind: str  # CHECKPOINT, IMAGES, REAL or UNTRAINED
    source: str | None = None

    @property
    def has_expectations(self) -> bool:
        """Whether the expectations in the manifest apply to the subject."""
        return self.kind in (CHECKPOINT, IMAGES)

    @property
    def path(self) -> Path | None:
        """The checkpoint folder, or the folder of images. UserError if the checkpoint does not exist."""
        if self.source is None:
            return None
        return find_checkpoint(self.source) if self.kind == CHECKPOINT else Path(self.source)


def select_subjects(
    manifest: Manifest,
    checkpoints: Sequence[str] = (),
    named: dict[str, str] | None = None,
    images: Sequence[str] = (),
    untrained: bool = False,
    real: bool = False,
    label: str | None = None,
) -> list[Subject]:
    """Returns the subjects that the options select; by default `evaluate.checkpoints`, or the run's latest checkpoint.

    A checkpoint in the manifest's run has the label "trained"; other checkpoints have their name as label. If labels
    are equal, run or step is added. UsageError for a label that is used twice, or a `label` for several subjects.
    """
    named = dict(named or {})
    if checkpoints or untrained or real or images:
        own = {}
    elif named:
        own, named = named, {}
    else:
        run = manifest.run
        if not run.is_dir():
            raise UserError(f"the run {run} does not exist; run `hspcgan train MANIFEST`, or give --checkpoint")
        own, checkpoints = {}, [str(run)]
    found = [Subject(UNTRAINED, UNTRAINED)] if untrained else []
    found += [Subject(name, CHECKPOINT, source) for name, source in own.items()]
    labels = _labels(manifest, [named.get(name, name) for name in checkpoints])
    found += [
        Subject(name if name in named else by_path, CHECKPOINT, named.get(name, name))
        for name, by_path in zip(checkpoints, labels, strict=True)
    ]
    found += [Subject(Path(folder).resolve().name, IMAGES, folder) for folder in images]
    found += [Subject(REAL, REAL)] if real else []
    if label is not None:
        if len(found) != 1:
            raise UsageError(f"--label is for one subject, but {len(found)} were given; score them one by one")
        found = [Subject(label, found[0].kind, found[0].source)]
    names = [subject.label for subject in found]
    for name in names:
        if names.count(name) > 1 or not _is_file_name(name):
            raise UsageError(
                f"label {quoted(name)} cannot be a file name, or several subjects have it; give each checkpoint a "
                "label in evaluate.checkpoints, or score the subjects one by one with --label"
            )
    return found


def _is_file_name(label: str) -> bool:
    """Whether LABEL.parquet can be a file that every terminal and page shows as it is named."""
    visible = printable(label) == label and "\n" not in label and "\t" not in label
    return visible and "/" not in label and not label.startswith(".") and 0 < len(label.encode()) <= LONGEST_LABEL


def open_generator(subject: Subject, manifest: Manifest, cache: Cache, clip: FrozenClip) -> Generator:
    """Opens the subject's generator. UserError if CLIP, parser, templates or image size are not those of the cache."""
    if subject.kind == CHECKPOINT and subject.path is not None:
        loaded = open_checkpoint(subject.path, clip)
        generator, texts = loaded.generator, loaded.card.get("extra", {}).get("texts") or {}
    else:
        config = manifest.section("model", ModelConfig)
        torch.manual_seed(int((manifest.raw.get("train") or {}).get("seed", 0)))
        generator, texts = build(config, clip, cache.phrase_mean)[0], manifest.texts
    if generator.config.prompts != "fc":
        cache.require_texts(texts, subject.label)
    if generator.config.reads_tokens:
        cache.require_tokens(subject.label)
    size = cache.images.shape[-1]
    if generator.config.image_size != size:
        raise UserError(
            f"{subject.label} generates images of {generator.config.image_size} px, but the real images in "
            f"{cache.path} have {size} px; use a cache with images of the same size"
        )
    return generator


def provenance(subject: Subject) -> dict[str, Any]:
    """Returns the subject's entry in the result file: its kind and, for a checkpoint, path, step and weights."""
    if subject.path is None:
        return {"kind": subject.kind}
    if subject.kind == IMAGES:
        return {"kind": subject.kind, "path": str(subject.path)}
    card = read_card(subject.path)
    extra = card.get("extra", {})
    return {
        "kind": subject.kind,
        "path": str(subject.path),
        "step": extra.get("step"),
        "sha256": card["weights"].get("sha256"),
        "parameters": card["weights"].get("parameters"),
    }


def _labels(manifest: Manifest, sources: Sequence[str]) -> list[str]:
    """Returns a label per checkpoint: "trained" if it is in the manifest's run, else its name.

    If labels are equal, checkpoints outside the run also get the name of their parent folder, those in the run only
    their own name; the run itself remains "trained".
    """
    run = manifest.run.resolve()
    paths = [Path(source).resolve() for source in sources]
    inside = [path == run or path.is_relative_to(run) for path in paths]
    plain = [TRAINED if own else path.name for own, path in zip(inside, paths, strict=True)]
    labels = []
    for label, path, own in zip(plain, paths, inside, strict=True):
        if plain.count(label) > 1 and not own:
            label = f"{path.parent.name}-{path.name}"
        elif plain.count(label) > 1 and path != run:
            label = path.name
        labels.append(label)
    return labels

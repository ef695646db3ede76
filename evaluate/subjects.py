"""What can be scored: a checkpoint, the generator before its first training step, or real images as the floor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hspcgan.evaluate.checkpoints import find_checkpoint, open_checkpoint, read_card
from hspcgan.model.build import build
from hspcgan.model.clip import FrozenClip
from hspcgan.model.config import ModelConfig
from hspcgan.model.errors import UsageError, UserError
from hspcgan.model.generator import Generator
from hspcgan.pipeline.cache.reader import Cache
from hspcgan.pipeline.manifest import Manifest

CHECKPOINT, REAL, UNTRAINED = "checkpoint", "real", "untrained"  # kinds
TRAINED = "trained"  # label of the run's own checkpoint


@dataclass(frozen=True)
class Subject:
    """One column of an evaluation; `judged` says whether the manifest's bounds hold for it."""

    label: str
    kind: str  # CHECKPOINT, REAL or UNTRAINED
    path: Path | None = None

    @property
    def judged(self) -> bool:
        return self.kind == CHECKPOINT


def subjects(
    manifest: Manifest, checkpoints: list[str], untrained: bool, real: bool, label: str | None
) -> list[Subject]:
    """The subjects that a command line names; nothing named: the run's latest checkpoint.

    The run's own checkpoint is labelled "trained", others by their name. UserError for a label that would be used
    twice or that is given to several.
    """
    if not checkpoints and not untrained and not real:
        run = manifest.run
        if not run.is_dir():
            raise UserError(f"nothing is trained in {run} yet: `hspcgan train MANIFEST`, or name a --checkpoint")
        checkpoints = [str(run)]
    found = [Subject(UNTRAINED, UNTRAINED)] if untrained else []
    for name in checkpoints:
        path = find_checkpoint(name)
        own = path.resolve().is_relative_to(manifest.run.resolve())
        found.append(Subject(TRAINED if own else Path(name).name, CHECKPOINT, path))
    if real:
        found.append(Subject(REAL, REAL))
    if label is not None:
        if len(found) != 1:
            raise UsageError(f"--label names one subject, but {len(found)} are to be scored; score them one by one")
        found = [Subject(label, found[0].kind, found[0].path)]
    labels = [subject.label for subject in found]
    for name in labels:
        if not name or labels.count(name) > 1 or "/" in name or name.startswith("."):
            raise UsageError(
                f"label {name!r} is no file name or means several subjects; score them one by one, with --label"
            )
    return found


def open_generator(subject: Subject, manifest: Manifest, cache: Cache, clip: FrozenClip) -> Generator:
    """The subject's generator. UserError where its CLIP, parser, templates or image size are not the cache's."""
    if subject.path is not None:
        loaded = open_checkpoint(subject.path, clip)
        generator, texts = loaded.generator, loaded.card.get("extra", {}).get("texts") or {}
    else:
        config = manifest.section("model", ModelConfig)
        torch.manual_seed(int((manifest.raw.get("train") or {}).get("seed", 0)))
        generator, texts = build(config, clip, cache.phrase_mean)[0], manifest.texts
    if generator.config.prompts != "fc":
        cache.require_texts(texts, subject.label)
    size = cache.images.shape[-1]
    if generator.config.image_size != size:
        raise UserError(
            f"{subject.label} draws {generator.config.image_size} px, but the real images in {cache.path} have {size}; "
            "compare with a cache of that size"
        )
    return generator


def provenance(subject: Subject) -> dict[str, Any]:
    """What the result file says of the subject: kind and, of a checkpoint, its path, step and weights."""
    if subject.path is None:
        return {"kind": subject.kind}
    card = read_card(subject.path)
    extra = card.get("extra", {})
    return {
        "kind": subject.kind,
        "path": str(subject.path),
        "step": extra.get("step"),
        "sha256": card["weights"].get("sha256"),
        "parameters": card["weights"].get("parameters"),
    }

"""Loads the inputs of an evaluation, which all subjects share: selected captions, real images, scorers, frozen CLIP."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hspcgan.evaluate.config import EvaluateConfig
from hspcgan.evaluate.metrics import METRICS
from hspcgan.evaluate.results.figure_names import name_prefix
from hspcgan.evaluate.scored.cache_hashes import contents
from hspcgan.evaluate.scored.images import FeatureStore, RealImages
from hspcgan.evaluate.scored.reference import Reference, is_file, read_reference
from hspcgan.evaluate.scored.score_store import ScoreStore
from hspcgan.evaluate.scored.scorers import PIXELS, ClipScorer, Inception, Scorer, TextScorer, find_inception
from hspcgan.evaluate.scored.selection import Selection, select
from hspcgan.evaluate.verdict.expectations import require_unique_matches
from hspcgan.model.clip.frozen import FrozenClip, load_clip, pick_device
from hspcgan.model.common.errors import UsageError, UserError
from hspcgan.model.common.files import require_folder_or_free, require_outside_cache, require_writable
from hspcgan.model.common.launcher import launcher_integer
from hspcgan.model.common.overwrite import require_ours
from hspcgan.pipeline.cache.cache_set import open_cache
from hspcgan.pipeline.cache.reader import Cache
from hspcgan.pipeline.manifest import ClipChoice, Manifest, weights_path

FOLDER, KEPT = "evaluation", "kept"  # subfolder of a run, and its subfolder for batches, features and scores
HISTORY = "history.jsonl"
RESULTS = (".json", ".png", ".parquet", ".extremes.png", ".edits.png")
"""Endings of the files that an evaluation writes for each subject."""


@dataclass
class EvaluationContext:
    """The inputs that all stages and subjects of an evaluation share; built by `prepare`."""

    manifest: Manifest
    config: EvaluateConfig
    cache: Cache
    clip: FrozenClip  # the CLIP that encoded the cache
    selection: Selection
    scorers: list[TextScorer]
    inception: Inception | None
    reference_file: Reference | None
    notes: list[str]
    subfolder: str = ""  # subfolder of the run's evaluation folder for results
    keep_drawn: bool = True  # whether generated batches, features and scores stay on disk
    only: bool = False  # whether only selected metrics are computed and checked (--only)

    @property
    def towers(self) -> list[Scorer]:
        """All scorers; Inception, if it is used, comes last."""
        return [*self.scorers, *([self.inception] if self.inception else [])]

    def towers_of(self, metric: str) -> list[Scorer]:
        """Returns the scorers that a metric uses."""
        by_kind: dict[str, list[Scorer]] = {"all": self.towers, "texts": list(self.scorers), "none": [PIXELS]}
        return by_kind[METRICS[metric].towers]

    @property
    def figure_prefixes(self) -> list[str]:
        """The name prefix `metric/scorer` of every metric value that will be computed."""
        return [name_prefix(metric, tower.label) for metric in self.config.metrics for tower in self.towers_of(metric)]

    @property
    def folder(self) -> Path:
        """The folder for results."""
        return self.manifest.run / FOLDER / self.subfolder

    @property
    def kept(self) -> Path:
        """The folder of stored images, features and scores; it does not depend on `subfolder`."""
        return self.manifest.run / FOLDER / KEPT

    @cached_property
    def features(self) -> FeatureStore:
        return FeatureStore(self.kept, torch.device(self.clip.device).type)

    @property
    def scores(self) -> ScoreStore:
        return ScoreStore(self.kept, len(self.ids), self.keep_drawn)

    @cached_property
    def ids(self) -> list[str]:
        """Ids of the selected captions."""
        return self.cache.captions_at(self.selection.caption_rows, ["caption_id"])["caption_id"].to_pylist()

    @cached_property
    def texts(self) -> list[str]:
        """The selected captions."""
        return self.cache.captions_at(self.selection.caption_rows, ["text"])["text"].to_pylist()

    @cached_property
    def contents(self) -> dict[str, str]:
        """sha256 of each kind of cache content that the evaluation reads, as stored in evaluate.lock."""
        return contents(self.cache, self.selection, self.ids, self.texts)

    def captions(self, count: int) -> list[dict[str, Any]]:
        """Returns the first `count` selected rows of captions.parquet, with concepts and graph."""
        return self.cache.captions_at(self.selection.caption_rows[:count]).to_pylist()

    def reference_features(self, scorer: Scorer) -> np.ndarray:
        """Returns features float32 [N, d] of the real reference images. UserError if a reference file lacks them."""
        if self.reference_file is not None:
            return self.reference_file.features_of(scorer)
        return self.features.of(RealImages(self.cache, self.selection.reference_rows), scorer, "reference:")

    @property
    def reference_key(self) -> str:
        """A hash of the real reference images, or of the reference file, for the keys of stored scores."""
        if self.reference_file is not None:
            return self.reference_file.sha256
        return RealImages(self.cache, self.selection.reference_rows).key

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that metric values depend on."""
        reference = self.reference_file.sha256 if self.reference_file else self.selection.reference_split
        return {
            "samples": len(self.selection.caption_rows),
            "split": self.config.split,
            "reference": reference,
            "caption": self.config.caption,
            "seed": self.config.seed,
        }


def prepare(manifest: Manifest, validation: bool = False, only: Sequence[str] = ()) -> EvaluationContext:
    """Loads the cache, scorers and reference of a manifest. UserError if one is missing or they do not match.

    `validation`: use the captions of `evaluate.validation`, with which the trainer selects its best checkpoint.
    `only`: the metrics to compute and check instead of those in the manifest.
    """
    config = manifest.section("evaluate", EvaluateConfig)
    require_outside_cache(manifest.run)
    require_writable(manifest.run / FOLDER)
    for name in ("steps", KEPT, f"{KEPT}/images", f"{KEPT}/features", f"{KEPT}/scores"):
        require_folder_or_free(manifest.run / FOLDER / name)
    if only:
        config = _select_metrics(config, only)
    cache = open_cache(manifest.caches)
    notes = []
    if validation:
        config, note = _use_validation_split(config, cache)
        notes.append(note)
    chosen = manifest.section("encode", ClipChoice)
    device = _device(config.device)
    reference = read_reference(Path(config.reference)) if config.reference and is_file(config.reference) else None
    selection = select(cache, config, len(reference) if reference else None)
    paths = {label: weights_path(weights).resolve() for label, weights in config.scorers.items()}
    own = weights_path(chosen.clip).resolve()
    files = dict.fromkeys([own, *paths.values()])  # without duplicates
    clips = {path: load_clip(path, chosen.allow_unverified) for path in files}
    cache.require_clip(clips[own].sha256)
    scorers: list[TextScorer] = [ClipScorer(label, clips[path].to(device)) for label, path in paths.items()]
    inception = None
    if any(METRICS[metric].towers == "all" for metric in config.metrics):
        inception, note = find_inception(config.inception, config.inception_mode, device)
        notes.append(note)
    context = EvaluationContext(
        manifest, config, cache, clips[own].to(device), selection, scorers, inception, reference,
        [note for note in notes if note], only=bool(only),
    )  # fmt: skip
    for label in ("", *(config.expect or {})):
        require_unique_matches(config.expected_of(label), context.figure_prefixes)
    return context


def require_own_results(context: EvaluationContext, labels: Sequence[str]) -> None:
    """Raises UserError if the user has files with the names of results of these subjects in the folder for results.

    Files are results of an earlier evaluation if there is its history or its folder of stored images and scores.
    """
    names = [label + end for label in labels for end in RESULTS]
    found = [name for name in names if os.path.lexists(context.folder / name)]
    is_ours = context.kept.exists() or (context.folder / HISTORY).exists()
    require_ours(context.folder, found, is_ours, f"{KEPT} or {HISTORY}", "`run:` folder")


def _device(name: str) -> torch.device:
    """Returns the device of this process; if torchrun started several processes on a machine, each uses its own GPU."""
    device = torch.device(pick_device(name, "evaluate.device"))
    if device.type == "cuda" and os.environ.get("LOCAL_RANK"):
        return torch.device("cuda", launcher_integer("LOCAL_RANK", 0, most=torch.cuda.device_count() - 1))
    return device


def _select_metrics(config: EvaluateConfig, only: Sequence[str]) -> EvaluateConfig:
    unknown = sorted(set(only) - set(METRICS))
    if unknown:
        raise UsageError(f"--only: unknown metrics {', '.join(unknown)}; known: {', '.join(METRICS)}")
    return config.model_copy(update={"metrics": tuple(dict.fromkeys(only))})


def _use_validation_split(config: EvaluateConfig, cache: Cache) -> tuple[EvaluateConfig, str]:
    """Returns the settings for the validation split, and a note if the cache has no such split."""
    split = config.validation or "val"
    if not len(cache.split_rows(split)):
        if config.validation is not None:
            raise UserError(
                f"evaluate.validation is {split!r}, but {cache.path} has no images in this split; set another split"
            )
        note = f"no val split in {cache.path}: the best checkpoint is selected with captions of split {config.split}"
        return config, note
    return config.model_copy(update={"split": split, "samples": None, "reference": None}), ""

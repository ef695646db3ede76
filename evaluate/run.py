"""One evaluation: manifest and cache → images of each subject → figures, verdicts, RUN/evaluation/LABEL.{json,png}."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from hspcgan.evaluate.config import EvaluateConfig
from hspcgan.evaluate.draw.generate import generate
from hspcgan.evaluate.draw.pictures import paired, png, sheet
from hspcgan.evaluate.expectations import Verdict, require_one_each, verify
from hspcgan.evaluate.metrics.base import Figure, ImageSet, Scored, TextTower, Tower
from hspcgan.evaluate.metrics.clip_score import ClipScorer, clip_score, retrieval
from hspcgan.evaluate.metrics.colour_swap import colour_swap
from hspcgan.evaluate.metrics.fid import fid, find_inception, kid
from hspcgan.evaluate.selection import Selection, select
from hspcgan.evaluate.subjects import REAL, Subject, open_generator, provenance
from hspcgan.model.clip import FrozenClip, load_clip, pick_device
from hspcgan.model.condition import Condition
from hspcgan.model.files import write_whole
from hspcgan.pipeline.cache.caption_features import Texts
from hspcgan.pipeline.cache.collate import collate
from hspcgan.pipeline.cache.reader import Cache
from hspcgan.pipeline.manifest import ClipChoice, Manifest, weights_path

log = logging.getLogger("hspcgan.evaluate")

FORMAT = 1
FOLDER = "evaluation"
MEASURES = {"fid": fid, "kid": kid, "clip_score": clip_score, "retrieval": retrieval, "colour_swap": colour_swap}
DISTANCES = {"fid", "kid"}  # metrics that Inception sees too
PACKAGES = ("hspcgan", "torch", "clean-fid", "scipy", "numpy", "openai-clip")


@dataclass(frozen=True)
class Result:
    """A subject's figures and verdicts, and the file they were written to."""

    subject: Subject
    figures: list[Figure]
    verdicts: list[Verdict]
    path: Path

    @property
    def passed(self) -> bool:
        return all(verdict.passed for verdict in self.verdicts)


@dataclass
class Setting:
    """What all subjects of one evaluation share: the chosen captions and real images, scorers, frozen CLIP."""

    manifest: Manifest
    config: EvaluateConfig
    cache: Cache
    clip: FrozenClip
    selection: Selection
    captions: list[dict[str, Any]]  # rows of captions.parquet that are drawn
    reference: ImageSet
    scorers: list[TextTower]
    inception: Tower | None
    notes: list[str]
    subfolder: str = ""  # of the run's evaluation folder, that results are written to

    @property
    def towers(self) -> list[Tower]:
        return [*self.scorers, *([self.inception] if self.inception else [])]

    @property
    def heads(self) -> list[str]:
        """How the names of the figures to come begin: metric/tower."""
        return [f"{metric}/{tower.label}" for metric in self.config.metrics
                for tower in (self.towers if metric in DISTANCES else self.scorers)]  # fmt: skip

    @property
    def folder(self) -> Path:
        return self.manifest.run / FOLDER / self.subfolder


def prepare(manifest: Manifest) -> Setting:
    """Loads and checks all that the manifest names, before anything is drawn. UserError for what does not fit."""
    config = manifest.section("evaluate", EvaluateConfig)
    cache = Cache(manifest.cache)
    chosen = manifest.section("encode", ClipChoice)
    device = pick_device(config.device, "evaluate.device")
    selection = select(cache, config)
    paths = {label: weights_path(weights).resolve() for label, weights in config.scorers.items()}
    own = weights_path(chosen.clip).resolve()
    files = dict.fromkeys([own, *paths.values()])  # each once
    clips = {path: load_clip(path, chosen.allow_unverified) for path in files}
    cache.require_clip(clips[own].sha256)
    scorers: list[TextTower] = [
        ClipScorer(label, clips[path].to(device), config.batch_size) for label, path in paths.items()
    ]
    inception, note = (None, "")
    if DISTANCES & set(config.metrics):
        inception, note = find_inception(config.inception, config.batch_size, device)
    setting = Setting(
        manifest,
        config,
        cache,
        clips[own].to(device),
        selection,
        cache.captions.take(selection.caption_rows).to_pylist(),
        ImageSet(_real(cache, selection.reference_rows)),
        scorers,
        inception,
        [note] if note else [],
    )
    require_one_each(config.expect or {}, setting.heads)
    return setting


def evaluate(setting: Setting, subjects: Sequence[Subject]) -> list[Result]:
    """Scores the subjects in turn and writes their files."""
    return [_score(setting, subject) for subject in subjects]


def _score(setting: Setting, subject: Subject) -> Result:
    began = time.perf_counter()
    n = len(setting.captions)
    log.info(f"{subject.label}: {n} {'real images' if subject.kind == REAL else 'images to draw'} …")
    images = _images(setting, subject)
    drawn = time.perf_counter()
    log.info(f"{subject.label}: scoring by {', '.join(tower.label for tower in setting.scorers)} …")
    scored = Scored(
        images=ImageSet(images),
        texts=[caption["text"] for caption in setting.captions],
        reference=setting.reference,
        split=setting.config.split,
        reference_split=setting.selection.reference_split,
        scorers=setting.scorers,
        inception=setting.inception,
        seed=setting.config.seed,
    )
    figures = [figure for metric in setting.config.metrics for figure in MEASURES[metric](scored)]
    verdicts = verify(figures, setting.config.expect or {}) if subject.judged else []
    timings = {"draw_sec": round(drawn - began, 2), "score_sec": round(time.perf_counter() - drawn, 2)}
    path = setting.folder / f"{subject.label}.json"
    write_whole(path.with_suffix(".png"), png(_picture(setting, subject, images[: setting.config.shown])))
    record = _record(setting, subject, figures, verdicts, timings)
    write_whole(path, (json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())
    return Result(subject, figures, verdicts, path)


def _images(setting: Setting, subject: Subject) -> np.ndarray:
    """uint8 [N, H, W, 3]: drawn from the selected captions, or the real images that they describe."""
    if subject.kind == REAL:
        return _real(setting.cache, setting.selection.sample_rows)
    generator = open_generator(subject, setting.manifest, setting.cache, setting.clip)
    generator.to(setting.clip.device)
    size, ids = setting.config.batch_size, [caption["caption_id"] for caption in setting.captions]
    batches = conditions(setting.cache.texts, setting.selection.caption_rows, generator.config.locals, size)
    images = np.empty((len(ids), *setting.cache.images.shape[2:], 3), np.uint8)
    for start, batch in zip(range(0, len(ids), size), batches, strict=True):
        part = slice(start, start + size)
        images[part] = generate(generator, batch, ids[part], setting.config.seed, size)
    return images


def conditions(texts: Texts, rows: np.ndarray, n_entities: int, batch_size: int) -> Iterator[Condition]:
    """The captions of these rows batch by batch, since one takes 0.1 MB; tokens are padded to the longest of all."""
    longest = int((texts.offsets[rows + 1] - texts.offsets[rows]).max())
    for start in range(0, len(rows), batch_size):
        part = rows[start : start + batch_size]
        yield Condition.from_arrays(collate(texts, part, n_entities=n_entities, n_tokens=longest))


def _picture(setting: Setting, subject: Subject, images: np.ndarray) -> np.ndarray:
    """The first images with the real ones above them, row by row."""
    if subject.kind == REAL:
        return sheet(images)
    return paired(_real(setting.cache, setting.selection.sample_rows[: len(images)]), images)


def _real(cache: Cache, rows: np.ndarray) -> np.ndarray:
    return np.stack([np.asarray(cache.images[int(row)]).transpose(1, 2, 0) for row in rows])  # [N, H, W, 3]


def _record(
    setting: Setting, subject: Subject, figures: list[Figure], verdicts: list[Verdict], timings: dict[str, float]
) -> dict[str, Any]:
    """The result file, format 1: enough to compare figures, and to draw the report without cache or weights."""
    config, info = setting.config, setting.cache.info
    size = setting.cache.images.shape[-1]
    return {
        "format": FORMAT,
        "label": subject.label,
        "subject": provenance(subject),
        "n": len(setting.captions),
        "split": config.split,
        "reference": setting.selection.reference_split,
        "seed": config.seed,
        "caption": config.caption,
        "figures": [figure.as_json() for figure in figures],
        "expect": [{"name": v.name, "got": v.got, "expected": v.expected, "passed": v.passed} for v in verdicts],
        "notes": setting.notes,
        "scorers": {tower.label: tower.sha256 for tower in setting.towers},
        "manifest": {
            "name": setting.manifest.name,
            "fingerprint": setting.manifest.fingerprint("model", "train", "evaluate"),
        },
        "cache": {"fingerprint": info["fingerprint"], "clip": info["clip"], "templates": info["templates"]},
        "versions": {name: version(name) for name in PACKAGES},
        "timings": timings,
        "grid": {
            "image": [size, size],
            "captions": [_described(caption) for caption in setting.captions[: config.shown]],
        },
    }


def _described(caption: dict[str, Any]) -> dict[str, Any]:
    """A caption with its concepts and graph, phrase ids left out."""
    concepts = {
        kind: [{key: value for key, value in row.items() if key != "phrase"} for row in caption[kind]]
        for kind in ("entities", "attributes", "relations")
    }
    return {
        "id": caption["caption_id"],
        "text": caption["text"],
        **concepts,
        "graph": json.loads(caption["graph"]),
    }

"""The protocol of a study: the manifest of each run, the order of the runs, and a hash of all settings."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hspcgan.model.common.errors import ManifestError, UserError
from hspcgan.pipeline.manifest import Manifest, load_manifest
from hspcgan.train.config import TrainConfig
from hspcgan.train.study.config import StudyConfig

OF_STUDY = ("data", "parse", "encode", "taps")  # sections from the study's manifest, equal in all rows
OF_ROWS = ("model", "train")  # sections from the manifests of the rows, which may differ
HASHED = (*OF_STUDY, *OF_ROWS, "evaluate")


@dataclass(frozen=True)
class Cell:
    """One run of a study: a row trained with a seed."""

    row: str
    seed: int

    @property
    def name(self) -> str:
        """The name of the run in files and messages."""
        return f"{self.row}-seed{self.seed}"


@dataclass(frozen=True)
class Study:
    """The manifest of a study, its `study` section, and the resolved manifest of each row, still without a seed."""

    manifest: Manifest
    config: StudyConfig
    rows: dict[str, Manifest]

    @property
    def folder(self) -> Path:
        """The study folder (the key `run` of its manifest); it contains manifests/, runs/ and results/."""
        return self.manifest.run

    @property
    def cells(self) -> list[Cell]:
        """All runs, sorted by seed, so that a study that stops early has all rows for its first seeds."""
        return [Cell(row, seed) for seed in self.config.seeds for row in self.config.rows]

    @property
    def hash(self) -> str:
        """The sha256 of all settings that affect results: the `study` section, and sections of the row manifests."""
        rows = {row: {key: manifest.raw.get(key) for key in HASHED} for row, manifest in self.rows.items()}
        for row, manifest in self.rows.items():
            train: dict[str, Any] = manifest.raw["train"]
            rows[row]["train"] = {key: value for key, value in train.items() if key not in ("seed", "device")}
        text = json.dumps({"study": self.config.as_json(), "rows": rows}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def run_manifest(self, cell: Cell) -> Path:
        """The path of a run's manifest, which `write_run_manifest` writes."""
        return self.folder / "manifests" / f"{cell.name}.yaml"

    def run_folder(self, cell: Cell) -> Path:
        """The folder of a run."""
        return self.folder / "runs" / cell.name

    def result_file(self, cell: Cell) -> Path:
        """The path of a run's result file."""
        return self.folder / "results" / f"{cell.name}.json"


def open_study(manifest: Manifest) -> Study:
    """Returns the study of a manifest, with all rows resolved.

    Raises:
        UserError: no `study` section, a row that cannot be resolved, too few steps for the evaluations, or metrics that
            are unknown or not computed.
        ManifestError: an override of a section that each row defines itself.
    """
    if not manifest.raw.get("study"):
        raise UserError(f"{manifest.ref} has no section `study`; see `hspcgan keys study` and paper/toybirds-study")
    ignored = [key for key in manifest.overridden if key.partition(".")[0] in OF_ROWS]
    if ignored:
        raise ManifestError(
            f"a study does not use {', '.join(ignored)}, since each row has its own value; set it in the row manifests"
        )
    config = manifest.section("study", StudyConfig)
    rows = {row: _row_manifest(manifest, config, row) for row in config.rows}
    for published in config.published.values():  # read only for the page, after training
        load_manifest(published)
    _require_metrics(config, (manifest.raw.get("evaluate") or {}).get("metrics") or ())
    return Study(manifest, config, rows)


def _require_metrics(config: StudyConfig, validated: Sequence[str]) -> None:
    """Raises UserError for metrics of the study that are unknown, or that no evaluation computes."""
    from hspcgan.evaluate.metrics import METRICS

    unknown = [metric for metric in config.final_metrics if metric not in METRICS]
    if unknown:
        raise UserError(f"study.final_metrics has unknown metrics {', '.join(unknown)}; known: {', '.join(METRICS)}")
    computed = {*validated, *config.final_metrics}
    absent = [figure for figure in config.figures if re.split(r"[./]", figure)[0] not in computed]
    if absent:
        raise UserError(
            f"the study uses {', '.join(absent)}, but computes only {', '.join(sorted(computed))}; add the metrics to "
            "evaluate.metrics or study.final_metrics"
        )


def _row_manifest(manifest: Manifest, config: StudyConfig, row: str) -> Manifest:
    """Returns the manifest of a row with the data and evaluation sections of the study."""
    loaded = load_manifest(config.rows[row])
    raw = loaded.raw | {key: manifest.raw[key] for key in OF_STUDY if key in manifest.raw}
    raw |= {"cache": str(manifest.cache), "run": str(manifest.run / "runs" / row)}
    raw["evaluate"] = manifest.raw.get("evaluate") or {}
    train = loaded.section("train", TrainConfig)
    steps = train.steps
    if steps % config.evaluations:
        raise UserError(
            f"{row} has {steps} steps, which is not a multiple of study.evaluations ({config.evaluations}); change "
            "study.evaluations, or train.steps in the manifest of the row"
        )
    each = steps // config.evaluations
    # Results contain the batch size, which may be a default. The last checkpoint is scored, not the best, because
    # earlier checkpoints are not kept.
    raw["train"] = {"batch_size": train.batch_size} | raw["train"]
    raw["train"] |= {"evaluate_every": each, "checkpoint_every": each, "grid_every": steps, "keep": 1}
    raw["train"] |= {"best": _validated_figure(config, raw["evaluate"])}
    return Manifest(row, raw | {"name": row}, loaded.path)


def _validated_figure(config: StudyConfig, evaluate: dict[str, Any]) -> str:
    """Returns the first metric in study.shown that is computed on the validation split; runs use it as train.best."""
    metrics = evaluate.get("metrics") or ()
    found = next((figure for figure in config.shown if figure.split("/")[0] in metrics), None)
    if found is None:
        raise UserError(f"study.shown has none of evaluate.metrics ({', '.join(metrics) or 'empty'}); add one of them")
    return found


def write_run_manifest(study: Study, cell: Cell) -> Path:
    """Writes the manifest of a run and returns its path."""
    row, path = study.rows[cell.row], study.run_manifest(cell)
    raw = row.raw | {"name": cell.name, "run": str(study.run_folder(cell))}
    raw["train"] = raw["train"] | {"seed": cell.seed}
    replace(row, name=cell.name, raw=raw).save(path)
    return path

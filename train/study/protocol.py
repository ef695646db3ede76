"""A study's protocol: the manifest of each run, the order of the runs, and a hash over all that was written down."""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hspcgan.model.common.errors import ManifestError, UserError
from hspcgan.pipeline.manifest import Manifest, load_manifest
from hspcgan.train.config import TrainConfig
from hspcgan.train.study.config import StudyConfig

OF_STUDY = ("data", "parse", "encode", "taps")  # sections of the study's own manifest, equal in all rows
OF_ROWS = ("model", "train")  # sections of the rows' manifests, which may differ
HASHED = (*OF_STUDY, *OF_ROWS, "evaluate")


@dataclass(frozen=True)
class Cell:
    """One run: a row with a seed."""

    row: str
    seed: int

    @property
    def name(self) -> str:
        """Its name in files and messages."""
        return f"{self.row}-seed{self.seed}"


@dataclass(frozen=True)
class Study:
    """A study's manifest with its section, and the resolved manifest of each row (of the first seed)."""

    manifest: Manifest
    config: StudyConfig
    rows: dict[str, Manifest]

    @property
    def folder(self) -> Path:
        """The study's folder, `run` of its manifest: manifests/, runs/, results/."""
        return self.manifest.run

    @property
    def cells(self) -> list[Cell]:
        """All runs, seed-major: a study that stops early has whole seeds."""
        return [Cell(row, seed) for seed in self.config.seeds for row in self.config.rows]

    @property
    def hash(self) -> str:
        """sha256 of the study section and of every section of every row that a result depends on."""
        rows = {row: {key: manifest.raw.get(key) for key in HASHED} for row, manifest in self.rows.items()}
        for row, manifest in self.rows.items():
            train: dict[str, Any] = manifest.raw["train"]
            rows[row]["train"] = {key: value for key, value in train.items() if key not in ("seed", "device")}
        text = json.dumps({"study": self.config.as_json(), "rows": rows}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def run_manifest(self, cell: Cell) -> Path:
        """The file of a run's manifest, which `write_run_manifest` makes."""
        return self.folder / "manifests" / f"{cell.name}.yaml"

    def run_folder(self, cell: Cell) -> Path:
        """The run folder of a row and seed."""
        return self.folder / "runs" / cell.name

    def result_file(self, cell: Cell) -> Path:
        """The file of a run's result."""
        return self.folder / "results" / f"{cell.name}.json"


def open_study(manifest: Manifest) -> Study:
    """A study with all its rows resolved.

    Raises:
        UserError: no `study` section, a row that cannot be resolved, or too few steps for the evaluations.
        ManifestError: overrides of sections that rows have of their own.
    """
    if not manifest.raw.get("study"):
        raise UserError(f"{manifest.ref} has no section `study`; see `hspcgan keys study` and paper/toybirds-study")
    ignored = [key for key in manifest.overridden if key.partition(".")[0] in OF_ROWS]
    if ignored:
        raise ManifestError(
            f"a study does not use {', '.join(ignored)}: rows have their own; set it in their manifests"
        )
    config = manifest.section("study", StudyConfig)
    rows = {row: _row_manifest(manifest, config, row) for row in config.rows}
    return Study(manifest, config, rows)


def _row_manifest(manifest: Manifest, config: StudyConfig, row: str) -> Manifest:
    """A row's manifest with the study's data and evaluation, for the first seed."""
    loaded = load_manifest(config.rows[row])
    raw = loaded.raw | {key: manifest.raw[key] for key in OF_STUDY if key in manifest.raw}
    raw |= {"cache": str(manifest.cache), "run": str(manifest.run / "runs" / row)}
    raw["evaluate"] = manifest.raw.get("evaluate") or {}
    train = loaded.section("train", TrainConfig)
    steps = train.steps
    if steps % config.evaluations:
        raise UserError(f"{row} has {steps} steps, which {config.evaluations} evaluations do not divide evenly")
    each = steps // config.evaluations
    # Results state the batch size, which may be a default. The final step is scored, never the best one: checkpoints
    # on the way are not kept.
    raw["train"] = {"batch_size": train.batch_size} | raw["train"]
    raw["train"] |= {"evaluate_every": each, "checkpoint_every": each, "grid_every": steps, "keep": 1}
    raw["train"] |= {"best": _validated_figure(config, raw["evaluate"])}
    return Manifest(row, raw | {"name": row}, loaded.path)


def _validated_figure(config: StudyConfig, evaluate: dict[str, Any]) -> str:
    """A shown figure that the validation split gets as one value: the trainer wants one to name its best checkpoint."""
    metrics = evaluate.get("metrics") or ()
    found = next((figure for figure in config.shown if figure.split("/")[0] in metrics), None)
    if found is None:
        raise UserError(f"study.shown needs a figure of a metric in evaluate.metrics, {', '.join(metrics) or 'none'}")
    return found


def write_run_manifest(study: Study, cell: Cell) -> Path:
    """Writes a run's manifest, and returns its path."""
    row, path = study.rows[cell.row], study.run_manifest(cell)
    raw = row.raw | {"name": cell.name, "run": str(study.run_folder(cell))}
    raw["train"] = raw["train"] | {"seed": cell.seed}
    replace(row, name=cell.name, raw=raw).save(path)
    return path

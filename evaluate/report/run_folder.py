"""Reads a run folder for the report: manifest, log, sample grids and evaluations; needs no cache or weights."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from hspcgan.evaluate.context import FOLDER
from hspcgan.evaluate.draw.pictures import COLUMNS, GAP, read_png, split_paired_sheet, tiles
from hspcgan.evaluate.report.log_file import read_log
from hspcgan.evaluate.results.read_record import read_record
from hspcgan.evaluate.scored.subjects import REAL, TRAINED, UNTRAINED
from hspcgan.model.common.errors import UserError
from hspcgan.model.common.files import require_folder_or_free
from hspcgan.model.common.validation import quoted
from hspcgan.pipeline.manifest.files import own_keys

STEPS_SHOWN = 6
AGAIN = "evaluate again"


@dataclass(frozen=True)
class Evaluation:
    """The content of RUN/evaluation/LABEL.json, with the generated and the real images in LABEL.png."""

    label: str
    record: dict[str, Any]
    images: np.ndarray  # uint8 [shown, H, W, 3]
    real: np.ndarray  # uint8 [shown, H, W, 3]

    path: Path  # of LABEL.json

    @property
    def kind(self) -> str:
        return self.record["subject"]["kind"]

    def pairs_of(self, name: str, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns the two lists of images in LABEL.NAME.png, each uint8 [count, H, W, 3]."""
        if not count:
            return self.images[:0], self.images[:0]
        height, width = self.record["grid"]["image"]
        path = self.path.with_suffix(f".{name}.png")
        sheet = read_png(path, AGAIN)
        try:
            return split_paired_sheet(sheet, count, (height, width))
        except ValueError as error:
            raise UserError(f"{path}: {error}; {AGAIN}") from error


@dataclass(frozen=True)
class RunFolder:
    """The content of a run folder; fields of missing files are empty."""

    folder: Path
    manifest: dict[str, Any]
    manifest_text: str  # for display: paths as `display_path` returns them
    log: list[dict[str, Any]]
    evaluations: list[Evaluation]  # order: untrained, trained, others by label, real
    history: list[tuple[str, np.ndarray]]  # ("real" or step, a row of images as one uint8 HWC strip)

    @property
    def name(self) -> str:
        return str(self.manifest.get("name", self.folder.name))


def is_study(folder: Path) -> bool:
    """Returns whether `hspcgan study` wrote the folder, that is, whether its manifest has a `study` section."""
    path = folder / "manifest.yaml"
    try:
        return path.is_file() and bool(own_keys(path).get("study"))
    except UserError:  # damaged; `read_run` reports it
        return False


def read_run(folder: Path) -> RunFolder:
    """Reads a run folder. UserError if it is not a run, or one of its files is damaged."""
    path = folder / "manifest.yaml"
    for name in (FOLDER, "grids"):
        require_folder_or_free(folder / name)
    if not os.path.lexists(path):
        evaluations = _evaluations(folder / FOLDER)
        if not evaluations:
            raise UserError(
                f"{folder} is not a run: it has neither manifest.yaml (from `hspcgan train`) nor {FOLDER}/ (from "
                "`hspcgan evaluate`)"
            )
        manifest = {"name": evaluations[0].record["manifest"]["name"]}
        return RunFolder(folder, manifest, "", [], evaluations, [])
    try:
        manifest = own_keys(path)
    except UserError as error:
        raise UserError(f"{error}\nThe manifest of the run is damaged; train again") from error
    text = yaml.safe_dump(_with_display_paths(manifest, folder), sort_keys=False, allow_unicode=True)
    evaluations = _evaluations(folder / FOLDER)
    size = _image_size(path, manifest)
    return RunFolder(folder, manifest, text, _log(folder / "log.jsonl"), evaluations, _history(folder / "grids", size))


def _image_size(path: Path, manifest: dict[str, Any]) -> int | None:
    size = (manifest.get("model") or {}).get("image_size")
    if size is not None and (type(size) is not int or size < 1):
        raise UserError(f"{path}: model.image_size is {quoted(size)}, expected a positive whole number; train again")
    return size


def checkpoints_of_other_run(run: RunFolder) -> list[Evaluation]:
    """Returns a run's checkpoints with the run's name in front of their labels, for a page of several runs."""
    name = run.folder.resolve().name if run.folder.resolve().name != "run" else run.folder.resolve().parent.name
    return [replace(one, label=f"{name}/{one.label}") for one in run.evaluations if one.kind not in (REAL, UNTRAINED)]


def display_path(path: str, run: Path) -> str:
    """Hides private folders in an absolute path: returns it relative to the run's parent, or only its last part."""
    if not Path(path).is_absolute():
        return path
    home = run.resolve().parent
    found = Path(path).resolve()
    return found.relative_to(home).as_posix() if found.is_relative_to(home) else f"…/{found.name}"


def _with_display_paths(value: Any, run: Path) -> Any:
    if isinstance(value, dict):
        return {key: _with_display_paths(item, run) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_display_paths(item, run) for item in value]
    return display_path(value, run) if isinstance(value, str) else value


def _log(path: Path) -> list[dict[str, Any]]:
    return read_log(path) if os.path.lexists(path) else []


def _evaluations(folder: Path) -> list[Evaluation]:
    found = []
    for path in sorted(folder.glob("*.json")):
        record = read_record(path)
        found.append(Evaluation(record["label"], record, *_read_grid(path.with_suffix(".png"), record), path))
    found += _real_images(found)
    rank = {UNTRAINED: 0, TRAINED: 1, REAL: 3}
    return sorted(found, key=lambda one: (rank.get(one.label, 2), one.label))


def _real_images(found: Sequence[Evaluation]) -> list[Evaluation]:
    """Returns the evaluation of real images from the record of another subject; empty if they have their own record."""
    if any(one.kind == REAL for one in found):
        return []
    for one in found:
        if figures := one.record.get("real"):
            record = {**one.record, "label": REAL, "subject": {"kind": REAL}, "figures": figures, "expect": []}
            return [Evaluation(REAL, record, one.real, one.real, one.path)]
    return []


def _read_grid(path: Path, record: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Returns generated and real images from LABEL.png."""
    (height, width), count = record["grid"]["image"], len(record["grid"]["captions"])
    sheet = read_png(path, AGAIN)
    try:
        if record["subject"]["kind"] == REAL:
            real = tiles(sheet, count, (height, width))
            return real, real
        real, images = split_paired_sheet(sheet, count, (height, width))
        return images, real
    except ValueError as error:
        raise UserError(f"{path}: {error}; {AGAIN}") from error


def _history(folder: Path, size: int | None) -> list[tuple[str, np.ndarray]]:
    """Returns the first images of some of the trainer's grids: the real ones once, the generated ones per step."""
    paths = sorted(path for path in folder.glob("step-*.png") if path.stem.removeprefix("step-").isdecimal())
    if not paths or size is None:
        return []
    chosen = sorted({round(i) for i in np.linspace(0, len(paths) - 1, STEPS_SHOWN)})
    strips: list[tuple[str, np.ndarray]] = []
    for path in (paths[i] for i in chosen):
        grid = read_png(path, "remove this file")
        if min(grid.shape[0] - size, grid.shape[1]) < size + 2 * GAP:
            raise UserError(f"{path} has {grid.shape[1]}×{grid.shape[0]} px, too few for images of {size} px, the "
                             "model.image_size of the run; remove this file")  # fmt: skip
        columns = min(COLUMNS, (grid.shape[1] - GAP) // (size + GAP))
        pair = grid[: 2 * (size + GAP) + GAP, : columns * (size + GAP) + GAP]
        if not strips:
            strips.append(("real", pair[: size + 2 * GAP]))
        strips.append((str(int(path.stem.removeprefix("step-"))), pair[size + GAP :]))
    return strips

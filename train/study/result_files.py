"""Reads and writes the result files of a study, one per run, and checks that they follow its protocol."""

import json
import logging
import os
import subprocess
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hspcgan.model.checkpoint import read_card
from hspcgan.model.common.errors import CheckFailedError, UserError
from hspcgan.model.common.files import write_atomically
from hspcgan.model.common.user_files import read_text
from hspcgan.train.run_folder import checkpoints
from hspcgan.train.study.protocol import Cell, Study
from hspcgan.train.study.results import ValidationPoint, read_result

log = logging.getLogger("hspcgan.train")
DONE, DIVERGED, FAILED = "done", "diverged", "failed"


def read_results(study: Study) -> list[dict[str, Any]]:
    """Reads the existing result files, in the order of the protocol.

    Raises:
        UserError: a result is damaged, or belongs to another run than the file name states.
        CheckFailedError: a result was made with another protocol.
    """
    found = []
    for cell in study.cells:
        path = study.result_file(cell)
        if os.path.lexists(path):
            result = read_result(path)
            if (result["row"], result["seed"]) != (cell.row, cell.seed):
                raise UserError(
                    f"{path} contains the result of {result['row']} seed {result['seed']}; remove this file to repeat "
                    "the run"
                )
            found.append(result)
    require_protocol(study, found)
    return found


def add_finished(study: Study, results: Sequence[dict[str, Any]]) -> int:
    """Writes result files for runs that were finished elsewhere and have none yet; returns the number written.

    Check the results with `require_protocol` before.
    """
    missing = [(Cell(one["row"], one["seed"]), one) for one in results]
    missing = [(cell, one) for cell, one in missing if not has_result(study, cell)]
    for cell, result in missing:
        _write(study.result_file(cell), result)
    return len(missing)


def require_protocol(study: Study, results: Sequence[dict[str, Any]]) -> None:
    """Raises CheckFailedError for a result of another protocol, UserError for an unknown or repeated run."""
    for result in results:
        if result["protocol"] != study.hash:
            raise CheckFailedError(
                f"the result of {result['row']} seed {result['seed']} was made with protocol "
                f"{result['protocol'][:12]}, but the protocol of the study is {study.hash[:12]}; give the "
                "study another `run:` folder, or restore the settings"
            )
    cells = [Cell(result["row"], result["seed"]) for result in results]
    for cell in cells:
        if cell not in study.cells or cells.count(cell) > 1:
            flaw = "occurs more than once; keep one of them in"
            if cell not in study.cells:
                flaw = "does not belong to this study; remove it from"
            raise UserError(f"the result of {cell.row} seed {cell.seed} {flaw} the results file")


def has_result(study: Study, cell: Cell, retry: bool = False) -> bool:
    """Whether a run has a result file; with `retry`, the result of a failed run does not count."""
    path = study.result_file(cell)
    if not os.path.lexists(path):
        return False
    return not (retry and read_result(path)["status"] == FAILED)


def write_result(study: Study, cell: Cell, code: int, seconds: float) -> Path:
    """Writes the result file of a run: status, metrics, parameters, versions; returns its path."""
    folder = study.run_folder(cell)
    tail = _tail(folder / "study.log")
    status = DONE if code == 0 else DIVERGED if code == 1 and "loss is" in tail else FAILED
    path = checkpoints.latest(folder)
    card = read_card(path) if path else None
    result = {
        "row": cell.row,
        "seed": cell.seed,
        "status": status,
        "protocol": study.hash,
        "validation": _validation(folder),
        "final": _figures(folder, "checkpoint") if status == DONE else {},
        "untrained": _figures(folder, "untrained"),
        "parameters": card["weights"].get("parameters", {}) if card else {},
        "precision": str((card.get("extra", {}).get("train") or {}).get("precision", "")) if card else "",
        "batch_size": study.rows[cell.row].raw["train"]["batch_size"],
        "seconds": round(seconds, 1),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": _commit(),
        "versions": {name: version(name) for name in ("hspcgan", "torch")},
        "error": "" if status == DONE else tail[-2000:],
    }
    log.info("%s: %s", cell.name, status if status == DONE else f"{status}: {tail.splitlines()[-1:]}")
    return _write(study.result_file(cell), result)


def _write(path: Path, result: dict[str, Any]) -> Path:
    write_atomically(path, json.dumps(result, indent=1, allow_nan=False) + "\n")
    return path


def _validation(folder: Path) -> list[dict[str, Any]]:
    """Returns the step and the metrics of each evaluation on the validation split."""
    path = folder / "evaluations.jsonl"
    lines = read_text(path).splitlines() if os.path.lexists(path) else []
    try:
        return [ValidationPoint.model_validate_json(line).model_dump(include={"step", "figures"}) for line in lines]
    except ValidationError as error:
        raise UserError(f"{path} is damaged; remove {folder} to repeat the run") from error


def _figures(folder: Path, kind: str) -> dict[str, dict[str, Any]]:
    """Returns the metrics of a run's evaluations of one kind ("checkpoint" or "untrained"), by full name."""
    from hspcgan.evaluate.results.read_record import read_record

    found: dict[str, dict[str, Any]] = {}
    for path in sorted((folder / "evaluation").glob("*.json")):
        data = read_record(path)
        if data["subject"]["kind"] == kind:
            keys = ("value", "low", "high", "better", "n")
            found |= {figure["name"]: {key: figure[key] for key in keys} for figure in data["figures"]}
    return found


def _tail(path: Path) -> str:
    return path.read_text(errors="replace")[-4000:] if path.is_file() else ""


def _commit() -> str:
    """Returns the git commit of this source tree; empty if the package is not in a git repository."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""

"""Runs a study: trains and scores each row and seed with the commands of this package, in separate processes.

Each result is a file; a run with a result file is skipped. Interrupted runs resume. If a run ends with an error, its
result contains the error, and the run is repeated only with `retry`.
"""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hspcgan.model.checkpoint import read_card
from hspcgan.model.common.errors import CheckFailedError, UserError
from hspcgan.model.common.files import make_folder, require_file_or_free, write_atomically
from hspcgan.model.common.progress import count_bar
from hspcgan.model.common.user_files import read_text
from hspcgan.train.run_folder import checkpoints
from hspcgan.train.study.config import Fails
from hspcgan.train.study.protocol import Cell, Study, write_run_manifest
from hspcgan.train.study.results import ValidationPoint, read_result

log = logging.getLogger("hspcgan.train")
MAIN = "from hspcgan.pipeline.cli.root import main; main()"
DONE, DIVERGED, FAILED = "done", "diverged", "failed"


def run(study: Study, processes: int = 1, threads: int = 1, retry: bool = False, limit: int | None = None) -> int:
    """Executes the runs that have no result yet, in the order of the protocol; returns the number of new results.

    Args:
        processes: number of runs at a time.
        threads: number of threads per run (OMP_NUM_THREADS).
        retry: also repeat runs that failed.
        limit: stop after this many runs; None for all.
    """
    missing = [cell for cell in study.cells if not _has_result(study, cell, retry)]
    log.info("%d of %d runs have a result", len(study.cells) - len(missing), len(study.cells))
    missing = missing[:limit]
    with (
        _Children() as children,
        ThreadPoolExecutor(processes) as pool,
        count_bar("study", len(missing), "runs") as bar,
    ):
        waiting = list(missing)
        running: set[Future[None]] = set()
        while (waiting and not children.stopped) or running:
            while waiting and len(running) < processes and not children.stopped:
                running.add(pool.submit(_run_one, study, waiting.pop(0), threads, children))
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                future.result()
                bar.update()
    made = sum(_has_result(study, cell, False) for cell in missing)
    if children.stopped:
        log.info("stopped by %s; run the same command to resume", children.stopped[0])
    return made


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
    """Writes result files for runs finished elsewhere, except those that have one; returns the number written.

    Raises CheckFailedError or UserError as `require_protocol` does; then nothing is written.
    """
    require_protocol(study, results)
    missing = [(Cell(one["row"], one["seed"]), one) for one in results]
    missing = [(cell, one) for cell, one in missing if not _has_result(study, cell, False)]
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


def _has_result(study: Study, cell: Cell, retry: bool) -> bool:
    path = study.result_file(cell)
    if not os.path.lexists(path):
        return False
    return not (retry and read_result(path)["status"] == FAILED)


class _Children:
    """Starts child processes, and sends them SIGTERM when this process receives SIGTERM or SIGINT."""

    def __init__(self) -> None:
        self.processes: set[subprocess.Popen[bytes]] = set()
        self.stopped: list[str] = []
        self._before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def __enter__(self) -> "_Children":
        for number in self._before:
            signal.signal(number, self._stop)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _stop(self, number: int, frame: object) -> None:
        self.stopped.append(signal.Signals(number).name)
        for process in list(self.processes):
            process.send_signal(signal.SIGTERM)  # `train` then saves and ends

    def call(self, log_file: Path, threads: int, *arguments: str) -> int:
        """Runs `hspcgan ARGUMENTS`, appends the output to a file, and returns the exit code."""
        require_file_or_free(log_file)  # opening a pipe would block
        with log_file.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-c", MAIN, *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | {"OMP_NUM_THREADS": str(threads)},
                start_new_session=True,  # Ctrl-C reaches it only through this process
            )
            self.processes.add(process)
            if self.stopped:  # the signal arrived before the process was in the set
                process.send_signal(signal.SIGTERM)
            code = process.wait()
            self.processes.discard(process)
            return code


def _run_one(study: Study, cell: Cell, threads: int, children: _Children) -> None:
    """Trains and scores one run, and writes its result file."""
    manifest, folder = str(write_run_manifest(study, cell)), study.run_folder(cell)
    make_folder(folder)
    log_file, began = folder / "study.log", time.monotonic()
    log.info("%s: training", cell.name)
    code = children.call(log_file, threads, "train", manifest)
    if code == 0 and not children.stopped and _is_complete(study, cell):
        log.info("%s: scoring", cell.name)
        code = children.call(log_file, threads, "evaluate", manifest, *_final_options(study, cell))
    if children.stopped or (code == 0 and not _is_complete(study, cell)):
        return
    write_result(study, cell, code, time.monotonic() - began)


def _final_options(study: Study, cell: Cell) -> list[str]:
    """Returns the options of `evaluate` for the final evaluation: metrics, and `--untrained` if a claim needs it."""
    metrics = [*(study.manifest.raw["evaluate"].get("metrics") or ()), *study.config.final_metrics]
    options = ["-o", f"evaluate.metrics={json.dumps(metrics)}"] if study.config.final_metrics else []
    if any(cell.row in claim.rows for claim in study.config.claims if isinstance(claim, Fails)):
        options += ["--untrained", "--checkpoint", str(study.run_folder(cell))]
    return options


def _is_complete(study: Study, cell: Cell) -> bool:
    """Returns whether the run has finished all its steps."""
    path = checkpoints.latest(study.run_folder(cell))
    return path is not None and read_card(path)["extra"]["step"] == study.rows[cell.row].raw["train"]["steps"]


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
        "parameters": card["weights"]["parameters"] if card else {},
        "precision": card["extra"]["train"]["precision"] if card else "",
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

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
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from hspcgan.model.checkpoint import read_card
from hspcgan.model.common.files import make_folder, require_file_or_free
from hspcgan.model.common.progress import count_bar
from hspcgan.train.run_folder import checkpoints
from hspcgan.train.study.config import Fails
from hspcgan.train.study.protocol import Cell, Study, write_run_manifest
from hspcgan.train.study.result_files import has_result, write_result

log = logging.getLogger("hspcgan.train")
MAIN = "from hspcgan.pipeline.cli.root import main; main()"


def run(study: Study, processes: int = 1, threads: int = 1, retry: bool = False, limit: int | None = None) -> int:
    """Executes the runs that have no result yet, in the order of the protocol; returns the number of new results.

    Args:
        processes: number of runs at a time.
        threads: number of threads per run (OMP_NUM_THREADS).
        retry: also repeat runs that failed.
        limit: stop after this many runs; None for all.
    """
    missing = [cell for cell in study.cells if not has_result(study, cell, retry)]
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
    made = sum(has_result(study, cell) for cell in missing)
    if children.stopped:
        log.info("stopped by %s; run the same command to resume", children.stopped[0])
    return made


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
    return (
        path is not None and read_card(path).get("extra", {}).get("step") == study.rows[cell.row].raw["train"]["steps"]
    )

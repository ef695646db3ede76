"""Measures the memory of this process for benchmarks; the result is 0 on systems other than Linux.

Pages of memory-mapped files are not counted, since the system reclaims them when other processes need memory.
"""

import multiprocessing
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from hspcgan.model.common.errors import UserError

STATUS = Path("/proc/self/status")


def own_gb() -> float:
    """Returns the memory of this process in GB, without pages of memory-mapped files."""
    if not STATUS.is_file():
        return 0.0
    rows = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return int(rows["RssAnon"].split()[0]) * 1024 / 1e9


class OwnPeak(threading.Thread):
    """Measures the peak of `own_gb` in a `with` block, sampled ten times per second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.gb, self.done = own_gb(), threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.1):
            self.gb = max(self.gb, own_gb())

    def __enter__(self) -> "OwnPeak":
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.done.set()
        self.join()


def run_in_new_process(work: Callable[..., Any], *arguments: Any) -> Any:
    """
    Calls a function in a new process and returns its result; the process's peak memory is that of this call only.

    Raises UserError if the process was killed.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(work, *arguments).result()
        except BrokenProcessPool as error:
            raise UserError(
                "a process of the benchmark was killed, probably because memory ran out; lower bench.captions"
            ) from error

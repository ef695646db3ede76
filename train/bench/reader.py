"""Measures the cost of opening a cache and reading training batches from it, for `hspcgan bench bench/scale`."""

import time
from pathlib import Path
from statistics import median

from hspcgan.pipeline.cache.reader import Cache
from hspcgan.train.data import Batches

BATCH, BATCHES = 64, 30


def measure(path: Path) -> dict[str, float]:
    """Measures the seconds to the first batch, the seconds per batch once the files are in RAM, and the memory in GB.

    Run it in a separate process that has only imported this file. The memory of the imports and the pages of mapped
    files are not counted; outside Linux the memory is reported as 0.
    """
    before, start = own_gb(), time.perf_counter()
    batches = Batches(Cache(path), BATCH, seed=0, noise_dim=100, flip=True)
    batches.at(0)
    started = time.perf_counter() - start
    seconds = []
    for _ in range(2):  # in the second pass the pages are warm
        seconds = [_timed(batches, step) for step in range(BATCHES)]
    return {"batch": BATCH, "start_sec": started, "batch_sec": median(seconds), "start_gb": own_gb() - before}


def own_gb() -> float:
    """Returns the memory of this process in GB, without pages of mapped files; 0 outside Linux."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return 0.0
    rows = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(rows["RssAnon"].split()[0]) * 1024 / 1e9


def _timed(batches: Batches, step: int) -> float:
    start = time.perf_counter()
    batches.at(step)
    return time.perf_counter() - start

"""What it costs a trainer to open a cache and to read batches from it, for `hspcgan bench bench/scale`."""

import time
from pathlib import Path
from statistics import median

from hspcgan.pipeline.cache.reader import Cache
from hspcgan.train.data import Batches

BATCH, BATCHES = 64, 30


def measure(path: Path) -> dict[str, float]:
    """Seconds from here to the first batch, seconds of a batch with warm pages, and GB of own memory beyond imports.

    Runs in a process of its own, which has imported this file; pages of mapped files are left out (0 outside Linux).
    """
    before, start = own_gb(), time.perf_counter()
    batches = Batches(Cache(path), BATCH, seed=0, noise_dim=100, flip=True)
    batches.at(0)
    started = time.perf_counter() - start
    seconds = []
    for _ in range(2):  # the second time the pages are warm
        seconds = [_clocked(batches, step) for step in range(BATCHES)]
    return {"start_sec": started, "batch_sec": median(seconds), "start_gb": own_gb() - before}


def own_gb() -> float:
    """This process's own memory, without pages of mapped files."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return 0.0
    rows = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(rows["RssAnon"].split()[0]) * 1024 / 1e9


def _clocked(batches: Batches, step: int) -> float:
    start = time.perf_counter()
    batches.at(step)
    return time.perf_counter() - start

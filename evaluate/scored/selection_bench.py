"""Measures the selection of an evaluation's captions and the reading of their conditions, for bench/scale."""

import time
from pathlib import Path

import numpy as np

from hspcgan.evaluate.config import EvaluateConfig
from hspcgan.evaluate.scored.selection import select
from hspcgan.pipeline.bench.memory import own_gb
from hspcgan.pipeline.cache.arrays.collate import collate
from hspcgan.pipeline.cache.reader import Cache

BATCH, SAMPLES = 64, 30_000


def measure(path: Path) -> dict[str, float]:
    """Returns the number of samples, the seconds for the selection and in total, and the increase in memory in GB.

    Selects up to 30,000 samples of the test split and reads their ids, texts and conditions. Run it in a separate
    process that has imported this file. Pages of memory-mapped files are not counted; outside Linux, memory is 0.
    """
    before, start = own_gb(), time.perf_counter()
    cache = Cache(path)
    samples = min(SAMPLES, len(cache.split_rows("test")) // 2)
    selection = select(
        cache, EvaluateConfig.model_validate({"metrics": ["fid"], "samples": samples, "caption": "keyed"})
    )
    selected = time.perf_counter()
    table = cache.captions_at(selection.caption_rows, ["caption_id", "text"])
    chosen = {name: table[name].to_pylist() for name in table.column_names}
    peak = own_gb()
    for at in range(0, samples, BATCH):
        collate(cache.texts, np.asarray(selection.caption_rows[at : at + BATCH]))
        peak = max(peak, own_gb())
    return {
        "samples": len(chosen["text"]),
        "select_sec": selected - start,
        "total_sec": time.perf_counter() - start,
        "own_gb": peak - before,
    }

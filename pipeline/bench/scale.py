"""Compares `prepare`, reader, trainer and evaluator on a small and a large dataset; also compares image stores.

Each size runs in a separate process, so that its peak memory is measured separately. The small dataset is measured
before and after the large one, which takes many minutes, and the two times are averaged: other load on the machine
then changes the ratios less.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hspcgan.pipeline.bench.captions import load_captions
from hspcgan.pipeline.bench.config import BenchConfig, Figure
from hspcgan.pipeline.bench.entry_points import load_bench
from hspcgan.pipeline.bench.memory import OwnPeak, run_in_new_process
from hspcgan.pipeline.bench.stores import photo_files, stores
from hspcgan.pipeline.bench.substitutes import RECORDED, Rows, build_cache, record_concepts, write_shards
from hspcgan.pipeline.cache.arrays.collate import collate
from hspcgan.pipeline.cache.reader import Cache
from hspcgan.pipeline.concepts.config import ParseConfig

CAVEAT = (
    f"  The parser is replaced by recorded results: {RECORDED} captions were parsed, and every caption of the dataset\n"
    "  is one of them followed by a number; one in eight has a phrase that no other caption has. CLIP is replaced by\n"
    "  pseudo-random features of width {width}. Ingest, storage, writer, validation and reader are not replaced."
)
WARM_UP = 500


def scale(bench: BenchConfig, config: ParseConfig) -> Iterator[Figure]:
    """Yields memory and time per caption for a small and a large dataset, and the results of the image stores."""
    if bench.photos:
        photo_files(bench.photos)  # an error now, not after all other measurements
    texts = load_captions(bench, RECORDED)
    recorded = record_concepts(texts, config)
    before, large, after = (
        _measure_at(count, bench, texts, recorded) for count in (bench.compared, bench.captions, bench.compared)
    )
    small = {name: (before[name] + after[name]) / 2 for name in ("us", "cpu_us", "own_gb", "batch_sec")}
    for count, spent in ((bench.compared, before), (bench.captions, large), (bench.compared, after)):
        parts = ", ".join(f"{name} {1e6 * sec / count:,.0f}" for name, sec in spent["seconds"].items())
        name = f"us_{count}_again" if spent is after else f"us_{count}"
        yield Figure(name, f"µs per caption at {count:,} captions: {parts}", spent["us"], "µs/caption")
    size, than = f"at {bench.captions:,} captions", f"relative to {bench.compared:,}"
    read, chosen = large["reader"], large["selection"]
    growth = (large["own_gb"] - small["own_gb"]) / (bench.captions - bench.compared) * 1e6
    batch = f"time of a batch of {read['batch']} ({1e3 * read['batch_sec']:.1f} ms), {than}"
    for name, what, value, unit in (
        ("memory_gb", f"prepare: peak memory of the process {size}", large["own_gb"], "GB"),
        ("growth_gb", "prepare: growth of that peak per million captions", growth, "GB"),
        ("resident_gb", "prepare: peak memory including pages of mapped files", large["resident_gb"], "GB"),
        ("cost_ratio", f"prepare and reader: cost per caption {size}, {than}", large["us"] / small["us"], "×"),
        ("cpu_ratio", "prepare and reader: the same in CPU time", large["cpu_us"] / small["cpu_us"], "×"),
        ("start_sec", f"trainer: time to the first batch, after imports, {size}", read["start_sec"], "s"),
        ("start_gb", f"trainer: memory beyond imports {size}", read["start_gb"], "GB"),
        ("batch_ratio", f"trainer: {batch}", read["batch_sec"] / small["batch_sec"], "×"),
        (
            "select_sec",
            f"evaluator: selection, conditions of {chosen['samples']:,.0f} texts",
            chosen["total_sec"],
            "s",
        ),
        ("select_gb", f"evaluator: memory beyond imports {size}", chosen["own_gb"], "GB"),
    ):
        yield Figure(name, what, value, unit, True)
    yield from stores(bench)


def _measure_at(count: int, bench: BenchConfig, texts: Sequence[str], recorded: Rows) -> dict[str, Any]:
    """Runs `measure` on `count` captions, then the benchmarks of the trainer's reader and the evaluator's selection."""
    with tempfile.TemporaryDirectory(prefix="hspcgan-bench-", dir=bench.folder) as folder:
        write_shards(Path(folder) / "data", texts, count)
        spent = run_in_new_process(measure, Path(folder), recorded, count, bench.width)
        spent |= {
            name: run_in_new_process(load_bench(name), Path(folder) / "cache") for name in ("reader", "selection")
        }
    spent["batch_sec"] = spent["reader"]["batch_sec"]
    return spent | {"us": 1e6 * sum(spent["seconds"].values()) / count, "cpu_us": 1e6 * spent["cpu_sec"] / count}


def measure(folder: Path, recorded: Rows, count: int, width: int) -> dict[str, Any]:
    """Builds and reads a cache; returns the seconds of each part, the CPU time and the peak memory.

    The peak memory is given with and without pages of memory-mapped files. A small run first warms up the process.
    """
    write_shards(folder / "warm", list(recorded), min(WARM_UP, count))
    _build_and_read(folder / "warm", folder / "warm.cache", recorded, width)
    with OwnPeak() as peak:
        cpu = time.process_time()
        seconds = _build_and_read(folder / "data", folder / "cache", recorded, width)
        cpu_sec = time.process_time() - cpu
    found = Cache(folder / "cache").info["counts"]["captions"]
    if found != count:
        raise AssertionError(f"the cache has {found} captions, expected {count}")
    unit = 1 if sys.platform == "darwin" else 1024  # bytes of ru_maxrss
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
    return {"seconds": seconds, "cpu_sec": cpu_sec, "own_gb": peak.gb or resident, "resident_gb": resident}


def _build_and_read(data: Path, path: Path, recorded: Rows, width: int) -> dict[str, float]:
    seconds, start = {}, time.perf_counter()

    def lap(name: str) -> None:
        nonlocal start
        now = time.perf_counter()
        seconds[name], start = now - start, now

    clip = {"name": "none", "sha256": "0" * 64, "embed_dim": width, "context_length": 77}
    build_cache(data, path, recorded, {"clip": clip, "parser": {"annotator": "recorded"}}, {"image_size": 8}, lap)
    cache = Cache(path)
    captions = cache.info["counts"]["captions"]
    for row in range(0, captions, 64):
        collate(cache.texts, np.arange(row, min(row + 64, captions)))
    lap("reader")
    return seconds

"""Runs one stage shard by shard: reader → mapper → writer; finished shards are skipped, durations are measured."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from hspcgan.model.common.printable import counted
from hspcgan.pipeline.cache.partial.partial_cache import PartialCache
from hspcgan.pipeline.stages import engines


@dataclass(frozen=True)
class Shard:
    """One shard of a stage, for the cache writer."""

    tables: dict[str, pa.Table]
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    stats: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """A stage's work on one cache: `read` and `pack` may access the disk, the mapper does not."""

    sizes: list[int]  # rows in each shard, for the progress bar
    read: Callable[[int], Any]  # shard index → batch
    make_mapper: Callable[[], engines.Mapper]
    pack: Callable[[int, Any], Shard]  # shard index, mapped batch → shard to write
    processes: int = 1


@dataclass(frozen=True)
class Stage:
    """A stage of schema.STAGES; `inputs` is everything that its result depends on; `open` returns the job."""

    name: str
    unit: str
    inputs: dict[str, Any]
    plan: Callable[[], str]  # one line for the user
    open: Callable[[PartialCache], Job]


@dataclass
class Report:
    """Durations of a stage; seconds are summed over workers, so `map_sec` may exceed `wall_sec`."""

    name: str
    shards: int = 0
    skipped: int = 0
    rows: int = 0
    read_sec: float = 0.0
    map_sec: float = 0.0
    write_sec: float = 0.0
    wall_sec: float = 0.0

    def line(self) -> str:
        """Returns one line for the terminal."""
        if self.shards == self.skipped:
            return f"{self.name:<7} already complete ({counted(self.shards, 'shard')})"
        skipped = f", {self.skipped} from an earlier run" if self.skipped else ""
        return (
            f"{self.name:<7} {counted(self.rows, 'row'):>12} in {self.wall_sec:.1f} s "
            f"({counted(self.shards, 'shard')}{skipped}; "
            f"read {self.read_sec:.1f} s, map {self.map_sec:.1f} s, write {self.write_sec:.1f} s)"
        )


def run_stage(partial: PartialCache, stage: Stage, engine: str = "local") -> Report:
    """Runs the remaining shards of a stage and marks it complete; after changed inputs it starts from scratch."""
    start = time.perf_counter()
    partial.begin(stage.name, stage.inputs)
    if partial.is_complete(stage.name):
        shards = len(partial.shards(stage.name))
        return Report(stage.name, shards, shards)
    job = stage.open(partial)
    todo = [index for index in range(len(job.sizes)) if not partial.has(stage.name, index)]
    report = Report(stage.name, len(job.sizes), len(job.sizes) - len(todo), sum(job.sizes[index] for index in todo))

    def batches() -> Iterator[Any]:
        for index in todo:
            begun = time.perf_counter()
            batch = job.read(index)
            report.read_sec += time.perf_counter() - begun
            yield batch

    with tqdm(
        total=sum(job.sizes),
        initial=sum(job.sizes) - report.rows,
        desc=f"{stage.name:<7}",
        unit=f" {stage.unit}",
        disable=None,
        mininterval=0.5,
    ) as bar:
        results = engines.run(job.make_mapper, batches(), job.processes, engine)
        for index, (result, map_sec) in zip(todo, results, strict=True):
            begun = time.perf_counter()
            shard = job.pack(index, result)
            partial.write(stage.name, index, shard.tables, shard.arrays, {**shard.stats, "map_sec": map_sec})
            report.write_sec += time.perf_counter() - begun
            report.map_sec += map_sec
            bar.update(job.sizes[index])
    partial.complete(stage.name, len(job.sizes))
    report.wall_sec = time.perf_counter() - start
    return report

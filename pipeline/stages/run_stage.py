"""Runs one stage shard by shard: reader → mapper → writer; finished shards are skipped, durations are measured."""

import platform
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.printable import format_count
from hspcgan.pipeline.cache.partial.partial_cache import PartialCache
from hspcgan.pipeline.cache.partial.shards import write_shard
from hspcgan.pipeline.stages import executors


@dataclass(frozen=True)
class Shard:
    """One shard of a stage, for the cache writer."""

    tables: dict[str, pa.Table]
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    stats: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """The work of a stage on one cache. `part` runs in this process; on Ray, all other functions run in Ray tasks.

    The other functions must therefore be picklable, and parts must be small. `read` and `pack` may access the disk; the
    mapper does not, except for images that ingest does not hold in memory.
    """

    sizes: list[int]  # rows in each shard, for the progress bar
    part: Callable[[int], Any]  # shard index → what `read` and `pack` need to know of the shard
    read: Callable[[Any], Any]  # part → batch
    make_mapper: Callable[[], executors.Mapper]
    pack: Callable[[Any, Any], Shard]  # part, mapped batch → shard to write
    processes: int = 1
    before: Callable[[Any], Collection[int]] = lambda _: ()  # part → earlier shards of this stage that `pack` reads
    needs: tuple[Path, ...] = ()  # files and folders that tasks on other machines must find at the same path


@dataclass(frozen=True)
class Stage:
    """A stage of schema.STAGES; `inputs` is everything that its result depends on; `open` returns the job."""

    name: str
    unit: str
    inputs: dict[str, Any]
    plan: Callable[[], str]  # one line for the user
    open: Callable[[PartialCache], Job]


class Seconds(NamedTuple):
    """Durations of the steps of one shard."""

    read: float
    map: float
    write: float


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

    def add(self, seconds: Seconds) -> None:
        """Adds the durations of one shard."""
        self.read_sec += seconds.read
        self.map_sec += seconds.map
        self.write_sec += seconds.write

    def line(self) -> str:
        """Returns the report as one line for the terminal."""
        if self.shards == self.skipped:
            return f"{self.name:<7} already complete ({format_count(self.shards, 'shard')})"
        skipped = f", {self.skipped} from an earlier run" if self.skipped else ""
        return (
            f"{self.name:<7} {format_count(self.rows, 'row'):>12} in {self.wall_sec:.1f} s "
            f"({format_count(self.shards, 'shard')}{skipped}; "
            f"read {self.read_sec:.1f} s, map {self.map_sec:.1f} s, write {self.write_sec:.1f} s)"
        )


def run_stage(partial: PartialCache, stage: Stage, engine: str = "local") -> Report:
    """Runs the remaining shards of a stage and marks it complete; if its inputs changed, starts from scratch."""
    start = time.perf_counter()
    partial.begin(stage.name, stage.inputs)
    if partial.is_complete(stage.name):
        shards = len(partial.shards(stage.name))
        return Report(stage.name, shards, shards)
    job = stage.open(partial)
    todo = [index for index in range(len(job.sizes)) if not partial.has(stage.name, index)]
    report = Report(stage.name, len(job.sizes), len(job.sizes) - len(todo), sum(job.sizes[index] for index in todo))

    made = (
        _run_in_ray_tasks(partial, stage.name, job, todo)
        if engine == "ray"
        else _run_in_process(partial, stage.name, job, todo)
    )
    with tqdm(
        total=sum(job.sizes),
        initial=sum(job.sizes) - report.rows,
        desc=f"{stage.name:<7}",
        unit=f" {stage.unit}",
        disable=None,
        mininterval=0.5,
    ) as bar:
        for index, seconds in zip(todo, made, strict=True):
            report.add(seconds)
            bar.update(job.sizes[index])
    partial.complete(stage.name, len(job.sizes))
    report.wall_sec = time.perf_counter() - start
    return report


def _run_in_process(partial: PartialCache, stage: str, job: Job, todo: Sequence[int]) -> Iterator[Seconds]:
    """Reads and writes the shards in this process; runs the mapper in this process or in local workers."""
    begun: deque[tuple[Any, float]] = deque()  # part and seconds of reading, for each shard that is being mapped

    def batches() -> Iterator[Any]:
        for index in todo:
            start = time.perf_counter()
            part = job.part(index)
            batch = job.read(part)
            begun.append((part, time.perf_counter() - start))
            yield batch

    for index, (result, map_sec) in zip(todo, executors.run(job.make_mapper, batches(), job.processes), strict=True):
        part, read_sec = begun.popleft()
        start = time.perf_counter()
        shard = job.pack(part, result)
        partial.write(stage, index, shard.tables, shard.arrays, {**shard.stats, "map_sec": map_sec})
        yield Seconds(read_sec, map_sec, time.perf_counter() - start)


def _run_in_ray_tasks(partial: PartialCache, stage: str, job: Job, todo: Sequence[int]) -> Iterator[Seconds]:
    """Reads, maps and writes each shard in a Ray task; this process only plans."""
    folder = partial.folder(stage).resolve()
    work = _ShardTask(folder, stage, job.read, job.make_mapper, job.pack, (*job.needs, folder))
    parts = ((index, job.part(index)) for index in todo)
    tasks = ((index, (index, part), job.before(part)) for index, part in parts)
    return executors.run_on_ray(work, tasks, job.processes)


@dataclass(frozen=True)
class _ShardTask:
    """The work of a Ray task: reads, maps and writes one shard on storage that all machines share."""

    folder: Path
    stage: str
    read: Callable[[Any], Any]
    make_mapper: Callable[[], executors.Mapper]
    pack: Callable[[Any, Any], Shard]
    needs: tuple[Path, ...]

    def __call__(self, task: tuple[int, Any]) -> Seconds:
        absent = [path for path in self.needs if not path.exists()]
        if absent:
            raise UserError(
                f"{absent[0]} does not exist on the machine {platform.node()}, where Ray's tasks read and write it; "
                "mount it at the same path on every machine, and give its absolute path"
            )
        index, part = task
        start = time.perf_counter()
        batch = self.read(part)
        read_sec = time.perf_counter() - start
        result, map_sec = executors.map_one(self.make_mapper, batch)
        start = time.perf_counter()
        shard = self.pack(part, result)
        write_shard(self.folder, self.stage, index, shard.tables, shard.arrays, {**shard.stats, "map_sec": map_sec})
        return Seconds(read_sec, map_sec, time.perf_counter() - start)

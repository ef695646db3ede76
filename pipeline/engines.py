"""Where mappers run: in this process, in spawned workers, or as tasks of a Ray cluster; results come in order."""

import itertools
import multiprocessing
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

Mapper = Callable[[Any], Any]
ENGINES = ("local", "ray")
RECYCLE_AFTER = 256
"""Batches for each worker of a generation; then new workers take over, so that no library's memory grows for ever."""

_mapper: Mapper | None = None  # a worker process's own, built by _start


def run(
    make_mapper: Callable[[], Mapper], batches: Iterable[Any], processes: int = 1, engine: str = "local"
) -> Iterator[tuple[Any, float]]:
    """
    Maps batches, in order, and yields (result, seconds the mapper took) for each.

    `make_mapper` is called once per process (models are loaded there) and must be picklable for `processes` > 1 and for
    Ray, where it is called for each batch and has to keep its models itself. Every batch is mapped whole by one mapper
    with one torch thread, so results depend neither on `processes` nor on the engine. At most `processes` + 1 batches
    are in flight, so batches may be a generator that reads them. A mapper's exception is raised here; a worker that
    dies (out of memory, killed) raises ValueError saying so.
    """
    if engine == "ray":
        return _ray(make_mapper, batches, processes)
    return _local(make_mapper, batches) if processes == 1 else _workers(make_mapper, iter(batches), processes)


def _workers(make_mapper: Callable[[], Mapper], batches: Iterator[Any], processes: int) -> Iterator[tuple[Any, float]]:
    for first in batches:
        generation = itertools.chain([first], itertools.islice(batches, processes * RECYCLE_AFTER - 1))
        yield from _generation(make_mapper, generation, processes)


def _generation(
    make_mapper: Callable[[], Mapper], batches: Iterable[Any], processes: int
) -> Iterator[tuple[Any, float]]:
    context = multiprocessing.get_context("spawn")
    waiting: deque[Future] = deque()
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_start, initargs=(make_mapper,)) as pool:
        try:
            for batch in batches:
                waiting.append(pool.submit(_call, batch))
                if len(waiting) > processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise ValueError(_died(processes)) from error
        finally:
            for future in waiting:
                future.cancel()


def _ray(make_mapper: Callable[[], Mapper], batches: Iterable[Any], processes: int) -> Iterator[tuple[Any, float]]:
    """On the cluster of RAY_ADDRESS, else on a Ray of `processes` workers that is started here and stopped after."""
    import ray

    started = not ray.is_initialized()
    if started and os.environ.get("RAY_ADDRESS"):
        ray.init(log_to_driver=False)
    elif started:
        ray.init(num_cpus=processes, include_dashboard=False, log_to_driver=False)
    task = ray.remote(num_cpus=1, max_calls=RECYCLE_AFTER)(_call_with)
    make = ray.put(make_mapper)
    waiting: deque[Any] = deque()
    try:
        for batch in batches:
            waiting.append(task.remote(make, batch))
            if len(waiting) > processes:
                yield ray.get(waiting.popleft())
        while waiting:
            yield ray.get(waiting.popleft())
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError) as error:
        raise ValueError(_died(processes)) from error
    finally:
        for reference in waiting:
            ray.cancel(reference)
        if started:
            ray.shutdown()


def _call_with(make_mapper: Callable[[], Mapper], batch: Any) -> tuple[Any, float]:
    _start(make_mapper)
    return _call(batch)


def _died(processes: int) -> str:
    return (
        f"one of {processes} worker processes died, most often for want of memory; finished shards are kept: "
        "run the same command again, with fewer `processes`"
    )


def _local(make_mapper: Callable[[], Mapper], batches: Iterable[Any]) -> Iterator[tuple[Any, float]]:
    mapper = None
    for batch in batches:
        start = time.perf_counter()
        if mapper is None:
            mapper = make_mapper()
        with _OneThread():
            result = mapper(batch)
        yield result, time.perf_counter() - start


def _start(make_mapper: Callable[[], Mapper]) -> None:
    global _mapper
    _mapper = make_mapper()


def _call(batch: Any) -> tuple[Any, float]:
    assert _mapper is not None
    start = time.perf_counter()
    with _OneThread():
        result = _mapper(batch)
    return result, time.perf_counter() - start


class _OneThread:
    """One torch thread inside, the former number after; nothing when the mapper brought no torch along."""

    def __enter__(self) -> None:
        import sys

        self.torch = sys.modules.get("torch")
        if self.torch is not None:
            self.threads = self.torch.get_num_threads()
            self.torch.set_num_threads(1)

    def __exit__(self, *exc: object) -> None:
        if self.torch is not None:
            self.torch.set_num_threads(self.threads)

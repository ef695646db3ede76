"""Where mappers run: in this process, or in spawned workers that each build theirs once; results come in order."""

import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

Mapper = Callable[[Any], Any]

_mapper: Mapper | None = None  # a worker process's own, built by _start


def run(make_mapper: Callable[[], Mapper], batches: Iterable[Any], processes: int = 1) -> Iterator[tuple[Any, float]]:
    """
    Maps batches, in order, and yields (result, seconds the mapper took) for each.

    `make_mapper` is called once per process (models are loaded there) and must be picklable for `processes` > 1. Every
    batch is mapped whole by one mapper with one torch thread, so results do not depend on `processes`. At most
    `processes` + 1 batches are in flight, so batches may be a generator that reads them. A mapper's exception is raised
    here; a worker that dies (out of memory, killed) raises ValueError saying so.
    """
    if processes == 1:
        yield from _local(make_mapper, batches)
        return
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
            raise ValueError(
                f"one of {processes} worker processes died, most often for want of memory; finished shards are kept: "
                "run the same command again, with fewer `processes`"
            ) from error
        finally:
            for future in waiting:
                future.cancel()


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

"""Where mappers run: in this process, in spawned workers, or as tasks of a Ray cluster; results come in order."""

import functools
import itertools
import multiprocessing
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import Any

from threadpoolctl import threadpool_limits

from hspcgan.model.common.errors import UserError

Mapper = Callable[[Any], Any]
ENGINES = ("local", "ray")
RECYCLE_AFTER = 256
"""Batches for each worker; then new workers replace them, since the memory of some libraries grows."""

AHEAD = 2
"""Batches in flight for each worker: results come in order, and one slow batch must not stop the other workers."""

_mapper: Mapper | None = None  # a worker process's own, built by _start


def mapper_factory(mapper: Callable[..., Any], *bound: Any) -> Callable[[], Mapper]:
    """A picklable function that returns `mapper` with its first arguments bound; each process calls it once."""
    return functools.partial(functools.partial, mapper, *bound)


def run(
    make_mapper: Callable[[], Mapper], batches: Iterable[Any], processes: int = 1, engine: str = "local"
) -> Iterator[tuple[Any, float]]:
    """
    Maps batches, in order, and yields (result, seconds the mapper took) for each.

    `make_mapper` is called once per process (models are loaded there) and must be picklable for `processes` > 1 and for
    Ray, where it is called for each batch and has to keep its models itself. Every batch is mapped whole by one mapper
    with one thread, so results depend neither on `processes` nor on the engine. At most 2 · `processes` batches
    are in flight, so batches may be a generator that reads them. A mapper's exception is raised here; a worker that
    dies (out of memory, killed) raises UserError saying so. Local workers end with this process, even if it is killed.
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
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_begin, initargs=(make_mapper,)) as pool:
        try:
            for batch in batches:
                waiting.append(pool.submit(_call, batch))
                if len(waiting) >= AHEAD * processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise UserError(_died(processes)) from error
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
            if len(waiting) >= AHEAD * processes:
                yield ray.get(waiting.popleft())
        while waiting:
            yield ray.get(waiting.popleft())
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError) as error:
        raise UserError(_died(processes)) from error
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
        f"one of {processes} worker processes died, usually out of memory; finished shards are kept: "
        "run the same command again, with fewer `processes`"
    )


def _local(make_mapper: Callable[[], Mapper], batches: Iterable[Any]) -> Iterator[tuple[Any, float]]:
    mapper = None
    for batch in batches:
        start = time.perf_counter()
        if mapper is None:
            mapper = make_mapper()
        with one_thread():
            result = mapper(batch)
        yield result, time.perf_counter() - start


def _begin(make_mapper: Callable[[], Mapper]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()  # first: models take long to load
    _start(make_mapper)


def _end_with_parent() -> None:
    """Ends this worker when its parent process has ended. The pipe of batches does not show that: every worker keeps it
    open for the others."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _start(make_mapper: Callable[[], Mapper]) -> None:
    global _mapper
    _mapper = make_mapper()


def _call(batch: Any) -> tuple[Any, float]:
    assert _mapper is not None
    start = time.perf_counter()
    with one_thread():
        result = _mapper(batch)
    return result, time.perf_counter() - start


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside, one thread for torch, if it is imported, and for numpy's BLAS; after it as many as before."""
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else 0
    if torch:
        torch.set_num_threads(1)
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        if torch:
            torch.set_num_threads(threads)

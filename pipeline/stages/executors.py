"""Runs mappers in this process, in spawned workers, or as tasks on a Ray cluster; results are returned in order."""

import functools
import itertools
import multiprocessing
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
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
"""Batches per worker before new workers replace the old, since the memory use of some libraries grows."""

AHEAD = 2
"""Batches in flight per worker: results are returned in order, and a slow batch must not stop the other workers."""

_mapper: Mapper | None = None  # the mapper of a worker process, built by _build_mapper


def mapper_factory(mapper: Callable[..., Any], *bound: Any) -> Callable[[], Mapper]:
    """Returns a picklable function that binds the first arguments of `mapper`; each process calls it once."""
    return functools.partial(functools.partial, mapper, *bound)


def run(make_mapper: Callable[[], Mapper], batches: Iterable[Any], processes: int = 1) -> Iterator[tuple[Any, float]]:
    """
    Maps batches in order on this machine and yields (result, seconds that the mapper took) for each.

    `make_mapper` is called once per process (models are loaded there) and must be picklable for `processes` > 1. Each
    batch is processed by one mapper with one thread, so results do not depend on `processes`. At most 2 · `processes`
    batches are in flight, so batches may be a generator that reads them. An exception in a mapper is raised here; if a
    worker dies (out of memory, killed), UserError is raised. Workers end with this process, even if it is killed.
    """
    return _run_in_process(make_mapper, batches) if processes == 1 else _workers(make_mapper, iter(batches), processes)


def _workers(make_mapper: Callable[[], Mapper], batches: Iterator[Any], processes: int) -> Iterator[tuple[Any, float]]:
    for first in batches:
        generation = itertools.chain([first], itertools.islice(batches, processes * RECYCLE_AFTER - 1))
        yield from _generation(make_mapper, generation, processes)


def _generation(
    make_mapper: Callable[[], Mapper], batches: Iterable[Any], processes: int
) -> Iterator[tuple[Any, float]]:
    context = multiprocessing.get_context("spawn")
    waiting: deque[Future] = deque()
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_start_worker, initargs=(make_mapper,)) as pool:
        try:
            for batch in batches:
                waiting.append(pool.submit(_map_timed, batch))
                if len(waiting) >= AHEAD * processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise UserError(_worker_died_message(processes)) from error
        finally:
            for future in waiting:
                future.cancel()


def run_on_ray(
    work: Callable[[Any], Any], tasks: Iterable[tuple[int, Any, Collection[int]]], processes: int = 1
) -> Iterator[Any]:
    """
    Runs `work(argument)` for each task (number, argument, numbers of earlier tasks to wait for), and yields the results
    in order.

    It runs on the cluster at RAY_ADDRESS, or else on a local Ray with `processes` workers, stopped afterwards. `work`
    and arguments must be picklable; `work` must cache the models that it loads. A task waits only for earlier tasks; at
    most 2 · `processes` tasks are in flight. Errors as in `run`.
    """
    import ray

    started = not ray.is_initialized()
    if started and os.environ.get("RAY_ADDRESS"):
        ray.init(log_to_driver=False)
    elif started:
        ray.init(num_cpus=processes, include_dashboard=False, log_to_driver=False)
    task = ray.remote(num_cpus=1, max_calls=RECYCLE_AFTER)(_task)
    shared = ray.put(work)
    waiting: dict[int, Any] = {}  # in the order of the tasks
    try:
        for number, argument, before in tasks:
            waiting[number] = task.remote(shared, argument, *(waiting[one] for one in before if one in waiting))
            if len(waiting) >= AHEAD * processes:
                yield ray.get(waiting.pop(next(iter(waiting))))
        while waiting:
            yield ray.get(waiting.pop(next(iter(waiting))))
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError) as error:
        raise UserError(_worker_died_message(processes)) from error
    finally:
        for reference in waiting.values():
            ray.cancel(reference)
        if started:
            ray.shutdown()


def _task(work: Callable[[Any], Any], argument: Any, *finished: Any) -> Any:
    return work(argument)


def map_one(make_mapper: Callable[[], Mapper], batch: Any) -> tuple[Any, float]:
    """Maps one batch with a new mapper and one thread; returns the result and the seconds that mapping took."""
    _build_mapper(make_mapper)
    return _map_timed(batch)


def _worker_died_message(processes: int) -> str:
    return (
        f"one of {processes} worker processes died, usually out of memory; finished shards are kept, so "
        "run the same command again with fewer `processes`"
    )


def _run_in_process(make_mapper: Callable[[], Mapper], batches: Iterable[Any]) -> Iterator[tuple[Any, float]]:
    mapper = None
    for batch in batches:
        start = time.perf_counter()
        if mapper is None:
            mapper = make_mapper()
        with one_thread():
            result = mapper(batch)
        yield result, time.perf_counter() - start


def _start_worker(make_mapper: Callable[[], Mapper]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()  # first, since models take long to load
    _build_mapper(make_mapper)


def _end_with_parent() -> None:
    """Exits this worker when its parent process has ended.

    The pipe of batches does not close in that case, since every worker keeps it open.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _build_mapper(make_mapper: Callable[[], Mapper]) -> None:
    global _mapper
    _mapper = make_mapper()


def _map_timed(batch: Any) -> tuple[Any, float]:
    assert _mapper is not None
    start = time.perf_counter()
    with one_thread():
        result = _mapper(batch)
    return result, time.perf_counter() - start


@contextmanager
def one_thread() -> Iterator[None]:
    """Context manager that limits torch (if imported) and numpy's BLAS to one thread, and then restores the limits."""
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

"""The local engine: results in order from any number of processes, errors that arrive, workers that are replaced."""

import functools
import os

import pytest

from hspcgan.pipeline import engines


def _double(offset: int, batch: list[int]) -> list[int]:
    if -1 in batch:
        raise ValueError("minus one")
    if -2 in batch:
        os._exit(1)
    return [2 * value + offset for value in batch]


def _make_double(offset: int) -> functools.partial:
    return functools.partial(_double, offset)


def test_workers_give_the_same_results_in_the_same_order_as_this_process():
    batches = [[i, i + 1] for i in range(9)]
    make = functools.partial(_make_double, 5)
    here = [result for result, _ in engines.run(make, iter(batches))]
    there = [result for result, _ in engines.run(make, iter(batches), processes=2)]
    assert here == there == [[2 * i + 5, 2 * i + 7] for i in range(9)]


def test_a_mappers_error_arrives_and_a_dead_worker_is_named():
    make = functools.partial(_make_double, 0)
    with pytest.raises(ValueError, match="minus one"):
        list(engines.run(make, [[0], [-1]], processes=2))
    with pytest.raises(ValueError, match="worker processes died"):
        list(engines.run(make, [[0], [-2], [1]], processes=2))


def _pid(batch: int) -> int:
    return os.getpid()


def _make_pid() -> engines.Mapper:
    return _pid


def test_workers_are_replaced_by_new_ones_after_a_while(monkeypatch):
    monkeypatch.setattr(engines, "RECYCLE_AFTER", 2)
    pids = [pid for pid, _ in engines.run(_make_pid, iter(range(8)), processes=2)]
    assert len(pids) == 8
    assert set(pids[:4]).isdisjoint(pids[4:])

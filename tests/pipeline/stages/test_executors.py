"""The local engine: results in order from any number of processes, errors that arrive, workers that are replaced."""

import functools
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import helpers
import pytest
from helpers.processes.mappers import make_double, make_pid

from hspcgan.pipeline.stages import executors

TESTS = str(Path(next(iter(helpers.__path__))).parent)


def test_workers_give_the_same_results_in_the_same_order_as_this_process():
    batches = [[i, i + 1] for i in range(9)]
    make = functools.partial(make_double, 5)
    here = [result for result, _ in executors.run(make, iter(batches))]
    there = [result for result, _ in executors.run(make, iter(batches), processes=2)]
    assert here == there == [[2 * i + 5, 2 * i + 7] for i in range(9)]


def test_a_mappers_error_arrives_and_a_dead_worker_is_named():
    make = functools.partial(make_double, 0)
    with pytest.raises(ValueError, match="minus one"):
        list(executors.run(make, [[0], [-1]], processes=2))
    with pytest.raises(ValueError, match="worker processes died"):
        list(executors.run(make, [[0], [-2], [1]], processes=2))


def test_workers_are_replaced_by_new_ones_after_a_while(monkeypatch):
    monkeypatch.setattr(executors, "RECYCLE_AFTER", 2)
    pids = [pid for pid, _ in executors.run(make_pid, iter(range(8)), processes=2)]
    assert len(pids) == 8
    assert set(pids[:4]).isdisjoint(pids[4:])


WORK = """
from helpers.processes import mappers
from hspcgan.pipeline.stages import executors
if __name__ == "__main__":
    list(executors.run(mappers.make_talk, iter(range(10**6)), processes=2))
"""


def test_workers_end_with_the_process_that_started_them_when_it_is_killed():
    script, own = [sys.executable, "-c", WORK], {**os.environ, "PYTHONPATH": TESTS}
    with subprocess.Popen(script, env=own, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pids: set[int] = set()
        while len(pids) < 2:
            pids.add(int(process.stdout.readline()))
        ended = [os.pidfd_open(pid) for pid in pids]
        os.kill(process.pid, signal.SIGKILL)
        process.stdout.close()
        try:
            for worker in ended:
                assert select.select([worker], [], [], 20)[0], "a worker outlives its parent"
        finally:
            for worker in ended:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(worker, signal.SIGKILL)
                os.close(worker)

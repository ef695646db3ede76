"""One drawing at a time: in the order of asking, no more than fit, and none for those who went away."""

import asyncio
import threading

import pytest

from hspcgan.evaluate.playground.queue import Queue, QueueFullError


@pytest.fixture
def run():
    """Runs a coroutine function with a queue of three places."""

    def start(test):
        queue = Queue(longest=3)
        try:
            asyncio.run(asyncio.wait_for(test(queue), 60))
        finally:
            queue.close()

    return start


def test_work_is_done_one_by_one_in_order(run):
    done, running = [], []

    def work(number):
        running.append(number)
        assert running == [number]
        running.remove(number)
        done.append(number)

    async def client(queue, number):
        with queue.join() as place:
            await place.wait_for_turn()
            for _ in range(3):
                await place.run_step(work, number)
                await asyncio.sleep(0)

    async def test(queue):
        await asyncio.gather(*(client(queue, number) for number in range(3)))
        assert done == [0, 0, 0, 1, 1, 1, 2, 2, 2]
        assert len(queue) == 0

    run(test)


def test_a_full_queue_takes_no_more(run):
    async def test(queue):
        with queue.join(), queue.join(), queue.join():
            assert queue.is_full
            with pytest.raises(QueueFullError), queue.join():
                pass
        with queue.join():
            assert len(queue) == 1

    run(test)


def test_who_waits_sees_how_many_are_before(run):
    async def test(queue):
        seen = []

        async def last():
            with queue.join() as place:
                async for before in place.requests_before():
                    seen.append(before)

        with queue.join():
            with queue.join():
                waiting = asyncio.ensure_future(last())
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.01)
        await waiting
        assert seen == [2, 1]

    run(test)


def test_cancelled_work_gives_its_place_back_and_starts_no_further_step(run):
    begun, release = threading.Semaphore(0), threading.Event()
    steps = []

    def work(number):
        steps.append(number)
        begun.release()
        release.wait(60)

    async def client(queue):
        with queue.join() as place:
            await place.wait_for_turn()
            for number in range(5):
                await place.run_step(work, number)

    async def test(queue):
        working = asyncio.ensure_future(client(queue))
        await asyncio.to_thread(begun.acquire)
        working.cancel()
        await asyncio.wait({working})
        assert len(queue) == 0
        release.set()
        with queue.join() as place:
            await place.wait_for_turn()
            await place.run_step(lambda: None)
        assert steps == [0]

    run(test)

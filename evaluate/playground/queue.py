"""A queue that serves one request for images at a time; a request leaves the queue if its client disconnects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")
LONGEST = 64


class QueueFullError(Exception):
    """Too many requests are waiting."""


class Queue:
    """A first-come, first-served queue. Work runs in one thread, so that the server keeps responding."""

    def __init__(self, longest: int = LONGEST):
        self.longest = longest
        self._line: list[QueuePlace] = []
        self._moved = asyncio.Event()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="draw")

    def __len__(self) -> int:
        return len(self._line)

    @property
    def is_full(self) -> bool:
        return len(self._line) >= self.longest

    @contextmanager
    def join(self) -> Iterator[QueuePlace]:
        """Adds a request to the queue, and removes it at the end of the block. QueueFullError if the queue is full."""
        if self.is_full:
            raise QueueFullError
        place = QueuePlace(self)
        self._line.append(place)
        try:
            yield place
        finally:
            self._line.remove(place)
            self._moved.set()
            self._moved = asyncio.Event()

    def close(self) -> None:
        """Cancels work that has not begun and waits for the current step."""
        self._thread.shutdown(wait=True, cancel_futures=True)


class QueuePlace:
    """The place of a request in the queue. Its work is done in short steps, so that a cancelled request stops soon."""

    def __init__(self, queue: Queue):
        self._queue = queue

    async def requests_before(self) -> AsyncIterator[int]:
        """Yields the number of requests before this one whenever it changes, until it is this request's turn."""
        while before := self._queue._line.index(self):
            yield before
            await self._queue._moved.wait()

    async def wait_for_turn(self) -> None:
        """Waits until it is this request's turn."""
        async for _ in self.requests_before():
            pass

    async def run_step(self, work: Callable[..., T], *arguments: Any) -> T:
        """Runs a short piece of work in the thread and returns its result."""
        return await asyncio.get_running_loop().run_in_executor(self._queue._thread, work, *arguments)

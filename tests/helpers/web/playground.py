"""A running playground that tests ask over HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

from hspcgan.evaluate.playground.checkpoints import Checkpoints
from hspcgan.evaluate.playground.queue import Queue
from hspcgan.evaluate.playground.server import make_server, open_socket


@dataclass
class Served:
    """Its port, and the server's own queue and checkpoints."""

    port: int
    queue: Queue
    checkpoints: Checkpoints

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[HTTPResponse, bytes]:
        """The answer and its body; `sec_fetch_site="…"` is the header Sec-Fetch-Site."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=300)
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer, body


@contextmanager
def serving(runs: Path, longest: int = 8) -> Iterator[Served]:
    """A playground of the shipped checkpoint and those under `runs`, in a thread of this process."""
    queue, checkpoints = Queue(longest), Checkpoints(runs=runs)
    with open_socket(0) as listener:
        server = make_server(checkpoints, listener, queue)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        served = Served(listener.getsockname()[1], queue, checkpoints)
        served.ask("/")  # after this it is warm, and nothing is at work
        yield served
        server.should_exit = True
        thread.join()


def wait_until(condition: Callable[[], bool], seconds: float = 120) -> None:
    """Returns when the condition holds; fails after some time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)

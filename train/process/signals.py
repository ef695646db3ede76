"""Records SIGTERM and SIGINT instead of stopping at once, so that a run ends between two steps."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType


@contextmanager
def received_signals() -> Iterator[list[str]]:
    """Yields a list that records SIGTERM and SIGINT by name; inside the block, they do not end the process.

    A second SIGINT has its usual effect. A second SIGTERM has no effect, because launchers and schedulers send several
    before they send SIGKILL. Outside the main thread, Python allows no handlers, so the list stays empty.
    """
    received: list[str] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    previous = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def record(number: int, frame: FrameType | None) -> None:
        received.append(signal.Signals(number).name)
        if number == signal.SIGINT:
            signal.signal(number, previous[signal.SIGINT])

    for number in previous:
        signal.signal(number, record)
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def default_signals(received: Sequence[str] = ()) -> Iterator[None]:
    """While the block runs, SIGTERM and SIGINT end the process at once; so does a signal already in `received`.

    Use it for library calls that can wait for minutes, because a Python handler runs only after they return.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGTERM, signal.SIGINT)}
    for name in received[:1]:
        signal.raise_signal(signal.Signals[name])
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

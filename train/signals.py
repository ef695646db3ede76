"""Signals that ask a run to end are noted, so that it ends between two steps."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def noted_signals() -> Iterator[list[str]]:
    """Collects the names of SIGTERM and SIGINT instead of dying of them.

    A second SIGINT has its usual effect. A second SIGTERM has none: launchers and schedulers send several, and SIGKILL
    when they have waited long enough.
    """
    noted: list[str] = []
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return
    previous = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def note(number: int, frame: FrameType | None) -> None:
        noted.append(signal.Signals(number).name)
        if number == signal.SIGINT:
            signal.signal(number, previous[signal.SIGINT])

    for number in previous:
        signal.signal(number, note)
    try:
        yield noted
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)

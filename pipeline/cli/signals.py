"""SIGTERM and SIGHUP end a command after its `finally` blocks, with the exit codes that shells use."""

import multiprocessing
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

REPEAT_AFTER = 0.05  # seconds; by then the callback that lost the exception has usually returned


class _EndedBySignal(SystemExit):
    """Raised in the main thread when the process receives the signal `number`."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = number


@contextmanager
def exit_on_signals() -> Iterator[None]:
    """
    In the `with` block, SIGTERM and SIGHUP end the process with exit codes 143 and 129, after all `finally` blocks.

    Worker processes are terminated at once, not after their batch. Ignored signals, as under nohup, stay ignored.
    Python drops an exception that a signal raises inside a callback (`__del__`, weakref, as in every import); the
    signal is then repeated.
    """
    usual = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) == signal.SIG_DFL]
    report = sys.unraisablehook

    def repeat(dropped: Any) -> None:
        if not isinstance(dropped.exc_value, _EndedBySignal):
            report(dropped)
            return
        main, number = threading.main_thread().ident, dropped.exc_value.number
        timer = threading.Timer(REPEAT_AFTER, signal.pthread_kill, (main, number))
        timer.daemon = True
        timer.start()

    for number in usual:
        signal.signal(number, _end)
    sys.unraisablehook = repeat
    try:
        yield
    finally:
        sys.unraisablehook = report
        for number in usual:
            signal.signal(number, signal.SIG_DFL)


def _end(number: int, frame: FrameType | None) -> None:
    for worker in multiprocessing.active_children():
        worker.terminate()
    raise _EndedBySignal(number)

"""What the rooms log while a test runs something outside of a test function's own fixtures."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def logged() -> Iterator[list[str]]:
    """The messages logged inside, of level INFO and above."""
    lines: list[str] = []
    root, handler = logging.getLogger("hspcgan"), logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        root.removeHandler(handler)
        root.setLevel(before)

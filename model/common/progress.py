"""Progress bars of long work, all alike: steps or bytes, speed and remaining time; on a terminal alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def progress_bar(steps: Iterable[T], title: str) -> Iterable[T]:
    """The steps, with a bar on standard error that goes when they are done."""
    return tqdm(steps, title, disable=None, leave=False, dynamic_ncols=True)


def bytes_bar(title: str, total: int) -> tqdm:
    """A bar of `total` bytes, as a context manager; `update(n)` adds n bytes."""
    return tqdm(desc=title, total=total, unit="B", unit_scale=True, disable=None, leave=False, dynamic_ncols=True)

"""Progress bars for long tasks, with speed and remaining time; they are shown only on a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def progress_bar(steps: Iterable[T], title: str) -> Iterable[T]:
    """Yields the steps and shows a progress bar on standard error; the bar is removed after the last step."""
    return tqdm(steps, title, disable=None, leave=False, dynamic_ncols=True)


def bytes_bar(title: str, total: int) -> tqdm:
    """Returns a progress bar for `total` bytes; it is a context manager, and `update(n)` adds n bytes."""
    return tqdm(desc=title, total=total, unit="B", unit_scale=True, disable=None, leave=False, dynamic_ncols=True)


def count_bar(title: str, total: int, unit: str) -> tqdm:
    """Returns a progress bar for `total` units; it is a context manager, and `update(n)` adds n units."""
    return tqdm(desc=title, total=total, unit=f" {unit}", disable=None, leave=False, dynamic_ncols=True)

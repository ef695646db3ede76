"""Measures how long each part of a training step takes, on the CPU or, by CUDA events, on the GPU."""

import time
from collections import defaultdict
from typing import Any

import torch

MOST = 4096  # laps that are kept before their times are read


class Clock:
    """Measures the seconds of each part of a step, summed over steps until `read` is called.

    On a GPU, laps are CUDA events: they record the time at which the GPU reaches them, and the host does not wait.
    """

    def __init__(self, device: torch.device | None = None) -> None:
        self.on_gpu = device is not None and device.type == "cuda"
        self.seconds: dict[str, float] = defaultdict(float)
        self._laps: list[tuple[str, Any, Any]] = []  # part, its begin and its end
        self._last = self._now()

    def lap(self, part: str) -> None:
        """Adds the time since the last call of `lap` or `skip` to `part`."""
        now = self._now()
        self._laps.append((part, self._last, now))
        self._last = now
        if not self.on_gpu or len(self._laps) >= MOST:
            self._sum()

    def skip(self) -> None:
        """Discards the time since the last call of `lap` or `skip`."""
        self._last = self._now()

    def read(self) -> dict[str, float]:
        """Returns the seconds of each part since the last read, and resets them to 0; waits for the GPU."""
        self._sum()
        seconds, self.seconds = dict(self.seconds), defaultdict(float)
        return seconds

    def _now(self) -> Any:
        if not self.on_gpu:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def _sum(self) -> None:
        if self.on_gpu and self._laps:
            self._laps[-1][2].synchronize()
        for part, begin, end in self._laps:
            self.seconds[part] += begin.elapsed_time(end) / 1e3 if self.on_gpu else end - begin
        self._laps.clear()

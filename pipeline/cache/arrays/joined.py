"""Several arrays that are indexed as one, for caches that are read as one."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hspcgan.pipeline.cache.arrays.ragged import offsets_of


class JoinedArray:
    """Arrays with equal row shapes, concatenated without a copy: indexing reads only the given rows.

    Args:
        parts: arrays, or objects that are indexed like arrays.
        shifts: a number to add to the values of each part.
        fence: each part is an array of offsets [n + 1]; its last offset is the first of the next part.
    """

    def __init__(self, parts: Sequence[Any], shifts: Sequence[int] = (), fence: bool = False) -> None:
        self.parts, self.shifts = parts, shifts or [0] * len(parts)
        lengths = [len(part) - fence for part in parts]
        lengths[-1] += fence
        self.starts = offsets_of(np.array(lengths))
        self.shape, self.dtype = (int(self.starts[-1]), *parts[0].shape[1:]), parts[0].dtype
        self.ndim, self.nbytes = len(self.shape), sum(getattr(part, "nbytes", 0) for part in parts)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        """Indexes like numpy, by a row, a slice, an array of rows, or a tuple of index arrays (rows first)."""
        if isinstance(key, int | np.integer):
            row = range(len(self))[int(key)]
            part = self._part(row)
            return self.parts[part][row - int(self.starts[part])] + self.parts[part].dtype.type(self.shifts[part])
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            part = self._part(min(start, len(self) - 1)) if len(self) else 0
            if step == 1 and stop <= self.starts[part + 1]:
                first = int(self.starts[part])
                return self._shifted(self.parts[part][start - first : max(start, stop) - first], part)
            return self._rows(np.arange(start, stop, step), ())
        rows, *more = key if isinstance(key, tuple) else (key,)
        return self._rows(np.asarray(rows, np.int64), more)

    def _part(self, row: int) -> int:
        return int(np.searchsorted(self.starts, row, side="right")) - 1

    def _shifted(self, found: np.ndarray, part: int) -> np.ndarray:
        return found + found.dtype.type(self.shifts[part]) if self.shifts[part] else found

    def _rows(self, rows: np.ndarray, more: Sequence[np.ndarray]) -> np.ndarray:
        rows = np.where(rows < 0, rows + len(self), rows)
        if len(rows) and not 0 <= rows.min() <= rows.max() < len(self):
            raise IndexError(f"row {rows.max()} is out of range for {len(self)} rows")
        parts = np.searchsorted(self.starts, rows, side="right") - 1
        found = np.empty((len(rows), *self.shape[1 + len(more) :]), self.dtype)
        for part in np.unique(parts):
            here = parts == part
            place = rows[here] - self.starts[part]
            own = self.parts[part][(place, *(other[here] for other in more)) if more else place]
            found[here] = self._shifted(own, part)
        return found

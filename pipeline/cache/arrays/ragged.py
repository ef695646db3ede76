"""Lists of different lengths as flat arrays: the items of all lists, and the offset at which each list starts."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Ragged:
    """A list<struct> column as flat integer arrays: row i holds items offsets[i] … offsets[i + 1] − 1."""

    offsets: np.ndarray
    fields: dict[str, np.ndarray]

    def rows(self, row: int, *names: str) -> list[np.ndarray]:
        span = slice(self.offsets[row], self.offsets[row + 1])
        return [self.fields[name][span] for name in names]


def offsets_of(lengths: np.ndarray) -> np.ndarray:
    """Returns int64 [n + 1]: the start of each of n concatenated lists, and the end of the last list."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)

"""Finds equal texts by 16-byte digests, so that millions of texts need not be in memory.

Two texts with the same digest (BLAKE2b, 128 bits) would count as equal; among 100 million texts, the probability of
such a pair is 1.5e-23.
"""

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
import pyarrow as pa

BLOCK = 2**14  # texts in memory as Python strings at once


def digests(texts: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Returns the digest of each text, uint64 [n, 2]."""
    blocks = [texts.slice(start, BLOCK).to_pylist() for start in range(0, len(texts), BLOCK)]
    raw = (b"".join(blake2b(text.encode(), digest_size=16).digest() for text in block) for block in blocks)
    return np.frombuffer(b"".join(raw), "<u8").reshape(-1, 2)


def text_numbers(texts: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Returns a 63-bit hash of each text, int64 [n] ≥ 0; equal texts have equal hashes in all caches."""
    return (digests(texts)[:, 0] >> np.uint64(1)).astype(np.int64)


def first_rows(found: np.ndarray) -> np.ndarray:
    """Returns, for each digest, the first row with an equal digest, int32 [n]."""
    order = np.lexsort((found[:, 1], found[:, 0])).astype(np.int32)  # stable: equal digests stay in order
    begins = np.ones(len(order), bool)
    begins[1:] = (found[order[1:]] != found[order[:-1]]).any(1)
    starts = np.flatnonzero(begins)
    rows = np.empty(len(order), np.int32)
    rows[order] = np.repeat(order[starts], np.diff(np.append(starts, len(order))))
    return rows


class Places:
    """Finds the positions of texts in a list of unique texts; needs 20 bytes of memory per text of the list.

    `repeated`: a position with a text that also occurs earlier, or −1.
    """

    def __init__(self, parts: Iterable[np.ndarray]) -> None:
        """Joins `parts`, arrays uint64 [n, 2] with the digests of the unique texts, in order."""
        found = np.concatenate([np.zeros((0, 2), np.uint64), *parts])
        order = np.lexsort((found[:, 1], found[:, 0]))
        self.high, self.low, self.order = found[order, 0], found[order, 1], order.astype(np.int32)
        again = np.flatnonzero((np.diff(self.high) == 0) & (np.diff(self.low) == 0))
        self.repeated = int(self.order[again[0] + 1]) if len(again) else -1

    def find(self, texts: pa.Array | pa.ChunkedArray) -> np.ndarray:
        """Returns the position of each text, int32 [n]; −1 for a text that is not in the list."""
        wanted = digests(texts)
        if not len(self.order):
            return np.full(len(wanted), -1, np.int32)
        at = np.searchsorted(self.high, wanted[:, 0])
        last = len(self.order) - 1
        while True:  # skip digests with an equal first half, which are extremely rare
            at = np.minimum(at, last)
            further = (self.high[at] == wanted[:, 0]) & (self.low[at] < wanted[:, 1]) & (at < last)
            if not further.any():
                break
            at = at + further
        same = (self.high[at] == wanted[:, 0]) & (self.low[at] == wanted[:, 1])
        return np.where(same, self.order[at], -1).astype(np.int32)

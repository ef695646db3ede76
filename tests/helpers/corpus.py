"""The corpus of bad inputs: how one is run and what is asserted of every one, in time, memory and rows."""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from click.testing import Result

from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.partial.reader import ShardStore

SECONDS, BYTES = 20, 2**30
KEPT, REJECT = "kept", "reject"
EXPECTED = {1, 2, 3}
"""Exit codes of an error that a user can fix."""


@contextmanager
def bounded() -> Iterator[None]:
    """Inside, no more than 20 seconds and 1 GB of new memory."""

    def late(number: int, frame: object) -> None:
        raise AssertionError(f"not done after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held)
    assert grown < BYTES, f"{grown / 1e9:.1f} GB more"


def assert_told(result: Result, *parts: str, codes: set[int] = EXPECTED) -> None:
    """The command ended with an error that a user can fix, without a traceback, and named these parts."""
    assert result.exit_code in codes, result.output[-3000:]
    assert "Traceback" not in result.output
    assert "internal error" not in result.output
    assert not any(char < " " and char not in "\n\r\t" for char in result.output), "a control character"
    for part in parts:
        assert part in result.output, f"{part!r} is not in: {result.output[-2000:]}"


@dataclass
class Ingested:
    """What ingest made of a dataset: keys of samples, captions by sample, (where, what, why) of rejects."""

    samples: set[str]
    captions: dict[str, list[str]]
    rejects: list[tuple[str, str, str]]

    def verdict(self, key: str) -> str:
        """KEPT or REJECT; a failed assertion where a key is neither or both."""
        images = [where for where, what, _ in self.rejects if what == "image"]
        refused = any(where == key or where.startswith((f"{key}.", f"{key}#", f"{key}:")) for where in images)
        assert (key in self.samples) != refused, f"{key}: kept {key in self.samples}, rejected {refused}"
        return REJECT if refused else KEPT

    def why(self, key: str) -> str:
        return "; ".join(why for where, _, why in self.rejects if where.startswith(key))


def ingested(cache: Path) -> Ingested:
    """The outcome of `hspcgan ingest` on a manifest with this cache; every row that came in is in it once."""
    store = ShardStore(cache)
    samples: list[str] = []
    captions: dict[str, list[str]] = {}
    rejects: list[tuple[str, str, str]] = []
    rows_in = 0
    for index in store.shards("ingest"):
        tables = store.read("ingest", index)[0]
        samples += tables["samples"]["key"].to_pylist()
        for row in tables["captions"].to_pylist():
            captions.setdefault(row["key"], []).append(row["text"])
        rejects += [(row["where"], row["what"], row["why"]) for row in tables["rejects"].to_pylist()]
    rows_in = sum(stats["rows_in"] for stats in store.stats("ingest"))
    assert schema.REJECTS.names == ["stage", "where", "what", "why"]
    assert rows_in == len(samples) + sum(map(len, captions.values())) + len(rejects)
    return Ingested(set(samples), captions, rejects)

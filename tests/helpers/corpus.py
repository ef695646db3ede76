"""The corpus of bad inputs: how one is run and what is asserted of every one, in time, memory and rows."""

import io
import json
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from click.testing import Result
from helpers.cli import hspcgan
from helpers.datasets import manifest

from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.cache_json import size_and_sha256, with_sha256
from hspcgan.pipeline.cache.partial.reader import ShardStore

SECONDS, WAIT, BYTES = 20, 300, 2**30
"""Limits of an input: seconds of this process's time, seconds on a busy machine or of waiting, new memory."""

KEPT, REJECT = "kept", "reject"
EXPECTED = {1, 2, 3}
"""Exit codes of an error that a user can fix."""


@contextmanager
def bounded() -> Iterator[None]:
    """Inside, no more than 20 seconds of work, five minutes in all, and 1 GB of new memory."""

    def late(number: int, frame: object) -> None:
        raise AssertionError(f"not done: {signal.Signals(number).name}")

    before = {number: signal.signal(number, late) for number in (signal.SIGPROF, signal.SIGALRM)}
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.alarm(WAIT)
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        yield
    finally:
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
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


def ingest(tmp_path: Path, data: Path, clip: Path, source: str, **options: object) -> tuple[Result, Path]:
    """Runs `hspcgan ingest`, after a dry run, within the limits; returns the result and the path of the cache."""
    options |= {} if source == "cub" else {"test_fraction": 0}
    path = manifest(tmp_path / "m.yaml", data, clip, source=source, **options)
    with bounded():
        dry = hspcgan("ingest", path, "--dry-run")
        result = hspcgan("ingest", path)
    assert "Traceback" not in dry.output + result.output, (dry.output + result.output)[-1500:]
    assert dry.exit_code in (0, result.exit_code)
    return result, path.with_suffix(".cache")


JSONS = {
    "empty": b"", "cut": b'{"format": 1', "text": b"hello", "list": b"[]", "number": b"5", "null": b"null",
    "object": b"{}", "brackets": b"[" * 100_000, "digits": b"9" * 5000, "latin": b'{"a": "\xe9"}', "zeros": bytes(4096),
    "large": b'{"format": 1, "a": [' + b"0," * 2**23 + b"0]}",
    "utf-16": '{"format": 1}'.encode("utf-16"), "format-text": b'{"format": "one"}',
    "format-2": b'{"format": 2, "fingerprint": "x"}', "nested": b'{"format": 1, "files": []}',
}  # fmt: skip
"""Contents that are no JSON, or not the JSON of a file of this project."""


def put(path: Path, content: bytes | str) -> None:
    """Replaces a file by this content; "fifo", "device" and "folder" stand for these."""
    if path.exists():
        path.unlink()
    if content == "fifo":
        os.mkfifo(path)
    elif content == "device":
        path.symlink_to("/dev/zero")
    elif content == "folder":
        path.mkdir()
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def saved(value: object) -> bytes:
    """What `torch.save` writes for a value."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


COMMANDS = {
    "train": ("train", "{world}/manifest.yaml", "-o", "run={out}/run"),
    "pack": ("models", "pack", "{world}/checkpoint", "{out}/packed", "--clip", "{clip}"),
    "export": ("export", "{world}/cache", "{out}/export"), "copy": ("copy", "{world}/cache", "{out}/copy"),
    "page": ("inspect", "{world}/cache", "--html", "{out}/page.html"),
    "report": ("report", "{world}/run", "--out", "{out}/page.html"),
    "sample": ("sample", "a bird", "--checkpoint", "{world}/checkpoint", "--clip", "{clip}", "--out", "{out}/samples"),
}  # fmt: skip
"""Commands that write to `out`; see `placed`."""


def placed(command: tuple[str, ...], **places: object) -> list[str]:
    """A command with these places in its arguments."""
    return [part.format(**places) for part in command]


def resealed(cache: Path) -> None:
    """cache.json with the sums of the files as they are."""
    info = json.loads((cache / "cache.json").read_text())
    info["files"] = {name: size_and_sha256(cache / name) for name in info["files"]}
    (cache / "cache.json").write_text(json.dumps(with_sha256(info)))

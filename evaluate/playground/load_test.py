"""Load test: many clients at once request pages and images from a new playground; no response may be lost."""

from __future__ import annotations

import itertools
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from hspcgan.model.common.errors import CheckFailedError, UserError
from hspcgan.model.common.printable import format_count

CLIENTS = 20
TIMEOUT_SEC = 60
COLOURS = ("red", "blue", "green", "yellow", "white", "black", "pink", "purple", "orange", "brown", "gray")
PLACES = ("is perched on a branch", "stands on the grass", "is floating on the water", "flies in the sky")


@dataclass
class Load:
    """Measurements: seconds per page and per image, descriptions of failures, and the server's memory over time."""

    pages: list[float] = field(default_factory=list)
    images: list[float] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """Yields the measurements as lines for a terminal."""
        for name, seconds in (("pages", self.pages), ("images", self.images)):
            spread = [0.0, *seconds, 0.0] if len(seconds) < 2 else seconds
            p95 = statistics.quantiles(spread, n=20)[-1]
            yield f"{len(seconds):5,} {name}: median {statistics.median(spread):.2f} s, 95 % below {p95:.2f} s"
        yield f"{len(self.lost):5,} lost"
        if self.memory_mb:
            warm, half, end = (self.memory_mb[at] for at in (0, len(self.memory_mb) // 2, -1))
            yield f"server memory: {warm:,.0f} MB after warm-up, {half:,.0f} MB at half time, {end:,.0f} MB at the end"

    def check(self) -> None:
        """Raises CheckFailedError if a response was lost."""
        if self.lost:
            raise CheckFailedError(f"{format_count(len(self.lost), 'lost response')}, the first: {self.lost[0]}")


def load_test(seconds: int, echo: Callable[[str], None], clients: int = CLIENTS) -> Load:
    """Sends requests to a new playground for `seconds` and prints the results. CheckFailedError if a response is lost.

    A page counts if it arrives complete with its images; each page has two captions that were not requested before.
    """
    load = Load()
    with _run_playground() as (process, address):
        _page(Load(), address, 0)  # opens the checkpoint
        echo(f"{clients} clients, {seconds} s, {address}")
        load.memory_mb.append(_memory_mb(process.pid))
        end, numbers = time.monotonic() + seconds, itertools.count(1)
        with ThreadPoolExecutor(clients) as pool:
            for _ in range(clients):
                pool.submit(_client, load, address, numbers, end)
            while time.monotonic() < end:
                time.sleep(min(1.0, seconds / 4))
                load.memory_mb.append(_memory_mb(process.pid))
        if process.poll() is not None:
            load.lost.append("the server stopped")
    echo("\n".join(load.lines()))
    load.check()
    return load


@contextmanager
def _run_playground() -> Iterator[tuple[subprocess.Popen[str], str]]:
    start = "from hspcgan.pipeline.cli.root import main; main()"
    command = [sys.executable, "-c", start, "playground", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            found = re.search(r"http://\S+", process.stdout.readline() if process.stdout else "")
            if found is None:
                raise UserError("the playground did not start; run `hspcgan playground` to see the reason")
            yield process, found[0]
        finally:
            process.terminate()


def _client(load: Load, address: str, numbers: Iterator[int], end: float) -> None:
    while time.monotonic() < end:
        _page(load, address, next(numbers))


def _page(load: Load, address: str, number: int) -> None:
    """Requests a page and its images, like a browser."""
    inner, place, outer = number % 11, number // 11 % 4, number // 44 % 11
    a, b = (f"a {COLOURS[outer]} bird with a {COLOURS[(inner + by) % 11]} belly {PLACES[place]}" for by in (0, 1))
    path = "/?" + urlencode({"a": a, "b": b, "seed": number, "count": 2})
    try:
        start = time.monotonic()
        body = _get(address, path).decode()
        if not body.rstrip().endswith("</html>") or 'role="alert"' in body:
            raise ValueError(f"{path}: incomplete page")
        load.pages.append(time.monotonic() - start)
        sources = dict.fromkeys(unescape(found) for found in re.findall(r'<img src="([^"]+)"', body))
        for source in sources:
            start = time.monotonic()
            if not _get(address, source).startswith(b"\x89PNG"):
                raise ValueError(f"{source}: not a PNG")
            load.images.append(time.monotonic() - start)
    except (OSError, HTTPException, ValueError) as error:
        load.lost.append(f"{type(error).__name__}: {error}")


def _get(address: str, path: str) -> bytes:
    connection = HTTPConnection(urlsplit(address).netloc, timeout=TIMEOUT_SEC)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise ValueError(f"{path}: status {answer.status}: {body[:200].decode(errors='replace')}")
        return body
    finally:
        connection.close()


def _memory_mb(pid: int) -> float:
    """Returns the resident memory from /proc in MB; NaN if /proc is not available."""
    status = Path(f"/proc/{pid}/status")
    found = re.search(r"VmRSS:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(found[1]) / 1e3 if found else float("nan")

"""Compares `prepare`, reader, trainer and evaluator on a small and a large dataset; also compares image stores.

Each size runs in a separate process, so that its peak memory is measured separately.
"""

import functools
import io
import itertools
import json
import multiprocessing
import resource
import sys
import tarfile
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from hspcgan.pipeline.bench.captions import REPEATED, load_captions
from hspcgan.pipeline.bench.config import BenchConfig, Figure
from hspcgan.pipeline.bench.random_clip import of_room
from hspcgan.pipeline.bench.stores import stores
from hspcgan.pipeline.cache.collate import collate
from hspcgan.pipeline.cache.partial.partial_cache import PartialCache
from hspcgan.pipeline.cache.reader import Cache
from hspcgan.pipeline.concepts import Parser
from hspcgan.pipeline.concepts.config import ParseConfig
from hspcgan.pipeline.sources.config import DataConfig
from hspcgan.pipeline.stages import encode, ingest, parse, text_order
from hspcgan.pipeline.stages.engines import mapper_factory
from hspcgan.pipeline.stages.run_stage import Job, Stage, run_stage

RECORDED, PER_IMAGE, PER_TAR, PER_SHARD = 400, 5, 5000, 2048
CAVEAT = (
    f"  The parser is replaced by recorded results: {RECORDED} captions were parsed, and every caption of the dataset\n"
    "  is one of them followed by a number; one in eight has a phrase that no other caption has. CLIP is replaced by\n"
    "  pseudo-random features of width {width}. Ingest, storage, writer, validation and reader are not replaced."
)
WARM_UP = 500
Rows = dict[str, dict[str, Any]]


def scale(bench: BenchConfig, config: ParseConfig) -> Iterator[Figure]:
    """Measures memory and time per caption for bench.compared and bench.captions captions; also the image stores."""
    texts = load_captions(bench, RECORDED)
    recorded = {t: parse.concept_row(c) for t, c in zip(texts, Parser(config).parse(texts), strict=True)}
    small, large = (_at(count, bench, texts, recorded) for count in (bench.compared, bench.captions))
    for count, spent in ((bench.compared, small), (bench.captions, large)):
        parts = ", ".join(f"{name} {1e6 * sec / count:,.0f}" for name, sec in spent["seconds"].items())
        yield Figure(f"us_{count}", f"µs per caption at {count:,} captions: {parts}", spent["us"], "µs/caption")
    size, than = f"at {bench.captions:,} captions", f"relative to {bench.compared:,}"
    read, chosen = large["reader"], large["selection"]
    growth = (large["own_gb"] - small["own_gb"]) / (bench.captions - bench.compared) * 1e6
    batch = f"time of a batch of {read['batch']} ({1e3 * read['batch_sec']:.1f} ms), {than}"
    for name, what, value, unit in (
        ("memory_gb", f"prepare: peak memory of the process {size}", large["own_gb"], "GB"),
        ("growth_gb", "prepare: growth of that peak per million captions", growth, "GB"),
        ("resident_gb", "prepare: peak memory including pages of mapped files", large["resident_gb"], "GB"),
        ("cost_ratio", f"prepare and reader: cost per caption {size}, {than}", large["us"] / small["us"], "×"),
        ("cpu_ratio", "prepare and reader: the same in CPU time", large["cpu_us"] / small["cpu_us"], "×"),
        ("start_sec", f"trainer: time to the first batch, after imports, {size}", read["start_sec"], "s"),
        ("start_gb", f"trainer: memory beyond imports {size}", read["start_gb"], "GB"),
        ("batch_ratio", f"trainer: {batch}", read["batch_sec"] / small["reader"]["batch_sec"], "×"),
        (
            "select_sec",
            f"evaluator: selection, conditions of {chosen['samples']:,.0f} texts",
            chosen["total_sec"],
            "s",
        ),
        ("select_gb", f"evaluator: memory beyond imports {size}", chosen["own_gb"], "GB"),
    ):
        yield Figure(name, what, value, unit, True)
    yield from stores(bench)


def _at(count: int, bench: BenchConfig, texts: Sequence[str], recorded: Rows) -> dict[str, Any]:
    """Runs `measure`, the trainer's reader benchmark and the evaluator's selection benchmark on `count` captions."""
    context = multiprocessing.get_context("spawn")

    def alone(work: Callable[..., Any], *arguments: Any) -> Any:
        with ProcessPoolExecutor(1, mp_context=context) as pool:  # a new process, to measure the peak memory of `work`
            return pool.submit(work, *arguments).result()

    with tempfile.TemporaryDirectory(prefix="hspcgan-bench-", dir=bench.folder) as folder:
        write_shards(Path(folder) / "data", texts, count)
        spent = alone(measure, Path(folder), recorded, count, bench.width)
        spent |= {name: alone(of_room(name), Path(folder) / "cache") for name in ("reader", "selection")}
    return spent | {"us": 1e6 * sum(spent["seconds"].values()) / count, "cpu_us": 1e6 * spent["cpu_sec"] / count}


def write_shards(folder: Path, texts: Sequence[str], count: int) -> None:
    """Writes `count` captions, five per image, as WebDataset shards; images have 8 × 8 pixels, and no two are equal."""
    folder.mkdir()
    captions = (_caption(texts, number) for number in range(count))
    images = iter(lambda: list(itertools.islice(captions, PER_IMAGE)), [])
    for shard in itertools.count():
        part = list(itertools.islice(images, PER_TAR))
        if not part:
            return
        with tarfile.open(folder / f"{shard:05d}.tar", "w") as archive:
            for number, found in enumerate(part):
                key = f"{shard:05d}{number:04d}"
                about = json.dumps({"captions": found}).encode()
                for suffix, content in ((".png", _picture(shard * PER_TAR + number)), (".json", about)):
                    member = tarfile.TarInfo(key + suffix)
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))


def _picture(number: int) -> bytes:
    """Returns a PNG with the bits of a number as pixels, so that no two images are equal and get the same split."""
    bits = np.array([number >> bit & 1 for bit in range(64)], np.uint8).reshape(8, 8, 1)
    buffer = io.BytesIO()
    Image.fromarray(np.repeat(255 * bits, 3, axis=2)).save(buffer, "PNG")
    return buffer.getvalue()


def _caption(texts: Sequence[str], number: int) -> str:
    own = number - (number % REPEATED == REPEATED - 1)  # the last of REPEATED captions repeats the one before it
    return f"{texts[own % len(texts)]} {own}"


def measure(folder: Path, recorded: Rows, count: int, width: int) -> dict[str, Any]:
    """Measures the seconds per part, the CPU time, and the peak memory with and without pages of mapped files.

    A small run first warms up the process.
    """
    write_shards(folder / "warm", list(recorded), min(WARM_UP, count))
    _through(folder / "warm", folder / "warm.cache", recorded, width)
    with _OwnPeak() as peak:
        cpu = time.process_time()
        seconds = _through(folder / "data", folder / "cache", recorded, width)
        cpu_sec = time.process_time() - cpu
    found = Cache(folder / "cache").info["counts"]["captions"]
    if found != count:
        raise AssertionError(f"the cache has {found} captions, expected {count}")
    unit = 1 if sys.platform == "darwin" else 1024  # bytes of ru_maxrss
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
    return {"seconds": seconds, "cpu_sec": cpu_sec, "own_gb": peak.gb or resident, "resident_gb": resident}


class _OwnPeak(threading.Thread):
    """Peak memory of this process inside the `with` block, in GB, sampled ten times per second; 0 except on Linux.

    Pages of mapped files are left out, since the system reclaims them when other processes need memory.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.gb, self.done = 0.0, threading.Event()

    def run(self) -> None:
        status = Path("/proc/self/status")
        while status.is_file() and not self.done.wait(0.1):
            rows = dict(line.split(":", 1) for line in status.read_text().splitlines())
            self.gb = max(self.gb, int(rows["RssAnon"].split()[0]) * 1024 / 1e9)

    def __enter__(self) -> "_OwnPeak":
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.done.set()
        self.join()


def _through(data: Path, path: Path, recorded: Rows, width: int) -> dict[str, float]:
    templates = encode.Templates().model_dump()
    seconds, start = {}, time.perf_counter()

    def lap(name: str) -> None:
        nonlocal start
        now = time.perf_counter()
        seconds[name], start = now - start, now

    with PartialCache(path) as partial:
        made = ingest.stage(DataConfig.model_validate({"source": "webdataset", "path": data, "image_size": 8}))
        run_stage(partial, made)
        lap("ingest")
        open_job = functools.partial(parse.job, mapper_factory(_recorded, recorded), 1)
        run_stage(partial, Stage("parse", "captions", {"recorded": True}, lambda: "", open_job))
        lap("concepts")
        run_stage(partial, Stage("encode", "texts", {"width": width}, lambda: "", functools.partial(_features, width)))
        lap("features")
        clip = {"name": "none", "sha256": "0" * 64, "embed_dim": width, "context_length": 77}
        partial.finish({"clip": clip, "templates": templates, "tools": {}, "parser": {"annotator": "recorded"}})
        lap("writer")
    cache = Cache(path)
    captions = cache.info["counts"]["captions"]
    for row in range(0, captions, 64):
        collate(cache.texts, np.arange(row, min(row + 64, captions)))
    lap("reader")
    return seconds


def _recorded(recorded: Rows, texts: Sequence[str]) -> tuple[list[dict[str, Any]], Counter[str]]:
    """Replaces the parser: returns the result recorded for each caption without the number at its end."""
    rows = []
    for text in texts:
        base, _, number = text.rpartition(" ")
        row = recorded[base]
        if int(number) % 8 == 0 and row["entities"]:
            first, *others = row["entities"]
            row = {**row, "entities": [{**first, "phrase": f"{first['phrase']} {number}"}, *others]}
        rows.append(row)
    return rows, Counter()


def _features(width: int, partial: PartialCache) -> Job:
    """Returns an encode job that replaces CLIP's features by random ones, which take almost no time to compute."""
    texts = partial.unique_texts(encode.Templates().model_dump())
    order = text_order.write_order(texts, lambda table: _lengths(table["text"]), partial.scratch("encode"), PER_SHARD)
    read = functools.partial(text_order.read_shard, order)
    return Job(
        sizes=text_order.shard_sizes(order),
        read=read,
        make_mapper=mapper_factory(_stand_in, width),
        pack=lambda index, encoded: encode.pack(read(index), encoded),
    )


def _lengths(texts: pa.ChunkedArray) -> np.ndarray:
    """Returns the number of tokens of each text, int32 [n]: one per word, plus begin and end of text; at most 77."""
    return np.minimum(77, pc.count_substring(texts, " ").to_numpy() + 3).astype(np.int32)


def _stand_in(width: int, batch: list[tuple[str, bool]]) -> encode.Encoded:
    lengths = _lengths(pa.chunked_array([[text for text, _ in batch]]))
    rows = lengths * np.array([is_caption for _, is_caption in batch])
    noise = np.random.default_rng(len(batch)).standard_normal((len(batch) + int(rows.sum()), width)).astype(np.float16)
    offsets = np.concatenate([[0], np.cumsum(rows)]).astype(np.int64)
    return encode.Encoded(lengths, np.zeros(len(batch), bool), noise[: len(batch)], noise[len(batch) :], offsets)

"""Speed of parsing and encoding: each caption by itself, as a script would, against our batches, in one run."""

import functools
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hspcgan.pipeline import encode, engines, parse
from hspcgan.pipeline.bench.captions import load_captions
from hspcgan.pipeline.bench.config import BenchConfig, Figure
from hspcgan.pipeline.bench.world import random_clip
from hspcgan.pipeline.concepts import Parser
from hspcgan.pipeline.concepts.config import ParseConfig

WARM_UP = 32  # captions, so that neither way pays for lazy loading


def graphs(bench: BenchConfig, config: ParseConfig) -> Iterator[Figure]:
    """Concepts and scene graphs, all rules included both ways: one call a caption, batches, batches in workers."""
    texts = load_captions(bench.file, bench.captions, bench.seed)
    parser = Parser(config)
    parser.parse(texts[:WARM_UP])
    alone, naive = _clocked(lambda: [parser.parse([text])[0] for text in texts[: bench.compared]])
    together, batched = _clocked(lambda: parser.parse(texts))
    naive_rate, batched_rate = bench.compared / naive, len(texts) / batched
    yield Figure("naive_rate", f"one by one, {bench.compared:,} captions", naive_rate, "captions/s")
    yield Figure(
        "batched_rate", f"batches of {config.batch_size}, one core, {len(texts):,}", batched_rate, "captions/s"
    )
    yield Figure("batched", "batches to one by one", batched_rate / naive_rate, "×")
    if bench.processes > 1:
        workers_rate = _workers_rate(texts, config, bench.processes)
        what = f"{bench.processes} workers once their models are loaded"
        yield Figure("workers_rate", what, workers_rate, "captions/s")
        yield Figure("workers", "workers to one by one", workers_rate / naive_rate, "×")
    same = sum(a == b for a, b in zip(alone, together[: bench.compared], strict=True))
    yield Figure("identical", "results that are equal both ways", same / bench.compared)


def annotate(bench: BenchConfig, config: ParseConfig) -> Iterator[Figure]:
    """The annotator alone (stanza): a document a call against bulk processing."""
    texts = load_captions(bench.file, bench.captions, bench.seed)
    annotator = Parser(config).stanza
    annotator.annotate(texts[:WARM_UP])
    alone, naive = _clocked(lambda: [annotator.annotate([text])[0] for text in texts[: bench.compared]])
    starts = range(0, len(texts), config.batch_size)
    parts, batched = _clocked(lambda: [annotator.annotate(texts[at : at + config.batch_size]) for at in starts])
    together = [tokens for part in parts for tokens in part]
    naive_rate, batched_rate = bench.compared / naive, len(texts) / batched
    yield Figure("naive_rate", f"one by one, {bench.compared:,} captions", naive_rate, "captions/s")
    yield Figure("batched_rate", f"batches of {config.batch_size}, {len(texts):,} captions", batched_rate, "captions/s")
    yield Figure("batched", "batches to one by one", batched_rate / naive_rate, "×")
    same = sum(a == b for a, b in zip(alone, together[: bench.compared], strict=True))
    yield Figure("identical", "results that are equal both ways", same / bench.compared)


def features(bench: BenchConfig, config: ParseConfig) -> Iterator[Figure]:
    """
    Captions and their phrases through a text tower with random weights, by default of ViT-B/32's size.

    The naive way is OpenAI's own: each text alone, at the full context of 77 tokens, phrases again for each caption.
    Ours: unique texts, by length, in batches trimmed to their longest, float16. One torch thread both ways.
    """
    import torch

    texts = load_captions(bench.file, bench.captions, bench.seed)
    rows = [parse.concept_row(concepts) for concepts in Parser(config).parse(texts)]
    prompts = [_prompts(row) for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        path = random_clip(Path(folder) / "random.pt", bench)
        clip = encode.cached_clip(path, False, "cpu")
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            naive_of = functools.partial(_full_context, clip)
            naive_of(texts[0])
            jobs = list(zip(texts, prompts, strict=True))[: bench.compared]
            naive, naive_sec = _clocked(lambda: [[naive_of(t) for t in (text, *more)] for text, more in jobs])
            captions = sorted(set(texts))
            others = sorted({prompt for found in prompts for prompt in found} - set(captions))
            ours, ours_sec = _clocked(lambda: _ours(path, captions, others))
        finally:
            torch.set_num_threads(threads)
    naive_each, ours_each = naive_sec / len(jobs), ours_sec / len(texts)
    mentions = sum(map(len, prompts))
    yield Figure("phrases", f"phrase mentions a caption; {len(others):,} unique of {mentions:,}", mentions / len(texts))
    yield Figure("naive_sec", f"one text at a time, 77 tokens, {len(jobs):,} captions", naive_each, "s/caption")
    yield Figure("ours_sec", f"unique, trimmed, batched, {len(texts):,} captions", ours_each, "s/caption")
    yield Figure("speedup", "naive to ours, per caption with its phrases", naive_each / ours_each, "×")
    wanted = np.stack([row for found in naive for row in found])
    got = np.stack([ours[text] for text, more in jobs for text in (text, *more)]).astype(np.float32)
    error = np.linalg.norm(got - wanted, axis=1) / np.linalg.norm(wanted, axis=1)
    yield Figure("error", "largest relative L2 error of a feature", float(error.max()), is_most=True)


def _prompts(row: dict[str, Any]) -> list[str]:
    templates = encode.Templates().model_dump()
    columns = {"entity": "entities", "attribute": "attributes", "relation": "relations"}
    return [templates[kind].format(item["phrase"]) for kind, column in columns.items() for item in row[column]]


def _ours(path: Path, captions: list[str], prompts: list[str]) -> dict[str, np.ndarray]:
    """float16 [d] by text, as the encode stage makes them."""
    batch = encode.by_length(encode.cached_clip(path, False, "cpu"), captions, prompts)
    found: dict[str, np.ndarray] = {}
    for at in range(0, len(batch), encode.SHARD_TEXTS):
        part = batch[at : at + encode.SHARD_TEXTS]
        found.update(
            zip((text for text, _ in part), encode.encode_shard(path, False, "cpu", part).sentence, strict=True)
        )
    return found


def _full_context(clip: Any, text: str) -> np.ndarray:
    """float32 [d] by OpenAI's own tokenizer and text encoder."""
    import clip as openai
    import torch

    with torch.inference_mode():
        return clip.network.encode_text(openai.tokenize([text], truncate=True))[0].float().numpy()


def _workers_rate(texts: Sequence[str], config: ParseConfig, processes: int) -> float:
    """Captions a second, from the moment when each worker has done its first batch."""
    size = min(config.batch_size, max(1, len(texts) // (8 * processes)))
    batches = [list(texts[at : at + size]) for at in range(0, len(texts), size)]
    start, counted = 0.0, 0
    results = engines.run(functools.partial(parse.make_mapper, config), batches, processes)
    for number, (rows, _) in enumerate(results):
        if number < 2 * processes:
            start = time.perf_counter()
        else:
            counted += len(rows[0])
    return counted / (time.perf_counter() - start)


def _clocked(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start

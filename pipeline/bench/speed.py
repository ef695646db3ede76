"""Measures the speed of parsing and encoding: a baseline that takes one caption per call, and hspcgan in batches."""

import functools
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from hspcgan.pipeline.bench.captions import load_captions
from hspcgan.pipeline.bench.config import BenchConfig, Figure
from hspcgan.pipeline.bench.random_clip import random_clip
from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.concepts import Parser
from hspcgan.pipeline.concepts.annotate import stanza
from hspcgan.pipeline.concepts.config import ParseConfig
from hspcgan.pipeline.stages import encode, executors, parse, text_order

WARM_UP = 32  # captions, so that lazy loading is not measured


def graphs(bench: BenchConfig, config: ParseConfig) -> Iterator[Figure]:
    """Compares plain spaCy, one caption per call, with our parser in batches; both also apply our parser's rules."""
    texts = load_captions(bench)
    naive, ours = Parser(config, fast=False), Parser(config)
    alone, naive_rate = yield from _one_by_one(lambda text: naive.parse([text])[0], bench, texts)
    ours.parse(texts[:WARM_UP])
    _, single_rate = _timed_each(lambda text: ours.parse([text]), texts[: bench.compared])
    yield Figure("single_rate", "our parser, one caption per call", single_rate, "captions/s")
    together, seconds = _timed(lambda: ours.parse(texts))
    what = f"batches of {config.batch_size}, one core, {len(texts):,} captions"
    yield from _batched(len(texts) / seconds, naive_rate, what)
    if bench.processes > 1:
        workers_rate = _workers_rate(texts, config, bench.processes)
        what = f"{bench.processes} workers once their models are loaded"
        yield Figure("workers_rate", what, workers_rate, "captions/s")
        yield Figure("workers", "speed of the workers relative to the naive baseline", workers_rate / naive_rate, "×")
    yield _share_equal(alone, together)


def annotate(bench: BenchConfig, config: ParseConfig) -> Iterator[Figure]:
    """Compares the speed of plain stanza, one caption per call, and of our stanza annotator in batches."""
    texts = load_captions(bench)
    parser = Parser(config)
    annotator = parser.stanza
    alone, naive_rate = yield from _one_by_one(annotator.pipeline, bench, texts)
    parser.load()
    starts = range(0, len(texts), config.batch_size)
    parts, seconds = _timed(lambda: [annotator.annotate(texts[at : at + config.batch_size]) for at in starts])
    yield from _batched(len(texts) / seconds, naive_rate, f"batches of {config.batch_size}, {len(texts):,} captions")
    yield _share_equal([stanza.tokens(document) for document in alone], [tokens for part in parts for tokens in part])


def _one_by_one(
    work: Callable[[str], Any], bench: BenchConfig, texts: Sequence[str]
) -> Generator[Figure, None, tuple[list[Any], float]]:
    """Yields the speed of the naive baseline as a Figure; returns the results of the baseline and its speed."""
    for text in texts[:WARM_UP]:
        work(text)
    results, rate = _timed_each(work, texts[: bench.compared])
    yield Figure("naive_rate", f"naive baseline, one caption per call, {bench.compared:,} captions", rate, "captions/s")
    return results, rate


def _timed_each(work: Callable[[str], Any], texts: Sequence[str]) -> tuple[list[Any], float]:
    results, seconds = _timed(lambda: [work(text) for text in texts])
    return results, len(texts) / seconds


def _batched(rate: float, naive_rate: float, what: str) -> Iterator[Figure]:
    yield Figure("batched_rate", what, rate, "captions/s")
    yield Figure("batched", "speed of the batches relative to the naive baseline", rate / naive_rate, "×")


def _share_equal(alone: Sequence[Any], together: Sequence[Any]) -> Figure:
    same = sum(a == b for a, b in zip(alone, together, strict=False))
    return Figure("identical", "share of captions for which baseline and batches have equal results", same / len(alone))


def features(bench: BenchConfig, config: ParseConfig) -> Iterator[Figure]:
    """
    Compares the speed of encoding captions and phrases, with a random text encoder of ViT-B/32's size by default.

    The naive baseline is OpenAI's code: one text at a time, with the full context of 77 tokens, and phrases repeated
    for each caption. Our code encodes unique texts, sorted by length, in batches trimmed to their longest text, and
    stores float16. Both use one torch thread.
    """
    texts = load_captions(bench)
    rows = [parse.concept_row(concepts) for concepts in Parser(config).parse(texts)]
    prompts = [_prompts(row) for row in rows]
    with tempfile.TemporaryDirectory(prefix="hspcgan-bench-") as folder:
        path = random_clip(Path(folder) / "random.pt", bench)
        clip = encode.cached_clip(path, False, "cpu")
        naive_of = functools.partial(_full_context, clip)
        naive_of(texts[0])
        jobs = list(zip(texts, prompts, strict=True))[: bench.compared]
        naive, naive_sec = _timed(lambda: [[naive_of(t) for t in (text, *more)] for text, more in jobs])
        captions = sorted(set(texts))
        others = sorted({prompt for found in prompts for prompt in found} - set(captions))
        ours, ours_sec = _timed(lambda: _encode_features(path, captions, others))
    naive_each, ours_each = naive_sec / len(jobs), ours_sec / len(texts)
    mentions = sum(map(len, prompts))
    what = f"phrases per caption; {mentions:,} in total, {len(others):,} distinct ones"
    yield Figure("phrases", what, mentions / len(texts))
    what = f"naive baseline, one text at a time, 77 tokens, {len(jobs):,} captions"
    yield Figure("naive_sec", what, naive_each, "s/caption")
    what = f"hspcgan, unique texts in trimmed batches, {len(texts):,} captions"
    yield Figure("ours_sec", what, ours_each, "s/caption")
    what = "time of the naive baseline relative to hspcgan, per caption with its phrases"
    yield Figure("speedup", what, naive_each / ours_each, "×")
    wanted = np.stack([row for found in naive for row in found])
    got = np.stack([ours[text] for text, more in jobs for text in (text, *more)]).astype(np.float32)
    error = np.linalg.norm(got - wanted, axis=1) / np.linalg.norm(wanted, axis=1)
    yield Figure("error", "largest relative L2 error of a feature", float(error.max()), is_most=True)


def _prompts(row: dict[str, Any]) -> list[str]:
    templates = encode.Templates().model_dump()
    return [templates[kind].format(item["phrase"]) for kind, column in schema.COLUMNS.items() for item in row[column]]


def _encode_features(path: Path, captions: list[str], prompts: list[str]) -> dict[str, np.ndarray]:
    """Returns {text: feature float16 [d]}, as computed by the encode stage."""
    clip = encode.cached_clip(path, False, "cpu")
    texts = pa.table({"text": captions + prompts, "is_caption": [True] * len(captions) + [False] * len(prompts)})
    found: dict[str, np.ndarray] = {}
    with tempfile.TemporaryDirectory() as folder:
        order = encode.sort_by_length(clip, [texts], Path(folder))
        for index in range(len(text_order.shard_sizes(order))):
            part = text_order.read_shard(order, index)
            encoded = encode.encode_shard(path, False, "cpu", True, part)
            found.update(zip((text for text, _ in part), encoded.sentence, strict=True))
    return found


def _full_context(clip: Any, text: str) -> np.ndarray:
    """Returns the feature of a text, float32 [d], from OpenAI's tokenizer and text encoder."""
    import clip as openai
    import torch

    with torch.inference_mode():
        return clip.network.encode_text(openai.tokenize([text], truncate=True))[0].float().numpy()


def _workers_rate(texts: Sequence[str], config: ParseConfig, processes: int) -> float:
    """Returns captions per second, measured after the first batches, so that loading the models is not included."""
    size = min(config.batch_size, max(1, len(texts) // (8 * processes)))
    batches = [list(texts[at : at + size]) for at in range(0, len(texts), size)]
    start, counted = 0.0, 0
    results = executors.run(functools.partial(parse.make_mapper, config), batches, processes)
    for number, (rows, _) in enumerate(results):
        if number < 2 * processes:
            start = time.perf_counter()
        else:
            counted += len(rows[0])
    return counted / (time.perf_counter() - start)


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start

"""Runs the benchmark of a manifest and formats its table."""

import logging
import os
import platform
from collections.abc import Callable, Iterator

from hspcgan.model.common.errors import ManifestError
from hspcgan.pipeline.bench.config import BenchConfig, Figure, table
from hspcgan.pipeline.bench.entry_points import load_bench
from hspcgan.pipeline.concepts.config import ParseConfig
from hspcgan.pipeline.manifest import Manifest
from hspcgan.pipeline.stages import executors

log = logging.getLogger("hspcgan.pipeline")


def run(manifest: Manifest) -> tuple[str, bool]:
    """Returns the table of measured values, and whether all are within their limits.

    Raises UserError for a manifest without a valid `bench` section.
    """
    if not manifest.raw.get("bench"):
        raise ManifestError(
            f"{manifest.path} has no `bench` section; use a benchmark manifest (`hspcgan manifests bench` lists them)"
        )
    bench, parse = manifest.section("bench", BenchConfig), manifest.section("parse", ParseConfig)
    source = bench.file or (
        "toy birds" if bench.kind == "train" or bench.words == "toybirds" else f"synthetic, seed {bench.seed}"
    )
    log.info(f"{manifest.name}: {bench.captions:,} captions ({source}), Python {platform.python_version()}, "
              f"{os.cpu_count()} CPU cores, load {os.getloadavg()[0]:.1f}")  # fmt: skip
    if bench.kind == "train":
        figures = list(_train(manifest, bench, parse))
    elif bench.kind == "evaluate":
        figures = list(load_bench("evaluation")(manifest, bench, parse))
    else:
        with executors.one_thread():  # compare one core with one core
            figures = list(_kind(bench.kind)(bench, parse))
    text, holds = table(figures, bench.bars)
    if bench.kind == "scale":
        from hspcgan.pipeline.bench.scale import CAVEAT

        text += "\n" + CAVEAT.format(width=bench.width)
    return text, holds


def _train(manifest: Manifest, bench: BenchConfig, parse: ParseConfig) -> Iterator[Figure]:
    """Runs the benchmark of the trainer on a cache made with a random CLIP."""
    from hspcgan.pipeline.bench.random_clip import temporary_cache
    from hspcgan.pipeline.concepts import Parser

    figures = load_bench("train")
    with temporary_cache(manifest, bench) as made:
        yield from figures(made, bench, Parser(parse))


def _kind(name: str) -> Callable[[BenchConfig, ParseConfig], Iterator[Figure]]:
    from hspcgan.pipeline.bench import scale, speed

    kinds = {"graphs": speed.graphs, "annotate": speed.annotate, "encode": speed.features, "scale": scale.scale}
    return kinds[name]

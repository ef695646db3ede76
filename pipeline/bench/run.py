"""Runs the benchmark of a manifest and prints its table."""

import importlib.metadata
import os
import platform
from collections.abc import Callable, Iterator

from hspcgan.model.errors import UserError
from hspcgan.pipeline.bench.config import BenchConfig, Figure, table
from hspcgan.pipeline.concepts.config import ParseConfig
from hspcgan.pipeline.manifest import Manifest
from hspcgan.pipeline.stages import engines


def run(manifest: Manifest, echo: Callable[[str], None] = print) -> bool:
    """Whether all bars hold; raises UserError when the manifest has no valid `bench` section."""
    if not manifest.raw.get("bench"):
        raise UserError(f"{manifest.path} has no `bench` section; shipped benchmarks are bench/graphs, bench/train, …")
    bench, parse = manifest.section("bench", BenchConfig), manifest.section("parse", ParseConfig)
    source = bench.file or (
        "toy birds" if bench.kind == "train" or bench.words == "toybirds" else f"synthetic, seed {bench.seed}"
    )
    echo(f"{manifest.name}: {bench.captions:,} captions ({source}), Python {platform.python_version()}, "
         f"{os.cpu_count()} CPU cores, load {os.getloadavg()[0]:.1f}")  # fmt: skip
    if bench.kind == "train":
        figures = list(_train(manifest, bench, parse))
    else:
        with engines.one_thread():  # ratios of one core to one core
            figures = list(_kind(bench.kind)(bench, parse))
    text, holds = table(figures, bench.bars)
    echo(text)
    if bench.kind == "scale":
        from hspcgan.pipeline.bench.scale import CAVEAT

        echo(CAVEAT.format(width=bench.width))
    return holds


def _train(manifest: Manifest, bench: BenchConfig, parse: ParseConfig) -> Iterator[Figure]:
    """The trainer's room hangs its benchmark in by entry point, since nobody imports it."""
    from hspcgan.pipeline.bench.world import prepared
    from hspcgan.pipeline.concepts import Parser

    points = list(importlib.metadata.entry_points(group="hspcgan.benches", name="train"))
    if not points:
        raise UserError(
            "the installed package lacks the entry point hspcgan.benches; install it anew: pip install -e ."
        )
    with prepared(manifest, bench) as made:
        yield from points[0].load()(made, bench, Parser(parse))


def _kind(name: str) -> Callable[[BenchConfig, ParseConfig], Iterator[Figure]]:
    from hspcgan.pipeline.bench import scale, speed

    kinds = {"graphs": speed.graphs, "annotate": speed.annotate, "encode": speed.features, "scale": scale.scale}
    return kinds[name]

"""Measures the stages of an evaluation of many images, for `hspcgan bench bench/evaluate`.

The generator and the scorer are small and random, and the captions are recorded (pipeline/bench/substitutes.py). All
other code is what `hspcgan evaluate` runs.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from hspcgan.evaluate.context import FOLDER, prepare
from hspcgan.evaluate.report.build import render
from hspcgan.evaluate.run import all_needed_images, evaluate
from hspcgan.evaluate.scored.drawings import Drawings, draw
from hspcgan.evaluate.scored.subjects import REAL, UNTRAINED, Subject
from hspcgan.model.clip.frozen import load_clip
from hspcgan.pipeline.bench.captions import load_captions
from hspcgan.pipeline.bench.config import BenchConfig, Figure
from hspcgan.pipeline.bench.memory import OwnPeak, own_gb, run_in_new_process
from hspcgan.pipeline.bench.random_clip import random_clip
from hspcgan.pipeline.bench.substitutes import RECORDED, build_cache, record_concepts, write_shards
from hspcgan.pipeline.concepts.config import ParseConfig
from hspcgan.pipeline.manifest import Manifest

STAGES = ("draw", "features", "score", "page")


def figures(manifest: Manifest, bench: BenchConfig, config: ParseConfig) -> Iterator[Figure]:
    """Evaluates `evaluate.samples` images twice, each time in a new process; the second run reuses stored results."""
    with tempfile.TemporaryDirectory(prefix="hspcgan-bench-", dir=bench.folder) as name:
        made = _world(manifest, bench, config, Path(name))
        first, again = (run_in_new_process(measure, made) for _ in range(2))
        kept = sum(path.stat().st_size for path in (made.run / FOLDER / "kept").rglob("*") if path.is_file())
    count, size = first["images"], made.raw["model"]["image_size"]
    total, repeated = (sum(one[stage] for stage in STAGES) for one in (first, again))
    yield Figure("images", f"generated images of {size} px, as many real images and as many reference images", count)
    yield Figure("memory_gb", "peak memory of the process in addition to the models", first["own_gb"], "GB", True)
    for stage in STAGES:
        yield Figure(f"{stage}_sec", f"{stage}: {1e3 * first[stage] / count:.1f} ms per image", first[stage], "s", True)
    yield Figure("again_sec", "the second evaluation, which reuses stored results", repeated, "s", True)
    yield Figure("again_share", "the second evaluation, relative to the first", repeated / total, "×", True)
    yield Figure("kept_gb", "size of the stored images, features and scores", kept / 1e9, "GB", True)


def _world(manifest: Manifest, bench: BenchConfig, config: ParseConfig, folder: Path) -> Manifest:
    """Builds a cache whose images are all in the test split, and a random CLIP; returns a manifest that uses them."""
    weights = str(random_clip(folder / "random.pt", bench, bench.width))
    clip, size = load_clip(weights, allow_unverified=True), manifest.raw["model"]["image_size"]
    recorded = record_concepts(load_captions(bench, RECORDED), config)
    write_shards(folder / "data", list(recorded), bench.captions, per_image=1)
    entry = {"name": "random", "sha256": clip.sha256, "embed_dim": bench.width, "context_length": clip.context_length}
    about = {"clip": entry, "parser": config.model_dump(mode="json", exclude={"processes"})}
    source = {"image_size": size, "store": "jpeg", "test_fraction": 0.999999}
    build_cache(folder / "data", folder / "cache", recorded, about, source)
    section = {"samples": bench.captions // 2, "scorers": {"random": weights}} | manifest.raw["evaluate"]
    encode = {"clip": weights, "allow_unverified": True}
    places = {"cache": str(folder / "cache"), "run": str(folder / "run"), "encode": encode}
    return replace(manifest, raw=manifest.raw | places | {"evaluate": section})


def measure(manifest: Manifest) -> dict[str, Any]:
    """Returns the seconds of each stage, the number of images, and the peak memory without that of the models."""
    context = prepare(manifest)
    subject, seconds = Subject(UNTRAINED, UNTRAINED), {}
    drawings = Drawings(context, subject)
    before = own_gb()
    with OwnPeak() as peak:
        for stage, work in _stages(context, subject, drawings).items():
            start = time.perf_counter()
            work()
            seconds[stage] = time.perf_counter() - start
    return seconds | {"images": len(context.ids), "own_gb": peak.gb - before}


def _stages(context: Any, subject: Subject, drawings: Drawings) -> dict[str, Callable[[], object]]:
    """Returns a function for each stage; it runs the stage as in `evaluate`, from stored results of earlier stages."""

    def draw_all() -> None:
        for images in all_needed_images(drawings, context):
            draw(images, subject.label)

    def features() -> None:
        for tower in context.towers:
            context.reference_features(tower)
            for images in (drawings.images, Drawings(context, Subject(REAL, REAL)).images):
                context.features.of(images, tower)

    return {
        "draw": draw_all,
        "features": features,
        "score": lambda: evaluate(context, [subject]),
        "page": lambda: render(context.manifest.run),
    }

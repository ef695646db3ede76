"""Runs the offline stages in order, from a manifest to a finished cache; resumes, or does nothing if complete."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.files import is_cache, resolve_links
from hspcgan.model.common.printable import format_count
from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.cache_json import work_folder
from hspcgan.pipeline.cache.partial.add_taps import ExtendedCache
from hspcgan.pipeline.cache.partial.ownership import require_own_target, require_writable_target
from hspcgan.pipeline.cache.partial.partial_cache import PartialCache
from hspcgan.pipeline.cache.partial.up_to_date import is_current, lacks_taps
from hspcgan.pipeline.cache.reader import Cache
from hspcgan.pipeline.cache_tools.languages import languages
from hspcgan.pipeline.cache_tools.show import reasons, split_warnings, taps_lines
from hspcgan.pipeline.concepts.config import ParseConfig
from hspcgan.pipeline.manifest import Manifest, require_manifest
from hspcgan.pipeline.sources.config import DataConfig
from hspcgan.pipeline.stages import encode, ingest, parse, taps
from hspcgan.pipeline.stages.executors import ENGINES
from hspcgan.pipeline.stages.run_stage import Stage, run_stage

log = logging.getLogger("hspcgan.pipeline")

TOOLS = ("hspcgan", "torch", "openai-clip", "pillow", "numpy", "h5py", "pyarrow")


@dataclass(frozen=True)
class Recipe:
    """The validated parts of a manifest that define a cache."""

    name: str
    cache: Path
    data: DataConfig
    parse: ParseConfig
    encode: encode.EncodeConfig
    taps: taps.TapsConfig

    @classmethod
    def of(cls, manifest: Manifest) -> "Recipe":
        """Builds the recipe of a manifest; raises ManifestError if one of its sections is invalid."""
        return cls(
            manifest.name,
            manifest.cache,
            manifest.section("data", DataConfig),
            manifest.section("parse", ParseConfig),
            manifest.section("encode", encode.EncodeConfig),
            manifest.section("taps", taps.TapsConfig),
        )

    @property
    def stages(self) -> tuple[str, ...]:
        """The names of the stages that build this cache."""
        return schema.STAGES if self.taps.views else schema.STAGES[:-1]


def prepare(
    manifest: Manifest,
    upto: str | None = None,
    only: bool = False,
    rebuild: bool = False,
    dry_run: bool = False,
    engine: str = "local",
) -> list[str]:
    """
    Runs the stages up to and including `upto`, by default all. With `only`, runs only the stage `upto`; the earlier
    stages must be complete.

    Existing stages and shards are kept; a complete cache made from equal inputs is not changed. `rebuild` makes a new
    cache, which then replaces the complete cache. `dry_run` writes nothing. `engine`: one of executors.ENGINES. Returns
    the lines to show at the end: a summary, or the plan of a dry run. Raises UserError for anything that a user can
    fix, if possible before the first expensive step.
    """
    start = time.perf_counter()
    require_manifest(manifest)
    if engine not in ENGINES:
        raise UserError(f"{engine!r} is not an engine; expected {' or '.join(ENGINES)}")
    recipe = Recipe.of(manifest)
    require_own_target(recipe.cache)
    if rebuild or not is_cache(recipe.cache):
        require_writable_target(recipe.cache)
    if resolve_links(manifest.run).is_relative_to(resolve_links(recipe.cache)):
        raise UserError(
            f"run {manifest.run} is inside the cache {recipe.cache}, which may contain no other files; give another "
            "folder"
        )
    _require_outside_data(manifest, recipe.data)
    upto = upto or recipe.stages[-1]
    finishes = upto == recipe.stages[-1]
    stages = _stages(recipe, upto)
    plan = [f"{recipe.name} → {recipe.cache}", *(f"  {stage.name:<7} {stage.plan()}" for stage in stages)]
    inputs = {stage.name: stage.inputs for stage in stages}
    if finishes:
        inputs.setdefault("taps", {})  # so that a cache with taps does not match a manifest without views
    if inputs.get("taps"):
        taps.warn_other_blocks(recipe.taps, recipe.encode, manifest.raw.get("model"))
    adds_taps = not rebuild and lacks_taps(recipe.cache, inputs)
    if not rebuild and not adds_taps and is_current(recipe.cache, inputs):
        Cache(recipe.cache).check()
        return [*plan, f"Nothing to do: {recipe.cache} is complete and up to date."]
    if dry_run:
        left = work_folder(recipe.cache)
        resumed = " An unfinished run would be resumed." if left.exists() else ""
        added = f" Only taps would be added to {recipe.cache}." if adds_taps else ""
        return [*plan, f"Dry run: nothing is written.{resumed}{added}"]
    for line in plan:
        log.info(line)
    if adds_taps:
        with ExtendedCache(recipe.cache) as extended:
            log.info(run_stage(extended, stages[-1], engine).line())
            extended.finish({"taps": taps.describe(recipe.taps, recipe.encode)})
        return _finish(recipe, start)
    again = " --rebuild" if rebuild else ""  # without --rebuild, the next command would find the old cache
    with PartialCache(recipe.cache, replace=rebuild) as partial:
        for stage in stages:
            if only and stage.name != upto:
                _require_complete(partial, stage, upto, again)
            else:
                report = run_stage(partial, stage, engine)
                log.info(report.line())
                if stage.name == "ingest" and report.rows:
                    _require_unchanged_data(recipe.data, stage)
            if stage.name == "ingest":
                _require_samples(partial)
        if finishes:
            partial.finish(describe(recipe, partial))
    if not finishes:
        following = recipe.stages[recipe.stages.index(upto) + 1]
        return [f"Next: hspcgan {following}{again}, or hspcgan prepare{again} for all remaining stages."]
    return _finish(recipe, start)


def _finish(recipe: Recipe, start: float) -> list[str]:
    """Logs the duration since `start` and warnings about the finished cache; returns its summary."""
    log.info(f"total   {time.perf_counter() - start:.1f} s, including model loading")
    result = Cache(recipe.cache)
    for doubt in cache_warnings(result):
        log.warning(doubt)
    return [*summary(result), f"The cache is {recipe.cache}. Look at it: hspcgan inspect {recipe.cache}"]


def _stages(recipe: Recipe, upto: str) -> list[Stage]:
    """Returns the stages up to `upto`, with their inputs; raises UserError if data, models or weights are missing."""
    if upto not in schema.STAGES:
        raise UserError(f"{upto!r} is not a stage; expected {', '.join(schema.STAGES)}")
    if upto not in recipe.stages:
        raise UserError(
            f"{recipe.name}: taps.views is empty, so there are no CLIP features to store; set it, for example "
            "-o 'taps.views=[whole, whole-flipped]'"
        )
    makers: dict[str, Callable[[], Stage]] = {
        "ingest": lambda: ingest.stage(recipe.data),
        "parse": lambda: parse.stage(recipe.parse),
        "encode": lambda: encode.stage(recipe.encode),
        "taps": lambda: taps.stage(recipe.taps, recipe.encode),
    }
    return [makers[name]() for name in recipe.stages[: recipe.stages.index(upto) + 1]]


def _require_outside_data(manifest: Manifest, data: DataConfig) -> None:
    """Raises UserError if the cache or the run is in the folder of the dataset and would be read as data."""
    if data.source != "folder" or data.path is None:
        return
    home = data.path.resolve()
    for name in ("cache", "run"):
        place = manifest.cache if name == "cache" else manifest.run
        inside = place.resolve()
        if not inside.is_relative_to(home):
            continue
        if not any(part.startswith(".") for part in inside.relative_to(home).parts):  # hidden folders are not read
            raise UserError(
                f"{name} {place} is inside data.path {data.path}, where every file is read as data; give a folder "
                f"outside it, such as -o {name}=runs/{manifest.name}/{name}"
            )


def _require_complete(partial: PartialCache, stage: Stage, wanted: str, again: str) -> None:
    if not partial.is_made_from(stage.name, stage.inputs):  # `begin` would discard shards made from other inputs
        raise UserError(
            f"{wanted} needs a complete {stage.name} stage of this manifest, but {partial.path} has none; "
            f"run `hspcgan {stage.name} MANIFEST{again}` first, or `hspcgan prepare MANIFEST{again}` for all stages"
        )


def _require_unchanged_data(data: DataConfig, stage: Stage) -> None:
    """Raises UserError if the data changed while it was read; the next run starts ingest from scratch."""
    if ingest.stage(data).inputs != stage.inputs:
        raise UserError(f"{data.path} changed while it was read; run the same command again to ingest from scratch")


def _require_samples(partial: PartialCache) -> None:
    """Raises UserError, with the most frequent reasons, if ingest kept no sample."""
    if any(stats["samples"] for stats in partial.stats("ingest")):
        return
    tables = [partial.read("ingest", index, only=["rejects"])[0]["rejects"] for index in partial.shards("ingest")]
    counted = reasons(pa.concat_tables([schema.REJECTS.empty_table(), *tables]))
    shown = "; ".join(f"{count:,} {what}: {why}" for count, _, what, why in counted[:3]) or "the dataset is empty"
    raise UserError(f"no usable sample: {shown}; fix the data, then run the same command again")


def describe(recipe: Recipe, partial: PartialCache) -> dict:
    """Returns those fields of cache.json that come from the recipe and the stages."""
    return {
        "clip": encode.describe(recipe.encode),
        "templates": recipe.encode.templates.model_dump(),
        "tools": {**{name: version(name) for name in TOOLS}, **parse.versions(recipe.parse)},
        "parser": {**recipe.parse.model_dump(mode="json", exclude={"processes"}), "alignment": parse.notes(partial)},
        **({"store": recipe.data.image_store} if recipe.data.image_store else {}),
        **({"taps": taps.describe(recipe.taps, recipe.encode)} if recipe.taps.views else {}),
    }


def summary(cache: Cache) -> list[str]:
    """Summarises a finished cache in lines for the user: sizes, rejects and their reasons."""
    counts, splits = cache.info["counts"], cache.split_counts()
    lines = [
        f"{format_count(counts['samples'], 'image')} ({schema.split_counts(splits)}), "
        f"{format_count(counts['captions'], 'caption')}, {format_count(counts['phrases'], 'unique phrase')}, "
        f"{format_count(counts['tokens'], 'token')}"
    ]
    lines += taps_lines(cache)
    if cache.rejects.num_rows:
        found = reasons(cache.rejects)
        lines.append(f"{format_count(cache.rejects.num_rows, 'row')} rejected (rejects.parquet):")
        lines += [f"  {count:>5} {what}: {why}" for count, _, what, why in found[:5]]
        if len(found) > 5:
            lines.append(f"  … and {len(found) - 5} other reasons")
    if counts["empty_graphs"]:
        share = counts["empty_graphs"] / counts["captions"]
        lines.append(f"captions without an entity: {counts['empty_graphs']:,} ({share:.1%})")
    return lines


def cache_warnings(cache: Cache) -> list[str]:
    """Returns warnings about a finished cache: truncated captions, missing splits, captions not in English."""
    counts, splits = cache.info["counts"], cache.split_counts()
    lines = []
    if counts["truncated"]:
        lines.append(f"captions longer than CLIP's context, which were truncated: {counts['truncated']:,}")
    if "test" not in splits:
        lines.append("no test sample, so nothing to evaluate on; set data.test_fraction or add a test split")
    if "train" not in splits:
        lines.append("no training sample; every image is in the test split")
    found = languages(cache)
    return [*lines, *split_warnings(cache), *([found.warning()] if found and found.warning() else [])]

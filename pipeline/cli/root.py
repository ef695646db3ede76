"""The root command `hspcgan` and the commands of the offline stages; each parses its options and calls one function."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from hspcgan.model.common.out_path import InPath
from hspcgan.model.common.printable import echo, format_count
from hspcgan.pipeline.cli import logs
from hspcgan.pipeline.cli.cache import copy, export, inspect, stats, validate
from hspcgan.pipeline.cli.group import RootGroup
from hspcgan.pipeline.cli.manifests import keys, manifests
from hspcgan.pipeline.cli.signals import exit_on_signals
from hspcgan.pipeline.stages.executors import ENGINES

FOR_JSONL, FOR_MANIFEST = ("annotator", "model", "batch_size", "processes"), ("override", "rebuild", "engine")
"""Options of `parse` that apply to only one of its two uses."""


@click.group(cls=RootGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--debug", is_flag=True, help="Show full tracebacks.")
@click.version_option(package_name="hspcgan")
def main(debug: bool) -> None:
    """Prepare captions and images once in a cache; train and evaluate text-to-image GANs from it.

    A MANIFEST is the path of a YAML file or the name of a shipped manifest, such as toybirds. The log options may also
    follow the command.
    """


main.params += logs.options(hidden=False)


def stage_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds to a command the options shared by `prepare` and the commands that run one stage."""
    for decorate in reversed(
        (
            click.option(
                "--override",
                "-o",
                multiple=True,
                metavar="KEY=VALUE",
                help="Set a manifest key, such as data.seed=1; repeatable.",
            ),
            click.option("--rebuild", is_flag=True, help="Build a new cache, then replace the existing cache."),
            click.option(
                "--engine",
                type=click.Choice(ENGINES),
                default="local",
                help="Run on this machine (local) or on the Ray cluster at RAY_ADDRESS (ray).",
            ),
            click.option("--dry-run", is_flag=True, help="Check everything and print the plan without writing."),
        )
    ):
        command = decorate(command)
    return command


def _prepare(manifest: str, override: tuple[str, ...], upto: str | None, only: bool, **options: Any) -> None:
    from hspcgan.pipeline.manifest.path_arguments import open_manifest
    from hspcgan.pipeline.stages.prepare import prepare as run

    for line in run(open_manifest(manifest, override), upto, only, **options):
        echo(line)


@main.command()
@click.argument("manifest")
@stage_options
def prepare(manifest: str, override: tuple[str, ...], **options: Any) -> None:
    """Build or resume a cache: ingest, parse, encode.

    If taps.views lists views of the images, their CLIP features are stored as well (taps).
    """
    _prepare(manifest, override, None, only=False, **options)


@main.command()
@click.argument("manifest")
@stage_options
def ingest(manifest: str, override: tuple[str, ...], **options: Any) -> None:
    """Run only ingest: check and crop images, clean captions."""
    _prepare(manifest, override, "ingest", only=True, **options)


def _reject_options(names: Sequence[str], where: str) -> None:
    """Raises UsageError for options that would be ignored."""
    source = click.get_current_context().get_parameter_source
    given = [f"--{name.replace('_', '-')}" for name in names if source(name) is not ParameterSource.DEFAULT]
    if given:
        raise click.UsageError(f"{', '.join(given)}: {where}")


@main.command()
@click.argument("manifest", required=False)
@stage_options
@click.option(
    "--jsonl",
    nargs=2,
    type=InPath(path_type=Path),
    metavar="IN OUT",
    help="Parse the captions in the file IN, and write their scene graphs to the file OUT.",
)
@click.option("--annotator", type=click.Choice(["spacy", "stanza", "factual"]), default="spacy", show_default=True,
              help="For --jsonl: the tool that parses captions.")  # fmt: skip
@click.option(
    "--model",
    default="",
    help="For --jsonl: model of the annotator (factual: its folder); by default, a small English model.",
)
@click.option("--batch-size", type=click.IntRange(1, 65536), default=256, show_default=True,
              help="For --jsonl: number of captions per batch.")  # fmt: skip
@click.option("--processes", type=click.IntRange(1, 1024), default=1, show_default=True,
              help="For --jsonl: number of worker processes.")  # fmt: skip
def parse(
    manifest: str | None,
    override: tuple[str, ...],
    jsonl: tuple[Path, Path] | None,
    annotator: str,
    model: str,
    batch_size: int,
    processes: int,
    **options: Any,
) -> None:
    """Run only parse: captions to concepts and scene graphs.

    Parses the captions in the cache of a MANIFEST or, with --jsonl, in any file of {"caption": …} lines, without a
    cache. OUT has one {"caption", "tuples"} object per line; bad lines are listed in OUT.rejects.jsonl. OUT is
    created when it is complete; an interrupted run starts from scratch.
    """
    if (manifest is None) == (jsonl is None):
        raise click.UsageError("give either a MANIFEST or --jsonl IN OUT")
    if jsonl is None:
        _reject_options(FOR_JSONL, "only for --jsonl; for a MANIFEST set its keys, such as -o parse.annotator=spacy")
        _prepare(str(manifest), override, "parse", only=True, **options)
        return
    _reject_options(
        FOR_MANIFEST, "only for a MANIFEST; for --jsonl give --annotator, --model, --batch-size, --processes"
    )
    from hspcgan.pipeline.concepts import ParseConfig
    from hspcgan.pipeline.concepts.parser import MAX_CHARACTERS, MAX_WORDS
    from hspcgan.pipeline.graphs.parse_file import check, parse_file

    source, target = jsonl
    settings = {"annotator": annotator, "model": model, "batch_size": batch_size, "processes": processes}
    config = ParseConfig.model_validate(settings)
    if options["dry_run"]:
        check(source, target, config)
        echo(f"{source} → {target}, {annotator}. Dry run: nothing is written.")
        return
    with exit_on_signals():
        outcome = parse_file(source, target, config)
    echo(f"{format_count(outcome.captions, 'caption')}, {outcome.empty:,} with an empty graph → {target}")
    if outcome.too_long:
        limit = f"more than {MAX_WORDS:,} words or {MAX_CHARACTERS:,} characters"
        echo(f"{format_count(outcome.too_long, 'caption')} too long to parse ({limit})")
    if outcome.rejected:
        echo(f"{format_count(outcome.rejected, 'line')} rejected, listed in {target.resolve()}.rejects.jsonl")


@main.command()
@click.argument("predictions", type=InPath(path_type=Path))
@click.argument("gold", type=InPath(path_type=Path))
@click.option("--wordnet", type=InPath(path_type=Path), metavar="FOLDER",
              help="METEOR's WordNet files, to match lemmas and synonyms, not only equal words.")  # fmt: skip
def graphs(predictions: Path, gold: Path, wordnet: Path | None) -> None:
    """Score scene graphs against gold: SPICE F1, set match.

    PREDICTIONS is a file written by `hspcgan parse --jsonl`; GOLD is FACTUAL's CSV or has the format of PREDICTIONS.
    """
    from hspcgan.pipeline.graphs import files, score

    words = score.WordNet.load(wordnet) if wordnet else score.WordNet()
    result = score.score(files.read_predictions(predictions), files.read_gold(gold), words)
    echo(
        f"{format_count(result.captions, 'caption')}, {result.missing:,} without a prediction, "
        f"SPICE F1 {result.spice:.2f}, set match {result.set_match:.2f} "
        f"({'WordNet lemmas and synonyms' if wordnet else 'words as written'})"
    )


@main.command()
@click.argument("manifest")
@stage_options
def encode(manifest: str, override: tuple[str, ...], **options: Any) -> None:
    """Run only encode: CLIP features of captions and phrases.

    Finishes the cache; if taps.views lists views, `hspcgan taps` finishes it.
    """
    _prepare(manifest, override, "encode", only=True, **options)


@main.command()
@click.argument("manifest")
@stage_options
def taps(manifest: str, override: tuple[str, ...], **options: Any) -> None:
    """Run only taps: CLIP features of views of the images.

    Requires views in taps.views, such as [whole, whole-flipped]; finishes the cache.
    """
    _prepare(manifest, override, "taps", only=True, **options)


@main.command()
@click.argument("manifest")
@click.option(
    "--override",
    "-o",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set a manifest key, such as bench.captions=500; repeatable.",
)
def bench(manifest: str, override: tuple[str, ...]) -> None:
    """Run a benchmark and check the results against its limits.

    Exit code 1 if a measured value misses its limit in bench.bars. Shipped manifests: bench/graphs, bench/stanza,
    bench/encode, bench/scale, bench/train, bench/evaluate.
    """
    from hspcgan.pipeline.bench.run import run
    from hspcgan.pipeline.manifest.path_arguments import open_manifest

    text, holds = run(open_manifest(manifest, override))
    echo(text)
    if not holds:
        raise click.exceptions.Exit(1)


@main.command()
def doctor() -> None:
    """Show what is installed and how to get missing parts."""
    from hspcgan.pipeline.cli.doctor import report

    echo(report())


for other in (inspect, stats, validate, export, copy, keys, manifests):
    main.add_command(other)

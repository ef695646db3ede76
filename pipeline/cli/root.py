"""The root command `hspcgan` and the commands of the offline stages; each parses its options and calls one function."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from hspcgan.model.common.printable import echo
from hspcgan.pipeline.cli import logs
from hspcgan.pipeline.cli.cache import copy, export, inspect, stats, validate
from hspcgan.pipeline.cli.group import RootGroup, tidy_end
from hspcgan.pipeline.cli.manifests import keys, manifests
from hspcgan.pipeline.stages.engines import ENGINES

FOR_JSONL, FOR_MANIFEST = ("annotator", "model", "batch_size", "processes"), ("override", "rebuild", "engine")
"""Options of `parse` that only one of its two uses has."""


@click.group(cls=RootGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--debug", is_flag=True, help="Show full tracebacks.")
@click.version_option(package_name="hspcgan")
def main(debug: bool) -> None:
    """Prepares captions and images once; trains and evaluates text-to-image GANs from that cache.

    A MANIFEST is the path of a YAML file or the name of a shipped one, such as toybirds. The log options may also
    follow the command.
    """


main.params += logs.options(hidden=False)


def stage_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that prepare and its single stages share."""
    for decorate in reversed(
        (
            click.option(
                "--override", "-o", multiple=True, metavar="KEY=VALUE", help="Set a manifest key: data.seed=1."
            ),
            click.option("--rebuild", is_flag=True, help="Make the cache anew and then replace the present one."),
            click.option(
                "--engine",
                type=click.Choice(ENGINES),
                default="local",
                help="Where mappers run: on this machine, or on the Ray cluster of RAY_ADDRESS.",
            ),
            click.option("--dry-run", is_flag=True, help="Check everything, print the plan, write nothing."),
        )
    ):
        command = decorate(command)
    return command


def _prepare(manifest: str, override: tuple[str, ...], upto: str | None, only: bool, **options: Any) -> None:
    from hspcgan.pipeline.manifest.command_arguments import open_manifest
    from hspcgan.pipeline.stages.prepare import prepare as run

    for line in run(open_manifest(manifest, override), upto, only, **options):
        echo(line)


@main.command()
@click.argument("manifest")
@stage_options
def prepare(manifest: str, override: tuple[str, ...], **options: Any) -> None:
    """Make a dataset's cache: ingest, parse, encode; resumes.

    Where taps.views names views of the images, their CLIP features are kept as well (taps).
    """
    _prepare(manifest, override, None, only=False, **options)


@main.command()
@click.argument("manifest")
@stage_options
def ingest(manifest: str, override: tuple[str, ...], **options: Any) -> None:
    """Only check, crop and key images and captions."""
    _prepare(manifest, override, "ingest", only=True, **options)


def _refuse_given(names: Sequence[str], where: str) -> None:
    """Options that would be ignored are refused."""
    source = click.get_current_context().get_parameter_source
    given = [f"--{name.replace('_', '-')}" for name in names if source(name) is not ParameterSource.DEFAULT]
    if given:
        raise click.UsageError(f"{', '.join(given)}: {where}")


@main.command()
@click.argument("manifest", required=False)
@stage_options
@click.option("--jsonl", nargs=2, type=click.Path(path_type=Path), metavar="IN OUT", help="Scene graphs of a file.")
@click.option("--annotator", type=click.Choice(["spacy", "stanza", "factual"]), default="spacy", show_default=True,
              help="For --jsonl: who analyses the words.")  # fmt: skip
@click.option("--model", default="",
              help="For --jsonl: the annotator's model; empty: its small English one; factual: a folder.")  # fmt: skip
@click.option("--batch-size", type=click.IntRange(1, 65536), default=256, show_default=True, help="For --jsonl.")
@click.option("--processes", type=click.IntRange(1, 1024), default=1, show_default=True, help="For --jsonl.")
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
    """Only turn captions into concepts and scene graphs.

    Of a MANIFEST's cache; or, with --jsonl, of any file of {"caption": …} lines, without a cache: OUT has one
    {"caption", "tuples"} a line, bad lines are listed in OUT.rejects.jsonl. OUT appears when it is complete: a run that
    was ended starts anew.
    """
    if (manifest is None) == (jsonl is None):
        raise click.UsageError("give a MANIFEST or --jsonl IN OUT")
    if jsonl is None:
        _refuse_given(FOR_JSONL, "with --jsonl alone; for a MANIFEST set its keys, such as -o parse.annotator=spacy")
        _prepare(str(manifest), override, "parse", only=True, **options)
        return
    _refuse_given(
        FOR_MANIFEST, "with a MANIFEST alone; for --jsonl give --annotator, --model, --batch-size, --processes"
    )
    from hspcgan.pipeline.concepts import ParseConfig
    from hspcgan.pipeline.graphs.parse_file import check, parse_file

    source, target = jsonl
    settings = {"annotator": annotator, "model": model, "batch_size": batch_size, "processes": processes}
    config = ParseConfig.model_validate(settings)
    if options["dry_run"]:
        check(source, target, config)
        echo(f"{source} → {target}, {annotator}. Dry run: nothing is written.")
        return
    with tidy_end():
        outcome = parse_file(source, target, config)
    echo(f"{outcome.captions:,} captions, {outcome.empty:,} of them with an empty graph → {target}")
    if outcome.rejects:
        echo(f"{len(outcome.rejects):,} lines rejected, listed in {target.resolve()}.rejects.jsonl")


@main.command()
@click.argument("predictions", type=click.Path(path_type=Path))
@click.argument("gold", type=click.Path(path_type=Path))
@click.option("--wordnet", type=click.Path(path_type=Path), metavar="FOLDER",
              help="METEOR's WordNet files, for lemmas and synonyms; without: words as they are written.")  # fmt: skip
def graphs(predictions: Path, gold: Path, wordnet: Path | None) -> None:
    """Score scene graphs against gold: SPICE F1, set match.

    PREDICTIONS are lines as `hspcgan parse --jsonl` writes them; GOLD is FACTUAL's CSV, or such lines.
    """
    from hspcgan.pipeline.graphs import files, score

    words = score.WordNet.load(wordnet) if wordnet else score.WordNet()
    result = score.score(files.read_predictions(predictions), files.read_gold(gold), words)
    echo(
        f"{result.captions:,} captions, {result.missing:,} without prediction, SPICE F1 {result.spice:.2f}, "
        f"set match {result.set_match:.2f} ({'WordNet lemmas and synonyms' if wordnet else 'words as written'})"
    )


@main.command()
@click.argument("manifest")
@stage_options
def encode(manifest: str, override: tuple[str, ...], **options: Any) -> None:
    """Only encode captions and phrases; finish the cache.

    Where taps.views names views, `hspcgan taps` finishes it.
    """
    _prepare(manifest, override, "encode", only=True, **options)


@main.command()
@click.argument("manifest")
@stage_options
def taps(manifest: str, override: tuple[str, ...], **options: Any) -> None:
    """Only keep CLIP features of the images' views.

    For taps.views that names some, such as [whole, whole-flipped]; finishes the cache.
    """
    _prepare(manifest, override, "taps", only=True, **options)


@main.command()
@click.argument("manifest")
@click.option("--override", "-o", multiple=True, metavar="KEY=VALUE", help="Set a manifest key: bench.captions=500.")
def bench(manifest: str, override: tuple[str, ...]) -> None:
    """Measure a stage against the naive way; exit code 1 when a bar is missed.

    Shipped manifests: bench/graphs, bench/stanza, bench/encode, bench/scale, bench/train.
    """
    from hspcgan.pipeline.bench.run import run
    from hspcgan.pipeline.manifest.command_arguments import open_manifest

    text, holds = run(open_manifest(manifest, override))
    echo(text)
    if not holds:
        raise click.exceptions.Exit(1)


@main.command()
def doctor() -> None:
    """Say what is installed and what each missing piece needs."""
    from hspcgan.pipeline.cli.doctor import report

    echo(report())


for other in (inspect, stats, validate, export, copy, keys, manifests):
    main.add_command(other)

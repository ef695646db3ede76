"""The commands `hspcgan evaluate`, `reference`, `compare`, `table` and `report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hspcgan.model.common.out_path import InPath, OutFile
from hspcgan.model.common.printable import echo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hspcgan.evaluate.context import EvaluationContext
    from hspcgan.evaluate.run import Result

override_option = click.option(
    "--override",
    "-o",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set a manifest key, such as evaluate.samples=100; repeatable.",
)


@click.command()
@click.argument("manifest")
@click.option("--checkpoint", "checkpoints", multiple=True, metavar="PATH",
              help="Checkpoint to score: a label from evaluate.checkpoints, a run, a checkpoint folder or a shipped "
              "checkpoint's name; repeatable. Default: evaluate.checkpoints, or the run's latest.")  # fmt: skip
@click.option("--images", multiple=True, metavar="FOLDER", type=InPath(file_okay=False, exists=True),
              help="Folder of PNGs named after their caption ids, e.g. from another model; repeatable.")  # fmt: skip
@click.option("--untrained", is_flag=True, help="Score the generator with its initial weights, before any training.")
@click.option("--real", is_flag=True, help="Score real images; a generator is not expected to reach lower FID and KID.")
@click.option("--label", metavar="NAME", help="Name of the result, if only one subject is scored.")
@click.option("--only", multiple=True, metavar="METRIC", help="Compute and check only this metric; repeatable.")
@click.option("--keep-images", is_flag=True, help="Write every image as RUN/evaluation/images/LABEL/CAPTION_ID.png.")
@click.option("--update", is_flag=True,
              help="Write the measured values and evaluate.lock into the manifest, as new expectations.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else on standard output.")
@click.option("--junit", type=OutFile, metavar="FILE", help="Write the verdicts to this file as JUnit XML.")
@click.option("--markdown", type=OutFile, metavar="FILE", help="Write a Markdown summary to this file, e.g. for CI.")
@override_option
@click.option("--dry-run", is_flag=True, help="Check everything and print the plan; write nothing.")
def evaluate(manifest: str, checkpoints: tuple[str, ...], images: tuple[str, ...], untrained: bool, real: bool,
             label: str | None, only: tuple[str, ...], keep_images: bool, update: bool, as_json: bool,
             junit: Path | None, markdown: Path | None, overrides: tuple[str, ...], dry_run: bool) -> None:  # fmt: skip
    """Score images as a manifest specifies, and compare the values with its expectations.

    MANIFEST is the path of a YAML file or the name of a shipped manifest.

    Writes RUN/evaluation/LABEL.json, .png and .parquet. The exit code is 1 if a value is outside its bounds, 3 if
    inputs do not match or a checkpoint cannot be scored.
    """
    from hspcgan.evaluate import run
    from hspcgan.evaluate.context import prepare, require_own_results
    from hspcgan.evaluate.results.history import append_history
    from hspcgan.evaluate.results.terminal_text import describe
    from hspcgan.evaluate.scored.subjects import select_subjects
    from hspcgan.evaluate.verdict import output_formats, pinned_inputs
    from hspcgan.evaluate.verdict.update import update as write_expectations
    from hspcgan.model.common.files import require_distinct, require_writable, write_atomically
    from hspcgan.pipeline.manifest.path_arguments import open_manifest

    loaded = open_manifest(manifest, overrides)
    require_distinct([path for path in (junit, markdown) if path], [loaded.path])
    if update:
        require_writable(loaded.path)
    context = prepare(loaded, only=only)
    subjects = select_subjects(loaded, checkpoints, context.config.checkpoints, images, untrained, real, label)

    def say(text: str) -> None:
        echo(text, err=as_json)

    require_own_results(context, [subject.label for subject in subjects])
    say("\n".join(describe(context, subjects)))
    pinned_inputs.require_sections(context)
    if not update:
        pinned_inputs.require_lock(context, subjects, partial=bool(only))
        for note in pinned_inputs.lock_notes(context, subjects):
            say(note)
    if dry_run:
        return
    results = run.evaluate(context, subjects, keep_images)
    if not results:
        return
    append_history(context, results)
    say("\n" + _outcome_text(context, results))
    if update:
        say("\n" + "\n".join(write_expectations(context, results)))
    if junit:
        write_atomically(junit, output_formats.as_junit(loaded.name, results))
    if markdown:
        write_atomically(markdown, output_formats.as_markdown(loaded.name, results))
    if as_json:
        echo(output_formats.as_json(loaded.name, results))
    _exit_with_code(results, update)


def _outcome_text(context: EvaluationContext, results: Sequence[Result]) -> str:
    """Returns the text that is printed after an evaluation: metrics, progress, files, verdicts and errors."""
    from hspcgan.evaluate.results.terminal_text import closing_lines, figure_table, progress_lines
    from hspcgan.evaluate.verdict.expectations import verdict_table

    parts = [figure_table(results), "\n".join(closing_lines(context, results)), *progress_lines(results)]
    parts.append("\n".join(f"wrote {result.path}" for result in results if not result.error))
    name = context.manifest.name
    parts += [
        f"{result.subject.label}, compared with the expectations of {name}\n{verdict_table(result.verdicts)}"
        for result in results
        if result.verdicts
    ]
    parts += [f"{result.subject.label} could not be scored: {result.error}" for result in results if result.error]
    return "\n\n".join(part for part in parts if part)


def _exit_with_code(results: Sequence[Result], update: bool) -> None:
    """Exits with code 3 if a subject could not be scored, else with 1 if a value is outside its expected range."""
    from hspcgan.model.common.errors import CheckFailedError, UserError

    if any(result.error for result in results):
        raise click.exceptions.Exit(UserError.exit_code)
    if not update and not all(result.passed for result in results):
        raise click.exceptions.Exit(CheckFailedError.exit_code)


@click.command()
@click.argument("manifest")
@click.option("--out", type=OutFile, required=True, help="File to write, ending in .safetensors.")
@override_option
@click.option("--dry-run", is_flag=True, help="Check everything and print the plan; write nothing.")
def reference(manifest: str, out: Path, overrides: tuple[str, ...], dry_run: bool) -> None:
    """Write the features of real reference images to a file.

    If `evaluate.reference` names this file, evaluations use its features instead of images, so that results from
    different machines and caches are compared with the same real images.
    """
    from hspcgan.evaluate.context import prepare
    from hspcgan.evaluate.scored.reference import SUFFIX, write_reference
    from hspcgan.model.common.errors import UsageError
    from hspcgan.pipeline.manifest.path_arguments import open_manifest

    if out.suffix != SUFFIX:
        raise UsageError(f"--out {out} must end in {SUFFIX}, since evaluate.reference recognises files by this ending")
    context = prepare(open_manifest(manifest, overrides))
    n, towers = len(context.selection.reference_rows), ", ".join(tower.label for tower in context.towers)
    echo(f"{n} real images of split {context.selection.reference_split}, seed {context.config.seed}; scorers: {towers}")
    if not dry_run:
        source = {"cache": context.cache.info["fingerprint"], "split": context.selection.reference_split,
                  "seed": context.config.seed}  # fmt: skip
        write_reference(out, {tower: context.reference_features(tower) for tower in context.towers}, source)
        echo(f"wrote {out} ({out.stat().st_size / 1e6:.1f} MB)")


@click.command()
@click.argument("a", type=InPath(path_type=Path, dir_okay=False))
@click.argument("b", type=InPath(path_type=Path, dir_okay=False))
@click.option("--captions", type=click.IntRange(0), default=3, show_default=True,
              help="List this many captions with the largest decreases of the score from A to B, and as many with the "
              "largest increases.")  # fmt: skip
def compare(a: Path, b: Path, captions: int) -> None:
    """Compare two results caption by caption.

    A and B are files RUN/evaluation/LABEL.json for the same captions. Differences are B − A with a paired 95 %
    interval; if the interval contains zero, neither is better.
    """
    from hspcgan.evaluate.results.compare import as_text
    from hspcgan.evaluate.results.compare import compare as compared

    echo(as_text(compared(a, b), captions))


@click.command()
@click.argument("results", nargs=-1, type=InPath(path_type=Path, dir_okay=False), metavar="[RESULT.json]...")
@click.option(
    "--published", type=click.Choice(["cub", "coco"]), help="Add the rows of Table 1 of the paper for this data set."
)
@click.option("--format", "form", type=click.Choice(["markdown", "csv", "latex"]), default="markdown",
              show_default=True, help="Format of the table.")  # fmt: skip
@click.option("--out", type=OutFile, help="File to write; default: standard output.")
def table(results: tuple[Path, ...], published: str | None, form: str, out: Path | None) -> None:
    """Write a table of results and, with --published, of the values in the paper.

    Each RESULT.json is a file RUN/evaluation/LABEL.json.
    """
    from hspcgan.evaluate.results.table import as_text, results_table
    from hspcgan.model.common.files import require_distinct, write_atomically

    if not results and published is None:
        raise click.UsageError("the table has no rows; give a RESULT.json, --published cub or --published coco")
    require_distinct([out] if out else [], results)
    text = as_text(results_table(results, published), form)
    if out is None:
        echo(text, nl=False)
    else:
        write_atomically(out, text)
        echo(f"wrote {out}")


def _run_folder(ctx: click.Context, argument: click.Parameter, given: Path) -> Path:
    from hspcgan.pipeline.manifest.path_arguments import run_folder

    return run_folder(given)


def _run_folders(ctx: click.Context, argument: click.Parameter, given: tuple[Path, ...]) -> tuple[Path, ...]:
    return tuple(_run_folder(ctx, argument, one) for one in given)


@click.command()
@click.argument("run", type=InPath(path_type=Path), callback=_run_folder)
@click.option("--beside", "others", multiple=True, type=InPath(path_type=Path), metavar="RUN",
              callback=_run_folders,
              help="Another run, whose checkpoints are shown in additional columns; repeatable.")  # fmt: skip
@click.option("--out", type=OutFile, help="File to write; default RUN/report.html.")
@click.option("--dry-run", is_flag=True, help="Check the run folder; write nothing.")
def report(run: Path, others: tuple[Path, ...], out: Path | None, dry_run: bool) -> None:
    """Write a report page about a run, an evaluation or a study.

    RUN/report.html is self-contained, with images, metrics, curves and provenance. For a folder with an evaluation but
    no training, the page has no curves. For the folder of a study, it has verdicts, tables and charts of all runs.
    """
    from hspcgan.evaluate.report.build import render, render_study, require_own_report
    from hspcgan.evaluate.report.run_folder import is_study
    from hspcgan.model.common.errors import UsageError
    from hspcgan.model.common.files import require_writable, resolve_links, write_atomically

    if is_study(run) and others:
        raise UsageError(f"{run} is a study, and its page shows all of its runs; omit --beside")
    target = out or run / "report.html"
    if out is None or any(resolve_links(out).is_relative_to(resolve_links(one)) for one in (run, *others)):
        require_own_report(target)
    if not dry_run:
        require_writable(target)
    page = (render_study(run) if is_study(run) else render(run, others)).encode()
    if not dry_run:
        write_atomically(target, page)
    echo(f"{'would write' if dry_run else 'wrote'} {target} ({len(page) / 1e6:.1f} MB)")

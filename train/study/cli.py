"""The command `hspcgan study`."""

from pathlib import Path

import click

from hspcgan.model.common.out_path import InPath, OutFolder
from hspcgan.model.common.printable import echo, format_count


@click.command()
@click.argument("manifest")
@click.option(
    "--override",
    "-o",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set a manifest key, such as study.seeds=[0,1]; repeatable.",
)
@click.option(
    "--processes", type=click.IntRange(1, 1024), default=1, show_default=True, help="Number of runs in parallel."
)
@click.option(
    "--threads", type=click.IntRange(1, 1024), default=1, show_default=True, help="Number of threads per run."
)
@click.option("--retry", is_flag=True, help="Also repeat runs that failed.")
@click.option("--limit", type=click.IntRange(min=0), help="Stop after this many runs; with 0, only build the page.")
@click.option("--results", "results_file", type=InPath(path_type=Path, dir_okay=False, exists=True),
              help="Build the page from the results in this study.json; start no runs.")  # fmt: skip
@click.option("--finished", type=InPath(path_type=Path, dir_okay=False, exists=True),
              help="Import finished runs from this study.json, such as one made on another machine.")  # fmt: skip
@click.option("--out", type=OutFolder, help="Folder for the page; by default RUN/report.")
@click.option("--dry-run", is_flag=True, help="Check everything and print the plan; write nothing.")
def study(
    manifest: str,
    overrides: tuple[str, ...],
    processes: int,
    threads: int,
    retry: bool,
    limit: int | None,
    results_file: Path | None,
    finished: Path | None,
    out: Path | None,
    dry_run: bool,
) -> None:
    """Train and score every row (a manifest) of a study with every seed, then judge the claims and build a page.

    Runs that have a result are skipped; interrupted runs resume. To continue on another machine, give the study.json of
    the page with --finished. The page is built from the existing results; `hspcgan report RUN` builds it at any time.
    """
    from hspcgan.pipeline.manifest.path_arguments import open_manifest
    from hspcgan.train.process import ownership
    from hspcgan.train.process.run_lock import locked
    from hspcgan.train.study import page, result_files, runner
    from hspcgan.train.study.protocol import open_study
    from hspcgan.train.study.results import read_page_results

    if results_file and finished:
        raise click.UsageError("--results starts no runs, so --finished has no effect; give only one of them")
    page.require_packages()
    if out:
        page.require_own_page(out)
    opened = open_study(open_manifest(manifest, overrides))
    config = opened.config
    rows, seeds = format_count(len(config.rows), "row"), format_count(len(config.seeds), "seed")
    echo(f"{opened.manifest.name}: {rows} × {seeds}, {format_count(len(config.claims), 'claim')}")
    echo(f"protocol {opened.hash}")
    # Results of another protocol are an error before anything is trained.
    elsewhere = read_page_results(chosen) if (chosen := results_file or finished) else []
    result_files.require_protocol(opened, elsewhere)
    if dry_run:
        for row, found in opened.rows.items():
            train = found.raw["train"]
            echo(f"  {row}: {format_count(train['steps'], 'step')} of {train['batch_size']} images, {config.rows[row]}")
        return
    results = elsewhere
    if results_file is None:
        existing = result_files.read_results(opened)
        ownership.require_own_folder(opened.folder, ownership.STUDY, is_ours=bool(existing))
        with locked(opened.folder):
            opened.manifest.save(opened.folder / "manifest.yaml")
            if added := result_files.add_finished(opened, elsewhere):
                echo(f"added {format_count(added, 'result')} from {finished}")
            made = runner.run(opened, processes, threads, retry, limit)
        echo(f"{format_count(made, 'run')} finished")
        results = result_files.read_results(opened)
    for path in page.write_report(opened, results, out or opened.folder / "report"):
        echo(f"wrote {path}")

"""Parses the captions in a file into scene graphs in FACTUAL's form, without a cache: `hspcgan parse --jsonl`."""

import functools
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, TextIO

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.files import (
    atomic_file,
    require_file_or_free,
    require_outside_cache,
    require_writable,
    resolve_links,
)
from hspcgan.model.common.overwrite import require_ours
from hspcgan.model.common.printable import format_count
from hspcgan.model.common.user_files import (
    MAX_BYTES,
    MAX_LINE,
    json_problem,
    lines_of,
    no_file,
    open_regular,
    parse_json,
)
from hspcgan.model.common.validation import quoted, shortened
from hspcgan.pipeline.concepts import ParseConfig, Parser
from hspcgan.pipeline.concepts.parser import is_short_enough
from hspcgan.pipeline.stages import executors
from hspcgan.pipeline.stages.caption_text import clean_caption

LINES = 4096  # per batch, independent of the number of processes
KEYS = ("caption", "tuples")  # of each line of OUT
REJECT = b'{"line": '  # the beginning of each line in a file of rejects


@dataclass
class Outcome:
    """Counts of written captions, of those with an empty graph, of those that are too long to parse (their graphs are
    empty), and of rejected lines; why the first was rejected."""

    captions: int = 0
    empty: int = 0
    too_long: int = 0
    rejected: int = 0
    first_reject: str = ""


def parse_file(source: Path, target: Path, config: ParseConfig) -> Outcome:
    """
    Writes a line {"caption", "tuples"} to `target` for each line {"caption"} of `source`, in order, captions unchanged.

    Tuples are [subject, relation, object], [entity, "is", attribute] and [entity]. Lines without a caption are listed
    in TARGET.rejects.jsonl as {"line", "why", "text"}; that file is absent if there are none. `target` is created when
    it is complete; if it is a link, the linked file is written. Raises UserError like `check`, and if every line is
    rejected; then nothing is written.
    """
    check(source, target, config)
    target = resolve_links(target)
    outcome = Outcome()
    # Rejects are collected on disk, since there may be millions; lone surrogates are written as JSON writes them.
    with TemporaryFile("w+", encoding="utf8", errors="backslashreplace") as rejects:
        with atomic_file(target) as work:
            with open(source, "rb") as lines, open(work, "x", encoding="utf8") as out:
                batches = _batches(lines_of(lines, source, longest=MAX_BYTES), outcome, rejects)
                for (captions, graphs), _ in executors.run(
                    functools.partial(_mapper, config), batches, config.processes
                ):
                    for caption in captions:
                        outcome.captions += 1
                        outcome.empty += not graphs[caption]
                        outcome.too_long += not graphs[caption] and not is_short_enough(clean_caption(caption))
                        row = {"caption": caption, "tuples": graphs[caption]}
                        out.write(json.dumps(row, ensure_ascii=False) + "\n")
            _require_captions(source, outcome)
        if outcome.rejected:
            _write_rejects(_rejects_path(target), rejects)
        else:
            _rejects_path(target).unlink(missing_ok=True)
    return outcome


def check(source: Path, target: Path, config: ParseConfig) -> None:
    """
    Checks, before any work, that `source` exists, `target` can be written and the models load.

    Raises UserError if the source is compressed or would be overwritten, if the target is not a regular file or is
    already open (/dev/stdout), if its folder cannot be written, if its name or that of the rejects is taken by a
    user's file, or if a model is missing.
    """
    if "-" in (str(source), str(target)):
        raise UserError('IN and OUT cannot be "-"; IN may be /dev/stdin, and OUT must be the name of a regular file')
    if _is_open_file(target):
        raise UserError(f"{target} is already open and would be replaced; give another file for OUT")
    target = resolve_links(target)
    if target.is_dir():
        raise UserError(f"{target} is a folder; give a file for OUT, such as {target / 'graphs.jsonl'}")
    if resolve_links(source) in (target, _rejects_path(target)):
        raise UserError(f"{source} would be overwritten by {target.name} or its rejects; give another file for OUT")
    if source.is_dir() or not source.exists():
        raise UserError(f'{source}: {no_file(source)}; expected a file of lines such as {{"caption": "a red bird"}}')
    _require_uncompressed(source)
    if target.exists() and not target.is_file():
        raise UserError(f"{target} is not a regular file; give the name of a regular file for OUT")
    require_writable(target)
    require_outside_cache(target)
    _require_own_graphs(target)
    _require_own_rejects(_rejects_path(target))
    _parser(config)


def _require_own_graphs(path: Path) -> None:
    if path.exists():
        with open_regular(path) as file:
            line = file.readline(MAX_LINE)
        try:
            row = parse_json(line) if line else dict.fromkeys(KEYS)  # an empty file has no content to lose
            is_ours = isinstance(row, dict) and tuple(row) == KEYS
        except (ValueError, RecursionError):
            is_ours = False
        require_ours(path.parent, [path.name], is_ours, "graphs of `hspcgan parse` in them", "OUT")


def _require_own_rejects(path: Path) -> None:
    require_file_or_free(path)
    if path.exists():
        with open_regular(path) as file:
            is_ours = file.read(len(REJECT)) == REJECT
        require_ours(path.parent, [path.name], is_ours, "rejects of `hspcgan parse` in them", "OUT")


def _require_uncompressed(source: Path) -> None:
    if source.is_file():  # a pipe can be read only once
        with open(source, "rb") as file:
            if file.read(2) == b"\x1f\x8b":
                raise UserError(
                    f"{source} is compressed with gzip; unpack it with gunzip, or give IN as <(zcat {source})"
                )


def _require_captions(source: Path, outcome: Outcome) -> None:
    if outcome.rejected and not outcome.captions:
        raise UserError(
            f"{source}: no usable caption in {format_count(outcome.rejected, 'line')}; {outcome.first_reject}"
        )


def _rejects_path(target: Path) -> Path:
    return target.with_name(target.name + ".rejects.jsonl")


def _is_open_file(path: Path) -> bool:
    """Whether a path leads to a file that is already open, such as /dev/stdout, a link to /proc/self/fd/1.

    Follows links one by one, because resolving them all at once would skip /proc.
    """
    path = path.parent.resolve() / path.name
    if path.is_relative_to("/proc"):
        return True
    return path.exists() and path.is_symlink() and _is_open_file(path.parent / os.readlink(path))


def _batches(lines: Any, outcome: Outcome, rejects: TextIO) -> Iterator[list[str]]:
    numbered = enumerate(lines, start=1)
    for first in numbered:
        captions = []
        for number, line in chain([first], islice(numbered, LINES - 1)):  # one at a time, as a line may be large
            try:
                captions.append(_caption(line))
            except ValueError as error:
                text = line.decode("utf8", "backslashreplace").rstrip("\n")
                rejects.write(json.dumps({"line": number, "why": str(error), "text": text[:1000]}, ensure_ascii=False))
                rejects.write("\n")
                outcome.first_reject = outcome.first_reject or f"line {number}: {error}"
                outcome.rejected += 1
        yield captions


def _caption(line: bytes) -> str:
    """Returns the caption in a line, unchanged; raises UserError with the reason if the line has no caption."""
    if len(line) > MAX_LINE:
        raise UserError(f"the line has more than {MAX_LINE:,} bytes")
    try:
        row = parse_json(line.rstrip(b"\r\n"))  # its line break is no part of a truncated string
    except UnicodeDecodeError as error:
        raise UserError(f"not UTF-8: {error.reason} at byte {error.start}") from error
    except RecursionError as error:
        raise UserError("JSON is nested too deeply") from error
    except ValueError as error:
        raise UserError(f"not JSON: {json_problem(error)}" if line.strip() else "empty line") from error
    caption = row.get("caption") if isinstance(row, dict) else None
    if not isinstance(caption, str):
        keys = isinstance(row, dict) and "caption" not in row
        found = shortened(f"the keys {', '.join(row) or 'none'}") if keys else quoted(row)
        raise UserError(f'expected {{"caption": "…"}}, found {found}')
    clean_caption(caption)
    return caption


@functools.lru_cache(maxsize=1)
def _parser(config: ParseConfig) -> Parser:
    parser = Parser(config)
    parser.load()
    return parser


def _mapper(config: ParseConfig) -> executors.Mapper:
    """Returns a function from a batch of captions to (the same captions, {unique caption: its tuples})."""
    parser = _parser(config)

    def graphs(captions: list[str]) -> tuple[list[str], dict[str, list[list[str]]]]:
        unique = list(dict.fromkeys(captions))
        return captions, dict(zip(unique, parser.tuples([clean_caption(caption) for caption in unique]), strict=True))

    return graphs


def _write_rejects(path: Path, rejects: TextIO) -> None:
    rejects.seek(0)
    with atomic_file(path) as work, work.open("w", encoding="utf8") as out:
        shutil.copyfileobj(rejects, out)

"""Typed models of the files that a report reads: an evaluation's record and a line of the trainer's log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from hspcgan.evaluate.results.record import FORMAT
from hspcgan.model.common.errors import UserError
from hspcgan.model.common.user_files import read_json, read_text
from hspcgan.model.common.validation import typed


class Part(BaseModel):
    """A part of a record; additional fields are allowed, since fields may be added without a new format."""

    model_config = ConfigDict(extra="allow")


class SubjectPart(Part):
    """The subject that was scored."""

    kind: str


class FigurePart(Part):
    """A measured value; None if it was not finite."""

    name: str
    value: float | None
    scorer: str


class ManifestPart(Part):
    """The manifest of the evaluation."""

    name: str
    fingerprint: str


class ClipPart(Part):
    """The CLIP that encoded a cache."""

    name: str
    sha256: str


class CachePart(Part):
    """The cache that contains the captions and the real images."""

    fingerprint: str
    clip: ClipPart


class CaptionPart(Part):
    """A caption in the grid."""

    id: str
    text: str


class GridPart(Part):
    """The images in LABEL.png: height and width in pixels, and their captions."""

    image: tuple[int, int]
    captions: list[CaptionPart]


class Record(Part):
    """The content of RUN/evaluation/LABEL.json."""

    format: int = Field(strict=True)
    label: str
    subject: SubjectPart
    n: int
    split: str
    reference: str
    seed: int
    caption: str
    figures: list[FigurePart]
    expect: list[dict[str, Any]]
    notes: list[str]
    scorers: dict[str, str]
    manifest: ManifestPart
    cache: CachePart
    versions: dict[str, str]
    timings: dict[str, float]
    grid: GridPart


class LogLine(BaseModel):
    """A line of RUN/log.jsonl: the step, and values by name."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float | dict[str, float]] = Field(init=False)

    step: int = Field(strict=True)


def read_record(path: Path) -> dict[str, Any]:
    """Reads and validates the record of an evaluation. UserError with the fix if it is damaged or in another format."""
    try:
        content = read_json(path)
        if not isinstance(content, dict):
            raise UserError(f"{path} contains a {type(content).__name__}, expected the record of an evaluation")
        if content.get("format") != FORMAT or content["format"] is True:
            raise UserError(f"{path} has format {content.get('format')}, but this version reads {FORMAT}")
        typed(Record, content, str(path))
    except UserError as error:
        raise UserError(f"{error}; evaluate again") from error
    return content


def read_log(path: Path) -> list[dict[str, Any]]:
    """Reads and validates the log of a run. UserError, with the fix, for an invalid line."""
    lines = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        try:
            if line.strip():
                lines.append(json.loads(line))
                typed(LogLine, lines[-1], "a line of the log")
        except (ValueError, RecursionError) as error:
            reason = "nested too deeply" if isinstance(error, RecursionError) else error
            raise UserError(
                f"{path}, line {number}, is not a valid log line ({reason}); resume the run, which removes such lines"
            ) from error
    return lines

"""Reads the log that the trainer wrote in a run folder, for the report."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.user_files import read_text
from hspcgan.model.common.validation import shortened, validate_as

log = logging.getLogger("hspcgan.evaluate")


class LogLine(BaseModel):
    """A line of RUN/log.jsonl: the step, and values by name."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float | dict[str, float]] = Field(init=False)

    step: int = Field(strict=True, ge=0, le=10**12)


def read_log(path: Path) -> list[dict[str, Any]]:
    """
    Reads and validates the log of a run. UserError, with the fix, for an invalid line.

    A last line without a line break was cut off by a crash or a full disk, or is still being written: if it is invalid,
    it is left out with a warning.
    """
    lines = []
    *rows, last = read_text(path).split("\n")
    for number, line in enumerate([*rows, last], start=1):
        try:
            if line.strip():
                lines.append(validate_as(LogLine, json.loads(line), "a line of the log").model_dump())
        except (ValueError, RecursionError) as error:
            if number > len(rows):
                log.warning(f"{path}: the last line is cut off ({shortened(line, 60)!r}) and left out")
                continue
            reason = "nested too deeply" if isinstance(error, RecursionError) else error
            raise UserError(f"{path}, line {number}, is not a valid log line ({reason}); remove this line") from error
    return lines

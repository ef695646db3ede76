"""The third stage of an evaluation: stores metric values as JSON, under a hash of their inputs (see keys.py)."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hspcgan.evaluate.metrics.base import Measurement
from hspcgan.model.common.files import write_atomically
from hspcgan.model.common.user_files import read_json

NUMBERS = ("value", "se", "low", "high")


class ScoreStore:
    """Scores in `folder`, one file per key; if `keep` is false, nothing is written."""

    def __init__(self, folder: Path, keep: bool = True):
        self.folder, self.keep = folder / "scores", keep

    def of(self, key: str, measure: Callable[[], list[Measurement]]) -> list[Measurement]:
        """Returns the stored scores; if there are none, calls `measure` and stores its result."""
        path = self.folder / f"{key[:16]}.json"
        try:
            return [_from_plain(one) for one in read_json(path)]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):  # missing, or damaged by a full disk
            found = measure()
        if self.keep:
            write_atomically(path, json.dumps([_as_plain(one) for one in found], allow_nan=False))
        return found


def _as_plain(measured: Measurement) -> dict[str, Any]:
    """Converts to plain data for JSON, with None for nan; floats keep full precision."""
    numbers = {name: None if math.isnan(value := getattr(measured, name)) else value for name in NUMBERS}
    return {**numbers, "n": measured.n, "part": measured.part, "rows": measured.rows, "details": measured.details}


def _from_plain(plain: Mapping[str, Any]) -> Measurement:
    numbers = {name: float("nan") if plain[name] is None else plain[name] for name in NUMBERS}
    details = {column: _by_row(values) for column, values in plain["details"].items()}
    return Measurement(**numbers, n=plain["n"], part=plain["part"], rows=_by_row(plain["rows"]), details=details)


def _by_row(values: Mapping[str, Any]) -> dict[int, Any]:
    return {int(row): value for row, value in values.items()}

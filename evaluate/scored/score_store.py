"""The third stage of an evaluation: stores metric values as JSON, under a hash of their inputs (see keys.py)."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, TypeAdapter

from hspcgan.evaluate.metrics.base import Measurement
from hspcgan.model.common.files import write_atomically
from hspcgan.model.common.user_files import read_json
from hspcgan.model.common.validation import Estimate, Number

log = logging.getLogger("hspcgan.evaluate")

NUMBERS = ("value", "se", "low", "high")
Row = Annotated[int, Field(ge=0)]


class _Attribute(BaseModel, extra="forbid"):
    kind: str
    word: str
    right: bool


class _Stored(Estimate, extra="forbid"):
    """A `Measurement` as JSON; `se`, `low` and `high` are null if they could not be estimated."""

    se: Number | None
    n: Annotated[int, Field(ge=0)]
    part: str
    rows: dict[Row, Number]
    details: dict[str, dict[Row, int | list[_Attribute]]]


_STORED = TypeAdapter(list[_Stored])


class ScoreStore:
    """Stores metric values in `folder`, one file per key; if `keep` is false, nothing is written."""

    def __init__(self, folder: Path, captions: int, keep: bool = True):
        self.folder, self.captions, self.keep = folder / "scores", captions, keep

    def of(self, key: str, measure: Callable[[], list[Measurement]]) -> list[Measurement]:
        """Returns the stored scores; if there are none, or they are damaged, calls `measure` and stores its result."""
        path = self.folder / f"{key[:16]}.json"
        try:
            return self._read(path)
        except FileNotFoundError:
            found = measure()
        except (OSError, ValueError):  # ValueError: also the errors of pydantic
            log.warning("%s is damaged; computing its content again", path)
            found = measure()
        if self.keep and all(math.isfinite(one.value) for one in found):
            write_atomically(path, json.dumps([_as_plain(one) for one in found], allow_nan=False))
        return found

    def _read(self, path: Path) -> list[Measurement]:
        found = _STORED.validate_python(read_json(path))
        rows = chain.from_iterable(chain(one.rows, *one.details.values()) for one in found)
        last = max(rows, default=0)
        if last >= self.captions:
            raise ValueError(f"a score belongs to caption row {last}, but there are only {self.captions} captions")
        return [_from_stored(one) for one in found]


def _as_plain(measured: Measurement) -> dict[str, Any]:
    """Converts to plain data for JSON, with None for nan; floats keep full precision."""
    numbers = {name: None if math.isnan(value := getattr(measured, name)) else value for name in NUMBERS}
    return {**numbers, "n": measured.n, "part": measured.part, "rows": measured.rows, "details": measured.details}


def _from_stored(stored: _Stored) -> Measurement:
    plain = stored.model_dump()
    return Measurement(**{**plain, **{name: float("nan") for name in NUMBERS if plain[name] is None}})

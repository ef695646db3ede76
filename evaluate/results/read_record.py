"""Reads the record of an evaluation, RUN/evaluation/LABEL.json, as typed models: for reports, tables and studies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from hspcgan.evaluate.metrics import METRICS
from hspcgan.evaluate.results.write_record import FORMAT
from hspcgan.evaluate.scored.subjects import CHECKPOINT, IMAGES
from hspcgan.model.common.errors import UserError
from hspcgan.model.common.user_files import read_json, require_characters
from hspcgan.model.common.validation import Estimate, Number, quoted, validate_as
from hspcgan.pipeline.cache.schema import MOST_IN_GRAPH

Count = Annotated[int, Field(ge=0, le=10**15, strict=True)]
Seed = Annotated[int, Field(ge=0, lt=2**63, strict=True)]


class Part(BaseModel):
    """A part of a record; additional fields are allowed, since fields may be added without a new format."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)


class SubjectPart(Part):
    """The subject that was scored; a checkpoint and a folder of images have a path."""

    kind: str
    path: str | None = None
    step: Count | None = None
    sha256: str | None = None
    parameters: dict[str, Count] | None = None

    @model_validator(mode="after")
    def _has_its_path(self) -> SubjectPart:
        if self.kind in (CHECKPOINT, IMAGES) and self.path is None:
            raise UserError(f"a subject of kind {self.kind} needs a path")
        return self


class IdentityPart(Part):
    """The settings, weights and versions that a metric value depends on."""

    method: str
    scorer_mode: str
    scorer_sha256: str
    split: str


class FigurePart(Part, Estimate):
    """A measured value."""

    name: str
    metric: str
    part: str
    scorer: str
    n: Count
    better: Literal["higher", "lower"]
    identity: IdentityPart

    @field_validator("metric")
    @classmethod
    def _is_known(cls, metric: str) -> str:
        if metric not in METRICS:
            raise UserError(f"unknown metric; known: {', '.join(METRICS)}")
        return metric


class BoundPart(Part):
    """The part of an expectation's bound that the report reads: the required N, if there is one."""

    n: int | None = Field(None, ge=1)


class VerdictPart(Part):
    """The verdict of an expectation: the measured value and the range that it must be in."""

    name: str
    got: Number | None
    n: Count | None = None
    low: float | None
    high: float | None
    passed: bool
    bound: BoundPart

    @model_validator(mode="after")
    def _check_range(self) -> VerdictPart:
        if (self.low, self.high) == (None, None) or (None not in (self.low, self.high) and self.low > self.high):  # type: ignore[operator]
            raise UserError(f"low {self.low} and high {self.high} do not form a range")
        return self


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
    templates: dict[str, str] = {}


class EntityPart(Part):
    """An entity of a caption; `start` and `end` are character positions."""

    head: str
    start: int
    end: int


class PhrasePart(Part):
    """An attribute or a relation of a caption; `word` is a token index."""

    text: str
    word: int


class NodePart(Part):
    """An entity of a scene graph."""

    head: str
    attributes: list[str] = []


class GraphPart(Part):
    """A scene graph, as `hspcgan.pipeline.graphs.svg` draws it."""

    entities: list[NodePart] = Field(max_length=MOST_IN_GRAPH)
    relations: list[tuple[int | None, str, int | None]] = Field(max_length=MOST_IN_GRAPH)


class CaptionPart(Part):
    """The caption of an image in LABEL.png, with its concepts and scene graph."""

    id: str
    text: str
    entities: list[EntityPart]
    attributes: list[PhrasePart]
    relations: list[PhrasePart]
    graph: GraphPart


class GridPart(Part):
    """The images in LABEL.png: height and width in pixels, and their captions."""

    image: tuple[Count, Count]
    captions: list[CaptionPart] = Field(min_length=1)

    @field_validator("image")
    @classmethod
    def _is_a_size(cls, image: tuple[int, int]) -> tuple[int, int]:
        if min(image) < 1:
            raise UserError("expected a height and a width in pixels")
        return image


class ExtremePart(Part):
    """A caption with a very low or high score, and the attributes in it that the scorer does not find."""

    text: str
    score: Number
    wrong: list[str] = []


class EditPart(Part):
    """A caption before and after an edit."""

    before: str
    after: str


class ReasonPart(Part):
    """A reason why images or captions were rejected, and their number."""

    what: str
    why: str
    count: Count


class LockPart(Part):
    """The settings, data and weights that expectations or an evaluation depend on."""

    settings: dict[str, Any] = {}
    cache: dict[str, str] = {}
    scorers: dict[str, str] = {}
    metrics: dict[str, int] = {}
    checkpoints: dict[str, str] = {}


class Record(Part):
    """The content of RUN/evaluation/LABEL.json."""

    format: int
    label: str
    subject: SubjectPart
    n: Count
    split: str
    reference: str
    seed: Seed
    caption: str
    figures: list[FigurePart]
    real: list[FigurePart] = []
    expect: list[VerdictPart]
    notes: list[str]
    scorers: dict[str, str]
    manifest: ManifestPart
    cache: CachePart
    rejects: dict[str, Count] = {}
    reject_reasons: list[ReasonPart] = []
    lock: LockPart | None = None
    found: LockPart | None = None
    versions: dict[str, str]
    machine: dict[str, Any] = {}
    date: str
    timings: dict[str, float]
    grid: GridPart
    extremes: list[ExtremePart] = []
    edits: list[EditPart] = []

    @model_validator(mode="after")
    def _names_its_scorers(self) -> Record:
        unknown = sorted({figure.scorer for figure in self.figures if figure.metric == "fid"} - self.scorers.keys())
        if unknown:
            raise UserError(f"the field `scorers` has no entry for {', '.join(unknown)}")
        return self


def read_record(path: Path) -> dict[str, Any]:
    """Reads and validates the record of an evaluation. UserError with the fix if it is damaged or in another format."""
    try:
        content = read_json(path)
        if not isinstance(content, dict):
            raise UserError(f"{path} contains a {type(content).__name__}, expected the record of an evaluation")
        if content.get("format") != FORMAT or content["format"] is True:
            raise UserError(f"{path} has format {quoted(content.get('format'))}, but this version reads {FORMAT}")
        require_characters(content, path)
        return validate_as(Record, content, str(path)).model_dump()
    except UserError as error:
        raise UserError(f"{error}; evaluate again") from error

"""Settings of a benchmark, and the table that compares its measured values with their limits (bench.bars)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, Field
from tabulate import tabulate

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.validation import CheckedModel


class BenchConfig(CheckedModel):
    """The manifest's `bench` section."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Literal["graphs", "annotate", "encode", "scale", "train", "evaluate"] = Field(
        description="What is measured. graphs: parsing captions into concepts and scene graphs; annotate: only the "
        "annotator; encode: encoding captions and their phrases into features; scale: building and reading a "
        "cache with many captions; train: steps, loader, mining and sampling; evaluate: the stages of an evaluation."
    )
    captions: int = Field(ge=2, le=100_000_000, description="Number of captions that hspcgan's code processes.")
    compared: int = Field(
        ge=1,
        le=100_000_000,
        description="Number of captions that the naive baseline processes; scale: number of captions in the small "
        "dataset.",
    )
    processes: int = Field(
        1, ge=1, le=1_024, description="graphs: number of processes in the multi-process measurement."
    )
    file: Path | None = Field(
        None, description="File of captions to use, one per line; if empty, synthetic captions are used."
    )
    words: Literal["coco", "toybirds"] = Field(
        "coco", description="Synthetic captions with the lengths and repetition of COCO, or captions of toy birds."
    )
    seed: int = Field(0, ge=0, le=2**63 - 1, description="Seed of the synthetic captions.")
    rounds: int = Field(
        3, ge=1, le=1_000, description="train: how many times each variant is timed; the medians are reported."
    )
    clip_width: int = Field(
        512, ge=64, le=8_192, multiple_of=64, description="Width of the random CLIP's text encoder; 512 in ViT-B/32."
    )
    clip_layers: int = Field(12, ge=1, le=256, description="Layers of the random CLIP's text encoder; 12 in ViT-B/32.")
    image_width: int = Field(
        64,
        ge=64,
        le=8_192,
        multiple_of=64,
        description="Width of the random CLIP's image encoder, which has 12 layers; 768 in ViT-B/32.",
    )
    patch: int = Field(
        8, ge=1, le=256, description="Patch size of the random CLIP's image encoder, in pixels; 32 in ViT-B/32."
    )
    resolution: int = Field(
        56, ge=8, le=2_048, description="Input image size of the random CLIP, in pixels; 224 in ViT-B/32."
    )
    width: int = Field(
        64,
        ge=8,
        le=65_536,
        description="scale, evaluate: width of the random features that replace CLIP's; 512 in ViT-B/32.",
    )
    photos: Path | None = Field(
        None,
        description="scale: folder of photos for the image store comparison; if empty, random images are used.",
    )
    folder: Path | None = Field(
        None, description="scale, evaluate: folder for the data and the caches; if empty, a temporary folder is used."
    )
    bars: dict[str, float] = Field(default={}, description="Limit of each measured value, by the name of the value.")


@dataclass(frozen=True)
class Figure:
    """A measured value. `name`: the key of its limit in bench.bars; `is_most`: whether the limit is an upper limit."""

    name: str
    what: str
    value: float
    unit: str = ""
    is_most: bool = False

    def is_within(self, bar: float) -> bool:
        """Whether the value is within a limit."""
        return self.value <= bar if self.is_most else self.value >= bar


def table(figures: Sequence[Figure], bars: dict[str, float]) -> tuple[str, bool]:
    """Formats measured values as a table for a terminal; also returns whether all are within their limits.

    Raises UserError, with the table, for a limit without a measured value.
    """
    rows, holds = [], True
    for figure in figures:
        bar = bars.get(figure.name)
        verdict = ""
        if bar is not None:
            kept = figure.is_within(bar)
            holds &= kept
            verdict = f"{'≤' if figure.is_most else '≥'} {bar:g}  {'kept' if kept else 'MISSED'}"
        rows.append((figure.name, f"{figure.value:,.4g}", figure.unit, verdict, figure.what))
    text = tabulate(rows, tablefmt="plain", disable_numparse=True, colalign=("left", "right"))
    text = "\n".join(f"  {line}".rstrip() for line in text.splitlines())
    unknown = bars.keys() - {figure.name for figure in figures}
    if unknown:
        known = ", ".join(figure.name for figure in figures)
        raise UserError(f"bench.bars has unknown keys: {', '.join(sorted(unknown))}; known: {known}\n{text}")
    return text, holds

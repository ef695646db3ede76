"""A benchmark's settings, its figures, and the table of figures and bars."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from tabulate import tabulate

from hspcgan.model.common.errors import UserError


class BenchConfig(BaseModel):
    """The manifest's `bench` section."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Literal["graphs", "annotate", "encode", "scale", "train"] = Field(
        description="graphs: captions to concepts and scene graphs; annotate: the annotator alone; encode: captions "
        "with their phrases to features; scale: ingest, concepts, writer and reader on many captions; train: steps, "
        "loader, mining and sampling."
    )
    captions: int = Field(ge=2, le=100_000_000, description="Number of captions for the fast way.")
    compared: int = Field(
        ge=1, le=100_000_000, description="Number of them for the naive way too; scale: the smaller size."
    )
    processes: int = Field(1, ge=1, le=1_024, description="graphs: workers of the measurement with several processes.")
    file: Path | None = Field(None, description="Captions to use, one a line; empty: synthetic ones.")
    words: Literal["coco", "toybirds"] = Field(
        "coco", description="Synthetic captions with COCO's lengths and repetition, or those of toy birds."
    )
    seed: int = Field(0, ge=0, le=2**63 - 1, description="Of the synthetic captions.")
    rounds: int = Field(3, ge=1, le=1_000, description="train: how often each way is timed; figures are medians.")
    clip_width: int = Field(
        512, ge=64, le=8_192, multiple_of=64, description="The random CLIP's text tower; ViT-B/32's: 512."
    )
    clip_layers: int = Field(12, ge=1, le=256, description="Layers of that text tower; ViT-B/32's: 12.")
    image_width: int = Field(
        64, ge=64, le=8_192, multiple_of=64, description="Its image tower of 12 layers; ViT-B/32's: 768."
    )
    patch: int = Field(8, ge=1, le=256, description="Pixels a side of that tower's patches; ViT-B/32's: 32.")
    resolution: int = Field(56, ge=8, le=2_048, description="Pixels a side that it reads; ViT-B/32's: 224.")
    width: int = Field(
        64, ge=8, le=65_536, description="scale: width of the stand-in features; CLIP ViT-B/32's are 512 wide."
    )
    folder: Path | None = Field(None, description="scale: where the data and the caches go; empty: a temporary folder.")
    bars: dict[str, float] = Field(default={}, description="Limits of figures, by their names.")


@dataclass(frozen=True)
class Figure:
    """One measured figure; `name` is what bars call it, and `is_most` whether a bar is an upper limit."""

    name: str
    what: str
    value: float
    unit: str = ""
    is_most: bool = False

    def keeps(self, bar: float) -> bool:
        """Whether the figure is within a bar."""
        return self.value <= bar if self.is_most else self.value >= bar


def table(figures: Sequence[Figure], bars: dict[str, float]) -> tuple[str, bool]:
    """The figures as text for a terminal, and whether all bars hold; UserError for a bar that names no figure."""
    unknown = bars.keys() - {figure.name for figure in figures}
    if unknown:
        raise UserError(f"bench.bars: {', '.join(sorted(unknown))}; known: {', '.join(f.name for f in figures)}")
    rows, holds = [], True
    for figure in figures:
        bar = bars.get(figure.name)
        verdict = ""
        if bar is not None:
            kept = figure.keeps(bar)
            holds &= kept
            verdict = f"{'≤' if figure.is_most else '≥'} {bar:g}  {'kept' if kept else 'MISSED'}"
        rows.append((figure.name, f"{figure.value:,.4g}", figure.unit, verdict, figure.what))
    text = tabulate(rows, tablefmt="plain", disable_numparse=True, colalign=("left", "right"))
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines()), holds

"""Prepares the values for the page template: captions with marks and graphs, images with URLs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from markupsafe import Markup

from hspcgan.evaluate.draw.pictures import slug
from hspcgan.evaluate.playground.page_state import FRAMES, State
from hspcgan.evaluate.playground.studio import Drawn, Picture
from hspcgan.pipeline.concepts.concept_types import Concepts
from hspcgan.pipeline.graphs.svg import graph_svg
from hspcgan.pipeline.pages.marked_caption import changed_words, marked
from hspcgan.pipeline.stages.parse import concept_row

FRAME = {"a": 0, "b": FRAMES - 1}  # frame of each side
EXAMPLES = (
    ("another colour", "a small bird with a white belly", "a small bird with a red belly"),
    ("another size", "a small yellow bird stands on the grass", "a large yellow bird stands on the grass"),
    ("another place", "a blue bird is perched on a branch", "a blue bird is floating on the water"),
    ("colours exchanged", "a red bird with blue wings flies in the sky", "a blue bird with red wings flies in the sky"),
    ("one more part", "a brown bird sits on a branch", "a brown bird with an orange crest sits on a branch"),
    ("an unknown word", "a yellow bird on a branch", "a yellow parrot on a branch"),
)


def examples(state: State) -> list[tuple[str, State]]:
    """Returns the example states by name, with the seeds and the checkpoint of `state`."""
    return [(name, replace(state, a=a, b=b)) for name, a, b in EXAMPLES]


def sides(
    state: State, found: Mapping[str, Concepts | None], warnings: Mapping[str, list[str]]
) -> list[dict[str, Any]]:
    """Returns for each caption: its letter, marked words, graph (None if not parsed) and warnings."""
    shown = []
    for side, text in state.captions.items():
        other = state.captions.get("b" if side == "a" else "a", text)
        concepts, letter = found[side], side.upper()
        row = concept_row(concepts) if concepts else {"entities": [], "attributes": [], "relations": []}
        shown.append({
            "letter": letter,
            "marked": marked({**row, "text": text}, changed_words(other, text)),
            # graph_svg escapes its strings.
            "graph": Markup(graph_svg(f"Scene graph of {letter}", concepts.graph)) if concepts else None,
            "warnings": warnings[side],
        })  # fmt: skip
    return shown


def pictures(state: State) -> list[Picture]:
    """Returns the images of both captions, sorted by seed."""
    return [Picture(state.a, state.b or state.a, FRAME[side], seed) for seed in state.seeds for side in state.captions]


def frames(state: State) -> list[Picture]:
    """Returns the interpolated images from caption A to caption B, with the noise of the first seed."""
    return [Picture(state.a, state.b, frame, state.seed) for frame in range(FRAMES)]


def address(state: State, picture: Picture) -> str:
    """Returns the URL of an image."""
    return "/image.png?" + state.query(seed=picture.seed, count=1, frame=picture.frame)


def cards(state: State, drawn: Mapping[Picture, Drawn]) -> list[dict[str, Any]]:
    """Returns one card per seed, with one image per caption."""
    shown: dict[int, list[dict[str, Any]]] = {seed: [] for seed in state.seeds}
    for picture, image in drawn.items():
        side = "a" if picture.frame == FRAME["a"] else "b"
        text = state.captions[side]
        shown[picture.seed].append({
            "letter": side.upper(), "url": address(state, picture), "alt": f"{text} (seed {picture.seed})",
            "file": f"{slug(text)}_seed{picture.seed}.png",
            "score": f"{image.scores[side == 'b']:.2f}" if image.scores else None,
        })  # fmt: skip
    return [{"seed": seed, "images": images} for seed, images in shown.items()]


def mean_scores(state: State, drawn: Mapping[Picture, Drawn]) -> list[tuple[str, list[str]]]:
    """Returns per caption the mean scores of its images with captions A and B; empty if there is only one caption."""
    rows = []
    for side in state.captions if state.b else ():
        own = [image.scores for picture, image in drawn.items() if picture.frame == FRAME[side] and image.scores]
        if own:
            rows.append((side.upper(), [f"{sum(column) / len(own):.3f}" for column in zip(*own, strict=True)]))
    return rows


def frame_shares(state: State, wanted: Sequence[Picture]) -> list[dict[str, str]]:
    """Returns for each frame its share of caption B in percent, and its URL."""
    return [{"share": f"{picture.frame / (FRAMES - 1):.0%}", "url": address(state, picture)} for picture in wanted]

"""Shipped weights, with their sha256 checksums and their provenance."""

from pathlib import Path

CAPTION_CHOICES = "caption-choices"  # the folder of the weights that choose FACTUAL's wording of a phrase
CAPTION_HEADS = "caption-heads"  # the folder of the weights that choose the noun that a phrase describes
CAPTION_PARSER = "caption-parser"  # the folder of the weights of spaCy's model trained on captions
TRAINED_ON_FACTUAL = (CAPTION_PARSER, CAPTION_CHOICES, CAPTION_HEADS)  # caption-heads also on captions of COCO


def assets_folder() -> Path:
    """Returns the folder of the shipped weights."""
    return Path(__path__[0])


def build_command(name: str) -> str:
    """Returns the command that builds the shipped weights with this name."""
    data = " --factual train.csv" * (name in TRAINED_ON_FACTUAL) + " --coco captions_val2017.json" * (
        name == CAPTION_HEADS
    )
    return f"hspcgan assets build {name}{data}"

"""Shipped weights, with their sha256 list and provenance."""

from pathlib import Path

CAPTION_PARSER = "caption-parser"  # the folder of the weights that spaCy's model learned on captions


def assets_folder() -> Path:
    """Where the shipped weights lie."""
    return Path(__path__[0])


def build_command(name: str) -> str:
    """The command that builds shipped weights, by their name."""
    return f"hspcgan assets build {name}" + (" --factual train.csv" if name == CAPTION_PARSER else "")

"""Templates for the web pages: a Jinja2 environment with autoescaping, and the style sheet shared by all pages."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

STYLE = Path(__file__).parent / "style.css"


def templates(folder: Path) -> Environment:
    """Returns the environment for the templates in a folder: values are escaped; undefined variables raise an error."""
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def stylesheet(*more: Path) -> Markup:
    """Returns the shared style sheet followed by the rules of a page, for a `<style>` element or a file."""
    return Markup("\n".join(path.read_text(encoding="utf-8") for path in (STYLE, *more)))

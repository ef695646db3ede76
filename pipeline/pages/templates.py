"""Templates of the web pages: Jinja2 that escapes all it is given, and the style sheet that every page has."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

STYLE = Path(__file__).parent / "style.css"


def templates(folder: Path) -> Environment:
    """The environment of the templates in a folder: values are escaped, an unknown name is an error."""
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def stylesheet(*more: Path) -> Markup:
    """The shared style sheet, and a page's own rules after it, as text for a `<style>` element or a file."""
    return Markup("\n".join(path.read_text(encoding="utf-8") for path in (STYLE, *more)))

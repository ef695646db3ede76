"""How tests write concept sets, and read the examples that rules carry."""

import re
from pathlib import Path

from hspcgan.pipeline import concepts as package
from hspcgan.pipeline.concepts import Concepts


def spoken(concepts: Concepts) -> dict[str, list[str]]:
    """Concept sets as short texts: "bird", "red (wing)", "have (bird, wing)"."""
    names = [e.head for e in concepts.entities] + ["–"]
    return {
        "entities": [e.text for e in concepts.entities],
        "attributes": [f"{a.text} ({names[a.entity]})" for a in concepts.attributes],
        "relations": [f"{r.text} ({names[r.subject]}, {names[r.object]})" for r in concepts.relations],
    }


def examples() -> list[tuple[str, str]]:
    """The lines "caption → result" in the docstrings of all the package's modules."""
    sources = sorted(Path(package.__path__[0]).rglob("*.py"))
    return [example for source in sources for example in examples_in(source.read_text("utf8"))]


def examples_in(text: str) -> list[tuple[str, str]]:
    """The lines "caption → result" of a docstring or a file."""
    return re.findall(r'^ +(?:""")?(\S.*?) → (.*?)(?:""")?$', text, flags=re.MULTILINE)

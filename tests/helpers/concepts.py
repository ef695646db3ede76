"""How tests write concept sets, and read the examples that rules carry."""

import re
from importlib import resources
from types import ModuleType

from hspcgan.pipeline.concepts import Concepts


def spoken(concepts: Concepts) -> dict[str, list[str]]:
    """Concept sets as short texts: "bird", "red (wing)", "have (bird, wing)"."""
    names = [e.head for e in concepts.entities] + ["–"]
    return {
        "entities": [e.text for e in concepts.entities],
        "attributes": [f"{a.text} ({names[a.entity]})" for a in concepts.attributes],
        "relations": [f"{r.text} ({names[r.subject]}, {names[r.object]})" for r in concepts.relations],
    }


def examples(module: ModuleType) -> list[tuple[str, str]]:
    """The lines "caption → result" of a module's docstrings."""
    source = resources.files(module.__package__).joinpath(module.__name__.rpartition(".")[2] + ".py").read_text("utf8")
    return re.findall(r'^ +(?:""")?(\S.*?) → (.*?)(?:""")?$', source, flags=re.MULTILINE)

"""How tests write concept sets."""

from hspcgan.pipeline.concepts import Concepts


def spoken(concepts: Concepts) -> dict[str, list[str]]:
    """Concept sets as short texts: "bird", "red (wing)", "have (bird, wing)"."""
    names = [e.head for e in concepts.entities] + ["–"]
    return {
        "entities": [e.text for e in concepts.entities],
        "attributes": [f"{a.text} ({names[a.entity]})" for a in concepts.attributes],
        "relations": [f"{r.text} ({names[r.subject]}, {names[r.object]})" for r in concepts.relations],
    }

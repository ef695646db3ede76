"""Types of the parse stage: tokens as input, concept sets as output."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Token:
    """A word of a caption in Universal Dependencies, from any annotator.

    `head` is an index into all tokens of the caption, across its sentences (-1: root). `start` and `end` are character
    offsets in the caption. `ner` is the named-entity type as the tagger writes it ("PERSON").
    """

    text: str
    lemma: str
    upos: str
    xpos: str
    head: int
    deprel: str
    start: int
    end: int
    ner: str = ""


@dataclass(frozen=True)
class Entity:
    """A thing in a caption. `head` is its name or the lemma of its noun, `text` the phrase to encode.

    `caption[start:end]` is the head as written, `word` its token index. `type` is the named-entity type ("person"), ""
    if it has none.
    """

    head: str
    text: str
    start: int
    end: int
    word: int
    type: str = ""


@dataclass(frozen=True)
class Attribute:
    """A property of `entities[entity]` (−1: the caption does not name the entity). `word` is the token index."""

    text: str
    entity: int
    word: int


@dataclass(frozen=True)
class Relation:
    """The triple (`entities[subject]`, `text`, `entities[object]`); `word` is the token index of the relation.

    `subject` or `object` is −1 if the caption does not name it.
    """

    text: str
    subject: int
    object: int
    word: int


@dataclass
class Concepts:
    """The three concept sets of a caption; the edges of the scene graph are attribute-entity and subject-object pairs.

    `empty`: the rules found no entity, so noun chunks are used. `notes`: counts by name, of differences from
    sng_parser's graph or of unusable parts of FACTUAL's output.
    """

    entities: list[Entity] = field(default_factory=list)
    attributes: list[Attribute] = field(default_factory=list)
    relations: list[Relation] = field(default_factory=list)
    empty: bool = False
    notes: dict[str, int] = field(default_factory=dict)

    @property
    def graph(self) -> dict:
        """The scene graph in sng_parser's layout, for `captions.parquet` and for drawing.

        {"entities": [{"head", "attributes", "start", "end"}], "relations": [[subject, text, object]]}
        """
        entities: list[dict] = [
            {"head": e.head, "attributes": [], "start": e.start, "end": e.end} for e in self.entities
        ]
        for attribute in self.attributes:
            if attribute.entity >= 0:
                entities[attribute.entity]["attributes"].append(attribute.text)
        return {"entities": entities, "relations": [[r.subject, r.text, r.object] for r in self.relations]}

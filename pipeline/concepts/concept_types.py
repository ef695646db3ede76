"""The data of the parse stage: analysed words in, concept sets out."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Token:
    """One word of a caption in terms of Universal Dependencies, from any annotator.

    `head` is an index into the caption's tokens (-1: root); indices run over the whole caption, sentences included.
    `start` and `end` are character offsets in the caption. `ner` is the entity type as its tagger names it ("PERSON").
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
    """A thing. `head` is its lemma, `text` the phrase to encode, `caption[start:end]` the head as written.

    `word` is the head's token index; `type` its named-entity type ("person"), "" if it has none.
    """

    head: str
    text: str
    start: int
    end: int
    word: int
    type: str = ""


@dataclass(frozen=True)
class Attribute:
    """A property of `entities[entity]` (-1: of nothing named); `word` is the token that says it."""

    text: str
    entity: int
    word: int


@dataclass(frozen=True)
class Relation:
    """`entities[subject]` `text` `entities[object]`; -1 where the caption names nothing."""

    text: str
    subject: int
    object: int
    word: int


@dataclass
class Concepts:
    """A caption's three concept sets; attribute to entity and subject to object are the scene graph's edges.

    `graph` repeats them for drawing: {"entities": [{"head", "attributes", "start", "end"}], "relations":
    [[subject, text, object]]}. `empty`: the rules found no entity, so noun chunks were taken. `notes`: how the edges
    compare with sng_parser's graph, or what of FACTUAL's answer could not be used; counts by name.
    """

    entities: list[Entity] = field(default_factory=list)
    attributes: list[Attribute] = field(default_factory=list)
    relations: list[Relation] = field(default_factory=list)
    graph: dict = field(default_factory=dict)
    empty: bool = False
    notes: dict[str, int] = field(default_factory=dict)

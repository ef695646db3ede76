"""The parse stage's mapper: captions → concept sets with the edges of their scene graphs."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from hspcgan.pipeline.concepts.concept_sets import concepts_from_tokens
from hspcgan.pipeline.concepts.config import ParseConfig
from hspcgan.pipeline.concepts.tokens import Concepts, Token


class Parser:
    """Parses captions in batches. Models load at the first call, once; a caption's result depends on it alone."""

    def __init__(self, config: ParseConfig) -> None:
        self.config = config

    @cached_property
    def nlp(self) -> Any:
        """The spaCy pipeline: sng_parser reads its Docs, and it is the annotator where the config says so."""
        from hspcgan.pipeline.concepts.annotators import load_spacy

        is_annotator = self.config.annotator == "spacy"
        return load_spacy(self.config.spacy_model or (self.config.model if is_annotator else ""))

    @cached_property
    def repaired(self) -> Any:
        """Mends spaCy's Docs: a callable of one Doc."""
        from hspcgan.pipeline.concepts.repair import Repairer

        return Repairer(self.nlp)

    @cached_property
    def stanza(self) -> Any:
        """The stanza annotator; a shipped model is found by its name."""
        from hspcgan.pipeline.concepts.annotators import Stanza

        model = self.config.model or "en"
        if model != "en" and not Path(model).is_dir():
            from hspcgan.pipeline.manifest import weights_path

            model = str(weights_path(model))
        return Stanza(model)

    def parse(self, texts: Sequence[str]) -> list[Concepts]:
        """Concept sets of each caption, in order. A caption without words has none, and counts as empty."""
        return [concepts for concepts, _ in self._analyse(texts)]

    def tuples(self, texts: Sequence[str]) -> list[list[list[str]]]:
        """Each caption's scene graph as FACTUAL writes it: [s, r, o], [entity, "is", attribute], [entity]."""
        from hspcgan.pipeline.concepts.tuples import tuples

        return [tuples(concepts, tokens) for concepts, tokens in self._analyse(texts)]

    def _analyse(self, texts: Sequence[str]) -> Iterator[tuple[Concepts, list[Token]]]:
        for at in range(0, len(texts), self.config.batch_size):
            yield from self._batch(texts[at : at + self.config.batch_size])

    def _batch(self, texts: Sequence[str]) -> Iterator[tuple[Concepts, list[Token]]]:
        from hspcgan.pipeline.concepts.clear_to_ud import to_ud
        from hspcgan.pipeline.concepts.scene_graph import add_graph, from_noun_chunks

        texts = [quiet(text) for text in texts]
        docs = [self.repaired(doc) for doc in self._docs(texts)]
        if self.config.annotator == "spacy":
            analyses = [to_ud(doc) for doc in docs]
        else:
            analyses = self.stanza.annotate(texts)
            analyses = [with_entity_types(tokens, doc) for tokens, doc in zip(analyses, docs, strict=True)]
        for tokens, doc in zip(analyses, docs, strict=True):
            concepts = concepts_from_tokens(tokens)
            yield add_graph(from_noun_chunks(doc) if concepts.empty else concepts, doc, tokens), tokens

    def _docs(self, texts: Sequence[str]) -> list[Any]:
        """spaCy's Docs; captions that it misread for want of an article are read again with one, and lose it again."""
        from hspcgan.pipeline.concepts.telegram import lacks_article

        docs = list(self.nlp.pipe(texts, batch_size=self.config.batch_size))
        bare = [n for n, doc in enumerate(docs) if lacks_article(doc)]
        again = self.nlp.pipe(["the " + texts[n] for n in bare], batch_size=self.config.batch_size)
        for n, doc in zip(bare, again, strict=True):
            docs[n] = doc[1:].as_doc()
        return docs

    def versions(self) -> dict[str, str]:
        """What the result depends on beside the config: tools, models, and these rules (a hash of their sources)."""
        from hspcgan.pipeline.concepts.annotators import tool_versions

        meta = self.nlp.meta
        versions = tool_versions("spacy", "SceneGraphParser")
        versions["spacy_model"] = f"{meta['lang']}_{meta['name']} {meta['version']}"
        if self.config.annotator == "stanza":
            versions |= tool_versions("stanza")
            versions["stanza_model"] = self.stanza.sha256() or self.stanza.model
        versions["rules"] = rules_sha256()
        return versions


def quiet(text: str) -> str:
    """A caption in capitals in lower case, which taggers know better; any other as it is. Offsets stay."""
    lowered = text.lower()
    return lowered if text.isupper() and len(lowered) == len(text) else text


def with_entity_types(tokens: list[Token], doc: Any) -> list[Token]:
    """Named-entity types from spaCy's Doc, by character span, for an annotator that has none of its own."""
    if any(token.ner for token in tokens):
        return tokens
    kinds = {at: t.ent_type_ for t in doc if t.ent_type_ for at in range(t.idx, t.idx + len(t.text))}
    return [replace(token, ner=kinds.get(token.start, "")) for token in tokens]


def rules_sha256() -> str:
    """Of this package's sources and word lists: a changed rule is another parser."""
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*.py"), *folder.glob("lexicon/*.txt")]):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()

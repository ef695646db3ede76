"""The parse stage's mapper: captions → concept sets with the edges of their scene graphs."""

import atexit
import gc
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from hspcgan.pipeline.concepts.config import ParseConfig
from hspcgan.pipeline.concepts.extract.rules import concepts_from_tokens
from hspcgan.pipeline.concepts.tokens import Concepts, Token


class Parser:
    """
    Parses captions in batches. Models load at the first call, once; a caption's result depends on it alone.

    `lean=False` is what a script would do, for benchmarks to compare with: spaCy as it comes. Results are the same.
    """

    def __init__(self, config: ParseConfig, lean: bool = True) -> None:
        self.config, self.lean = config, lean
        self._is_loaded = False

    @cached_property
    def nlp(self) -> Any:
        """The spaCy pipeline: sng_parser reads its Docs, and it is the annotator where the config says so."""
        from hspcgan.pipeline.concepts.annotate.spacy import load_spacy

        return load_spacy(self._spacy_model, self.lean)

    @property
    def _spacy_model(self) -> str:
        is_annotator = self.config.annotator == "spacy"
        return self.config.spacy_model or (self.config.model if is_annotator else "")

    @cached_property
    def vocabulary(self) -> Any:
        """The words that the repair rules know, by part of speech."""
        from hspcgan.pipeline.concepts.repair.vocabulary import Vocabulary

        return Vocabulary.of(self.nlp)

    @cached_property
    def stanza(self) -> Any:
        """The stanza annotator; a shipped model is found by its name."""
        from hspcgan.pipeline.concepts.annotate.stanza import Stanza

        model = self.config.model or "en"
        if model != "en" and not Path(model).is_dir():
            from hspcgan.pipeline.manifest import weights_path

            model = str(weights_path(model))
        return Stanza(model)

    @cached_property
    def factual(self) -> Any:
        """The FACTUAL parser: a model that writes scene graphs."""
        from hspcgan.pipeline.concepts.annotate.t5 import Factual

        return Factual(self.config.model)

    def parse(self, texts: Sequence[str]) -> list[Concepts]:
        """Concept sets of each caption, in order. A caption without words has none, and counts as empty."""
        return [concepts for concepts, _ in self._analyse(texts)]

    def tuples(self, texts: Sequence[str]) -> list[list[list[str]]]:
        """Each caption's scene graph as FACTUAL writes it: [s, r, o], [entity, "is", attribute], [entity]."""
        from hspcgan.pipeline.concepts.factual.tuples import tuples

        if self.config.annotator == "factual":
            return self.factual.graphs([quiet(text) for text in texts])
        return [tuples(concepts, tokens) for concepts, tokens in self._analyse(texts)]

    def _analyse(self, texts: Sequence[str]) -> Iterator[tuple[Concepts, list[Token]]]:
        self.load()
        for at in range(0, len(texts), self.config.batch_size):
            yield from self._batch(texts[at : at + self.config.batch_size])

    def load(self) -> None:
        """Loads all models, and keeps Python's garbage collector from walking through them again and again."""
        if self._is_loaded:
            return
        _ = self.vocabulary, self.stanza if self.config.annotator == "stanza" else None
        _ = self.factual.loaded if self.config.annotator == "factual" else None
        self._is_loaded = True
        if self.lean:
            gc.collect()
            gc.freeze()
            atexit.register(gc.unfreeze)  # or libraries complain at the end that their objects are still there

    def _batch(self, texts: Sequence[str]) -> Iterator[tuple[Concepts, list[Token]]]:
        from hspcgan.pipeline.concepts.annotate.to_ud import to_ud
        from hspcgan.pipeline.concepts.extract.scene_graph import add_graph, from_noun_chunks

        texts = [quiet(text) for text in texts]
        if self.config.annotator == "factual":
            yield from ((concepts, []) for concepts in self._generated(texts))
            return
        if self.config.annotator == "spacy":
            repaired = [self._repaired(doc) for doc in self._docs(texts)]
            docs = [doc for doc, _ in repaired]
            analyses = [to_ud(edit, doc) for doc, edit in repaired]
        else:
            analyses = self.stanza.annotate(texts)
            named = {n for n, tokens in enumerate(analyses) if any(t.upos == "PROPN" for t in tokens)}
            docs = [self._repaired(doc)[0] for doc in self._docs(texts, named)]
            analyses = [with_entity_types(tokens, doc) for tokens, doc in zip(analyses, docs, strict=True)]
        for tokens, doc in zip(analyses, docs, strict=True):
            concepts = concepts_from_tokens(tokens)
            yield add_graph(from_noun_chunks(doc) if concepts.empty else concepts, doc, tokens), tokens

    def _generated(self, texts: Sequence[str]) -> Iterator[Concepts]:
        """Concept sets of what FACTUAL writes, whose graph stands as it is; spaCy only says where its words are."""
        from hspcgan.pipeline.concepts.extract.scene_graph import drawing, from_noun_chunks
        from hspcgan.pipeline.concepts.factual.from_tuples import concepts_from_tuples

        docs = (self._repaired(doc)[0] for doc in self._docs(texts))
        for graph, doc in zip(self.factual.read(texts), docs, strict=True):
            concepts = concepts_from_tuples(graph.tuples, doc)
            notes = {**concepts.notes, "factual_malformed": graph.malformed, "factual_cut": int(graph.is_cut)}
            whole = from_noun_chunks(doc) if concepts.empty else concepts
            yield replace(whole, graph=drawing(whole), notes=notes)

    def _repaired(self, doc: Any) -> tuple[Any, Any]:
        from hspcgan.pipeline.concepts.repair.rules import repair

        return repair(doc, self.vocabulary)

    def _docs(self, texts: Sequence[str], named: Collection[int] = ()) -> list[Any]:
        """spaCy's Docs; captions that it misread are read once more, with an article or with easier nouns."""
        from hspcgan.pipeline.concepts.annotate.reread import lacks_article, misread, restored, simpler

        docs = self._read(texts, named)
        again = {}
        for n, doc in enumerate(docs):
            is_bare, places = lacks_article(doc), misread(doc)
            if is_bare or places:
                again[n] = is_bare, places
        simple = ["the " * is_bare + simpler(docs[n], places) for n, (is_bare, places) in again.items()]
        for (n, (is_bare, places)), doc in zip(again.items(), self._read(simple, ()), strict=True):
            whole = doc[1:].as_doc() if is_bare else doc
            docs[n] = restored(docs[n], whole, places) if places else whole
        return docs

    def _read(self, texts: Sequence[str], named: Collection[int]) -> list[Any]:
        """spaCy's Docs, with entity types where a rule may ask for them: in those named, and where a name is seen."""
        from hspcgan.pipeline.concepts.annotate.reread import lacks_article

        docs = list(self.nlp.pipe(texts, batch_size=self.config.batch_size))
        if "ner" in self.nlp.disabled:
            wanted = [doc for n, doc in enumerate(docs) if n in named or has_name(doc) or lacks_article(doc)]
            deque(self.nlp.get_pipe("ner").pipe(wanted, batch_size=self.config.batch_size), maxlen=0)
        return docs

    def versions(self) -> dict[str, str]:
        """What the result depends on beside the config: tools, models, and these rules (a hash of their sources)."""
        from hspcgan.pipeline.concepts.annotate.spacy import spacy_identity
        from hspcgan.pipeline.concepts.annotate.versions import rules_sha256, tool_versions

        versions = tool_versions("spacy", "SceneGraphParser")
        versions["spacy_model"] = spacy_identity(self.nlp, self._spacy_model)
        if self.config.annotator == "stanza":
            versions |= tool_versions("stanza")
            versions["stanza_model"] = self.stanza.sha256()
        if self.config.annotator == "factual":
            versions |= {"factual_model": self.factual.sha256(), **tool_versions("transformers", "tokenizers")}
        versions["rules"] = rules_sha256()
        return versions


def quiet(text: str) -> str:
    """A caption in capitals in lower case, which taggers know better; any other as it is. Offsets stay."""
    lowered = text.lower()
    return lowered if text.isupper() and len(lowered) == len(text) else text


def has_name(doc: Any) -> bool:
    """Whether the rules may take a word for a name; to them, one in lower case never is."""
    return any(t.pos_ == "PROPN" and not t.text.islower() for t in doc)


def with_entity_types(tokens: list[Token], doc: Any) -> list[Token]:
    """Named-entity types from spaCy's Doc, by character span, for an annotator that has none of its own."""
    if any(token.ner for token in tokens):
        return tokens
    kinds = {at: t.ent_type_ for t in doc if t.ent_type_ for at in range(t.idx, t.idx + len(t.text))}
    return [replace(token, ner=kinds.get(token.start, "")) for token in tokens]

"""The mapper of the parse stage: converts captions to concept sets with the edges of their scene graphs."""

import atexit
import gc
import logging
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from hspcgan.model.common.library_models import loading
from hspcgan.model.common.validation import require_list
from hspcgan.pipeline.concepts.annotate.fingerprint_inputs import tool_versions
from hspcgan.pipeline.concepts.annotate.spacy import load_spacy, read, spacy_identity
from hspcgan.pipeline.concepts.annotate.to_ud import to_ud
from hspcgan.pipeline.concepts.concept_types import Concepts, Token
from hspcgan.pipeline.concepts.config import ParseConfig
from hspcgan.pipeline.concepts.extract.align_sng_graph import from_noun_chunks, with_graph
from hspcgan.pipeline.concepts.extract.concept_sets import concepts_from_tokens
from hspcgan.pipeline.concepts.factual.from_tuples import concepts_from_tuples
from hspcgan.pipeline.concepts.factual.to_tuples import tuples
from hspcgan.pipeline.concepts.repair.rules import repair

log = logging.getLogger("hspcgan.pipeline")

MAX_WORDS, MAX_CHARACTERS = 300, 2000
"""Longer captions are not parsed: memory and time grow with the square of the number of words. CLIP reads 77 tokens."""

SIMPLE_CAPTION = "a red bird on a branch"

Analysed = tuple[Concepts, list[Token]]
_WORD = re.compile(r"\w+|[^\w\s]")


class Parser:
    """
    Parses captions in batches. Models are loaded once, at the first call; each result depends only on its caption.

    `fast=False` loads spaCy without changes, as a baseline for benchmarks; the results are equal.
    """

    def __init__(self, config: ParseConfig, fast: bool = True) -> None:
        self.config, self.fast = config, fast
        self._models: list[Any] = []  # loaded models

    def parse(self, texts: Sequence[str]) -> list[Concepts]:
        """Returns the concept sets of each caption, in order; for a caption without words, `empty` is true."""
        require_list(texts, "captions")
        return [concepts for concepts, _ in self._analyse(texts)]

    def tuples(self, texts: Sequence[str]) -> list[list[list[str]]]:
        """Returns a scene graph per caption, in FACTUAL's form: [s, r, o], [entity, "is", attribute], [entity]."""
        require_list(texts, "captions")
        if self.config.annotator == "factual":
            return self.factual.graphs(lowercase_all_caps(texts))
        return [tuples(concepts, tokens) for concepts, tokens in self._analyse(texts)]

    @cached_property
    def nlp(self) -> Any:
        """The spaCy pipeline that parses captions for sng_parser; also the annotator if `config.annotator` is spacy."""
        return load_spacy(self._spacy_model, self.fast)

    @property
    def _spacy_model(self) -> str:
        is_annotator = self.config.annotator == "spacy"
        return self.config.spacy_model or (self.config.model if is_annotator else "")

    @cached_property
    def stanza(self) -> Any:
        """The stanza annotator; a model that ships with the package ("toy-stanza") is found by its name."""
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

    def load(self) -> None:
        """Loads all models, and excludes their objects from garbage collection, which would scan them many times.

        Raises UserError if a model is missing or damaged, or cannot parse a simple caption.
        """
        if self._models:
            return
        self._models.append(self.nlp)
        if self.config.annotator == "stanza":
            self._models.append(self.stanza)
        if self.config.annotator == "factual":
            self._models.append(self.factual.loaded)
        with loading(f"The model of the annotator {self.config.annotator}", (), "set parse.model to another model"):
            list(self._annotate([SIMPLE_CAPTION]))  # a model that fails on it fails on every caption
        if self.fast:
            gc.collect()
            gc.freeze()
            atexit.register(gc.unfreeze)  # otherwise libraries warn at exit that their objects still exist

    def _analyse(self, texts: Sequence[str]) -> Iterator[Analysed]:
        self.load()
        for at in range(0, len(texts), self.config.batch_size):
            batch = lowercase_all_caps(texts[at : at + self.config.batch_size])
            yield from _analyse_each(batch, self._annotate)

    def _annotate(self, texts: Sequence[str]) -> Iterator[Analysed]:
        by = {"spacy": self._by_spacy, "stanza": self._by_stanza, "factual": self._by_factual}
        return by[self.config.annotator](texts)

    def _by_spacy(self, texts: Sequence[str]) -> Iterator[Analysed]:
        for doc in self._docs(texts):
            tokens = to_ud(repair(doc))
            yield with_graph(concepts_from_tokens(tokens), doc, tokens), tokens

    def _by_stanza(self, texts: Sequence[str]) -> Iterator[Analysed]:
        analyses = self.stanza.annotate(texts)
        named = {n for n, tokens in enumerate(analyses) if any(t.upos == "PROPN" for t in tokens)}
        for found, doc in zip(analyses, self._docs(texts, named), strict=True):
            tokens = with_entity_types(found, doc)
            yield with_graph(concepts_from_tokens(tokens), doc, tokens), tokens

    def _by_factual(self, texts: Sequence[str]) -> Iterator[Analysed]:
        """Yields concept sets from FACTUAL's graphs; spaCy is used only to find their words in the captions."""
        for graph, doc in zip(self.factual.read(texts), self._docs(texts), strict=True):
            concepts = concepts_from_tuples(graph.tuples, doc)
            notes = {**concepts.notes, "factual_malformed": graph.malformed, "factual_cut": int(graph.is_cut)}
            yield replace(from_noun_chunks(doc) if concepts.empty else concepts, notes=notes), []

    def _docs(self, texts: Sequence[str], named: Collection[int] = ()) -> list[Any]:
        return read(self.nlp, texts, self.config.batch_size, named)

    def versions(self) -> dict[str, str]:
        """Returns the versions of all tools and models that affect the result; `rules_code` covers the rules."""
        versions = tool_versions("spacy", "SceneGraphParser")
        versions["spacy_model"] = spacy_identity(self.nlp, self._spacy_model)
        if self.config.annotator == "stanza":
            versions |= tool_versions("stanza")
            versions["stanza_model"] = self.stanza.sha256()
        if self.config.annotator == "factual":
            versions |= {"factual_model": self.factual.sha256(), **tool_versions("transformers", "tokenizers")}
        return versions


def _analyse_each(texts: Sequence[str], analyse: Callable[[Sequence[str]], Iterator[Analysed]]) -> Iterator[Analysed]:
    """Yields the result for each caption; it is empty if the caption is too long or the annotator fails on it."""
    short = [text for text in texts if is_short_enough(text)]
    try:
        found = iter(list(analyse(short)))
    except Exception as error:
        if len(short) < 2:
            log.warning(f"caption not parsed ({type(error).__name__}: {error}): {short[0][:60]!r}")
            found = iter([_empty_result("failed")] * len(short))
        else:
            found = (one for text in short for one in _analyse_each([text], analyse))
    for text in texts:
        yield next(found) if is_short_enough(text) else _empty_result("too_long")


def is_short_enough(text: str) -> bool:
    """Whether a caption is short enough to be parsed."""
    return len(text) <= MAX_CHARACTERS and len(_WORD.findall(text)) <= MAX_WORDS


def _empty_result(why: str) -> Analysed:
    return Concepts(empty=True, notes={why: 1}), []


def lowercase_all_caps(texts: Sequence[str]) -> list[str]:
    """Converts all-caps captions to lower case, since taggers rarely saw them in training; offsets do not change."""
    lowered = (text.lower() if text.isupper() else text for text in texts)
    return [low if len(low) == len(text) else text for low, text in zip(lowered, texts, strict=True)]


def with_entity_types(tokens: list[Token], doc: Any) -> list[Token]:
    """Adds named-entity types from spaCy's Doc (matched by character offset) if the annotator provides none."""
    if any(token.ner for token in tokens):
        return tokens
    kinds = {at: t.ent_type_ for t in doc if t.ent_type_ for at in range(t.idx, t.idx + len(t.text))}
    return [replace(token, ner=kinds.get(token.start, "")) for token in tokens]

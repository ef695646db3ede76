"""Parses a few captions with a short start-up, for `hspcgan sample`: as `Parser.parse`, but without graphs."""

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from hspcgan.pipeline.concepts.concept_types import Concepts
from hspcgan.pipeline.concepts.extract.concept_sets import concepts_from_tokens
from hspcgan.pipeline.concepts.parser import Parser, is_analysed, lowercase_all_caps


def parse_few(parser: Parser, texts: Sequence[str]) -> list[Concepts]:
    """Returns the concept sets of each caption; `graph`, `notes` and the types of entities are not filled in.

    With stanza, spaCy is loaded only for captions for which it can change something: those without entities, with an
    attribute of no entity, or with a relation that lacks an end.
    """
    if parser.config.annotator != "stanza" or not all(map(is_analysed, texts)):
        return parser.parse(texts)
    with _light_stanza():
        annotator = parser.stanza
    found = [concepts_from_tokens(tokens) for tokens in annotator.annotate(lowercase_all_caps(texts))]
    return [one if _is_whole(one) else parser.parse([text])[0] for one, text in zip(found, texts, strict=True)]


def _is_whole(concepts: Concepts) -> bool:
    edges = [a.entity for a in concepts.attributes] + [end for r in concepts.relations for end in (r.subject, r.object)]
    return not concepts.empty and all(edge >= 0 for edge in edges)


@contextmanager
def _light_stanza() -> Iterator[None]:
    """Inside the block, stanza is imported and its models are loaded without what only its training needs.

    That is transformers (for BERT, found missing), networkx (for enhanced dependencies, imported at its first use) and
    the optimizers, with which torch imports its compiler.
    """
    stubs: dict[str, Any] = {"transformers": None, "networkx": ModuleType("networkx")}  # None: ImportError
    stubs["networkx"].__getattr__ = lambda name: getattr(importlib.import_module("networkx"), name)
    stubs = {name: stub for name, stub in stubs.items() if name not in sys.modules}
    sys.modules.update(stubs)
    try:
        utils = importlib.import_module("stanza.models.common.utils")
    finally:
        for name in stubs:
            del sys.modules[name]
    saved = {name: getattr(utils, name) for name in ("get_optimizer", "get_split_optimizer") if hasattr(utils, name)}
    for name in saved:
        setattr(utils, name, lambda *_, **__: {})
    try:
        yield
    finally:
        for name, function in saved.items():
            setattr(utils, name, function)

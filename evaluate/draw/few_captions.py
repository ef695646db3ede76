"""Parses a few captions for `hspcgan sample`: starts faster than `Parser.parse`."""

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from hspcgan.pipeline.concepts.concept_types import Concepts
from hspcgan.pipeline.concepts.extract.concept_sets import concepts_from_tokens
from hspcgan.pipeline.concepts.parser import Parser, is_short_enough, lowercase_all_caps


def parse_few(parser: Parser, texts: Sequence[str]) -> list[Concepts]:
    """Returns the concept sets of each caption; `notes` and the types of entities may be missing.

    With stanza, spaCy is loaded only for captions that it may complete: those without entities, and those with an
    attribute without an entity or a relation without a subject or object.
    """
    if parser.config.annotator != "stanza" or not all(map(is_short_enough, texts)):
        return parser.parse(texts)
    with _fast_stanza_loading():
        annotator = parser.stanza
    found = [concepts_from_tokens(tokens) for tokens in annotator.annotate(lowercase_all_caps(texts))]
    return [one if _has_all_entities(one) else parser.parse([text])[0] for one, text in zip(found, texts, strict=True)]


def _has_all_entities(concepts: Concepts) -> bool:
    edges = [a.entity for a in concepts.attributes] + [end for r in concepts.relations for end in (r.subject, r.object)]
    return not concepts.empty and all(edge >= 0 for edge in edges)


@contextmanager
def _fast_stanza_loading() -> Iterator[None]:
    """Context manager that makes importing stanza and loading its models faster by skipping unused modules.

    These are transformers (only for BERT; appears as not installed), networkx (only for enhanced dependencies; imported
    at first use) and the optimizers (only for training; creating one makes torch import its compiler).
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

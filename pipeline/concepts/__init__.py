"""Parses captions into entities, attributes, relations and scene graphs (§3.1.1 and §3.1.2 of the paper)."""

from hspcgan.pipeline.concepts.concept_types import Attribute, Concepts, Entity, Relation, Token
from hspcgan.pipeline.concepts.config import ParseConfig
from hspcgan.pipeline.concepts.extract.concept_sets import concepts_from_tokens
from hspcgan.pipeline.concepts.parser import Parser

__all__ = ["Attribute", "Concepts", "Entity", "ParseConfig", "Parser", "Relation", "Token", "concepts_from_tokens"]

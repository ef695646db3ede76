"""What spaCy's small English model has learned on captions: its tagger's and parser's weights, saved and loaded."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.assets import CAPTION_PARSER, assets_folder

PARTS = ("tok2vec", "tagger", "parser")
WEIGHTS, CARD = "weights.safetensors", "card.json"


def shipped() -> Path:
    """The folder of the weights that come with the package; `hspcgan assets build caption-parser` makes them."""
    return assets_folder() / CAPTION_PARSER


def sha256(folder: Path) -> str:
    """Of the weights file."""
    from hspcgan.model.common.files import file_sha256

    return file_sha256(folder / WEIGHTS)


def save(nlp: Any, folder: Path, facts: Mapping[str, Any]) -> None:
    """Writes a pipeline's weights, in half precision, and a card: `facts` and the labels of the weights."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: layer.get_param(param).astype(np.float16) for name, layer, param in params(nlp)}
    save_file(weights, folder / WEIGHTS)
    card = {**facts, "labels": _labels(nlp)}
    (folder / CARD).write_text(json.dumps(card, indent=1) + "\n", encoding="utf8")


def load(nlp: Any, folder: Path) -> None:
    """Puts weights into a pipeline; UserError if they cannot be read or its model has other shapes or labels."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        weights, card = load_file(folder / WEIGHTS), json.loads((folder / CARD).read_text(encoding="utf8"))
        labels, model = card["labels"], card["model"]
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{folder}: the caption weights cannot be read ({type(error).__name__}: {error}); install the package "
            "again, or name a model: parse.model, parse.spacy_model"
        ) from error
    own = list(params(nlp))
    shapes = {name: layer.get_param(param).shape for name, layer, param in own}
    if labels != _labels(nlp) or shapes != {name: array.shape for name, array in weights.items()}:
        raise UserError(
            f"{folder}: these weights are for {model}; installed is {nlp.meta['name']} {nlp.meta['version']}, "
            "with other layers or labels. Install that version, or name your model: parse.model, parse.spacy_model"
        )
    for name, layer, param in own:
        layer.set_param(param, weights[name].astype(np.float32))


def params(nlp: Any) -> Iterator[tuple[str, Any, str]]:
    """(name in the file, layer, name in the layer) of each array of the parts."""
    for part in PARTS:
        for number, layer in enumerate(nlp.get_pipe(part).model.walk()):
            yield from ((f"{part}.{number}.{name}", layer, name) for name in layer.param_names if layer.has_param(name))


def _labels(nlp: Any) -> dict[str, list[str]]:
    return {part: list(nlp.get_pipe(part).labels) for part in ("tagger", "parser")}

"""Loads the weights of spaCy's small English model after training on captions."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.assets import CAPTION_PARSER, assets_folder

PARTS = ("tok2vec", "tagger", "parser")
WEIGHTS, CARD = "weights.safetensors", "card.json"


def shipped() -> Path:
    """Returns the folder of the weights that ship with the package, built by `hspcgan assets build caption-parser`."""
    return assets_folder() / CAPTION_PARSER


def load(nlp: Any, folder: Path) -> None:
    """Loads the caption weights in `folder` into the trained components of a pipeline.

    Raises UserError if they cannot be read, or if their shapes or labels differ from those of the pipeline.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        weights, card = load_file(folder / WEIGHTS), json.loads((folder / CARD).read_text(encoding="utf8"))
        labels, model = card["labels"], card["model"]
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{folder}: the caption weights cannot be read ({type(error).__name__}: {error}); reinstall the package, "
            "or set parse.model and parse.spacy_model to another model"
        ) from error
    own = list(params(nlp))
    shapes = {name: layer.get_param(param).shape for name, layer, param in own}
    if labels != labels_of(nlp) or shapes != {name: array.shape for name, array in weights.items()}:
        raise UserError(
            f"{folder}: the caption weights are for {model}, but the installed {nlp.meta['name']} "
            f"{nlp.meta['version']} has different layers or labels; install {model}, or set parse.model and "
            "parse.spacy_model to another model"
        )
    for name, layer, param in own:
        layer.set_param(param, weights[name].astype(np.float32))


def params(nlp: Any) -> Iterator[tuple[str, Any, str]]:
    """Yields (name in the file, layer, name in the layer) for each array of the trained components."""
    for part in PARTS:
        for number, layer in enumerate(nlp.get_pipe(part).model.walk()):
            yield from ((f"{part}.{number}.{name}", layer, name) for name in layer.param_names if layer.has_param(name))


def labels_of(nlp: Any) -> dict[str, list[str]]:
    return {part: list(nlp.get_pipe(part).labels) for part in ("tagger", "parser")}

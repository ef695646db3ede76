"""Evaluation from Python, for notebooks: generates images from captions, and scores a folder of images."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hspcgan.evaluate.draw.checkpoint import CheckpointChoice, open_for_texts
from hspcgan.evaluate.draw.generate import generate
from hspcgan.model.common.errors import UserError
from hspcgan.model.common.validation import quoted

if TYPE_CHECKING:
    import pandas as pd


def draw_texts(
    texts: Sequence[str], checkpoint: str = "toy-hspcgan", seed: int = 0, device: str = "auto"
) -> np.ndarray:
    """Generates images uint8 [N, H, W, 3] for N captions, identical to those that `hspcgan sample` writes.

    Args:
        checkpoint: a run, a checkpoint folder, or the name of a shipped checkpoint.
        seed: a whole number from 0 to 2^63 − 1.
        device: auto, cpu or cuda.

    Raises:
        UserError: a caption cannot be used, for example because it is empty, weights are missing, or the seed is
            invalid.
    """
    seed = _whole_seed(seed)
    loaded, condition = open_for_texts(CheckpointChoice(checkpoint, device=device), texts)
    return generate(loaded.generator, condition, list(texts), seed)


def _whole_seed(seed: object) -> int:
    """Returns a seed, which can also be an integer of numpy. UserError for values that `hspcgan sample` rejects."""
    if isinstance(seed, bool) or not isinstance(seed, numbers.Integral) or not 0 <= int(seed) < 2**63:
        raise UserError(f"seed is {quoted(seed)}, expected a whole number from 0 to 2^63 − 1")
    return int(seed)


def score_folder(
    folder: str | Path, manifest: str, overrides: Sequence[str] = (), label: str | None = None
) -> pd.DataFrame:
    """Scores a folder of PNGs, each named after its caption id, as `hspcgan evaluate --images` does.

    Args:
        manifest: path or name of a shipped manifest; its `evaluate` section selects captions, scorers and metrics.
        overrides: such as "evaluate.samples=100".
        label: name of the result; by default the name of the folder.

    Returns:
        A frame with one row per metric value: metric, part, scorer, value, low, high (95 % interval), se, n, name.

    Raises:
        UserError: images are missing, or cache or scorers do not match the manifest.
    """
    import pandas as pd

    from hspcgan.evaluate.context import prepare, require_own_results
    from hspcgan.evaluate.run import evaluate
    from hspcgan.evaluate.scored.subjects import select_subjects
    from hspcgan.pipeline.manifest import load_manifest

    loaded = load_manifest(manifest, overrides)
    context = prepare(loaded)
    subjects = select_subjects(loaded, images=[str(folder)], label=label)
    require_own_results(context, [subject.label for subject in subjects])
    (result,) = evaluate(context, subjects)
    if result.error:
        raise UserError(result.error)
    columns = ["metric", "part", "scorer", "value", "low", "high", "se", "n", "name"]
    return pd.DataFrame([figure.as_json() for figure in result.figures], columns=columns)

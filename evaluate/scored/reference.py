"""Files of reference features, which `hspcgan reference` writes and `evaluate.reference` can name.

A safetensors file contains `features/SCORER` float32 [N, d] for each scorer; its metadata holds the sha256 and the
preprocessing of each scorer, and the source of the images. With this file, an evaluation needs no real images.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ValidationError

from hspcgan.evaluate.scored.scorers import Scorer
from hspcgan.model.common.errors import UserError
from hspcgan.model.common.files import file_sha256

FORMAT = "1"
SUFFIX = ".safetensors"


class ReferenceMetadata(BaseModel):
    """The metadata of a reference file: sha256 and mode of each scorer, and the source of the images."""

    scorers: dict[str, dict[str, str]]
    source: dict[str, Any]


@dataclass(frozen=True)
class Reference:
    """The content of a reference file."""

    path: Path
    sha256: str
    features: dict[str, np.ndarray]  # scorer → float32 [N, d], with the same N for all scorers
    about: ReferenceMetadata

    def __len__(self) -> int:
        return len(next(iter(self.features.values())))

    def features_of(self, scorer: Scorer) -> np.ndarray:
        """Returns features float32 [N, d]. UserError if they are from other weights or preprocessing."""
        own = self.about.scorers.get(scorer.label)
        wanted = {"sha256": scorer.sha256, "mode": scorer.mode}
        if own != wanted:
            raise UserError(
                f"{self.path} has {own or 'no features'} for scorer {scorer.label}, expected {wanted}; write the file "
                "again with `hspcgan reference` and the same scorers"
            )
        return self.features[scorer.label]


def is_file(name: str) -> bool:
    """Returns whether evaluate.reference names a file instead of a split."""
    return name.endswith(SUFFIX)


def write_reference(path: Path, features: Mapping[Scorer, np.ndarray], source: Mapping[str, Any]) -> None:
    """Writes features [N, d] by scorer, and the source of the images, to a file, atomically."""
    from safetensors.numpy import save

    from hspcgan.model.common.files import write_atomically

    scorers = {scorer.label: {"sha256": scorer.sha256, "mode": scorer.mode} for scorer in features}
    about = json.dumps({"scorers": scorers, "source": source}, sort_keys=True)
    tensors = {f"features/{scorer.label}": np.ascontiguousarray(rows) for scorer, rows in features.items()}
    write_atomically(path, save(tensors, metadata={"format": FORMAT, "about": about}))


def read_reference(path: Path) -> Reference:
    """Reads a reference file. UserError if it is missing, damaged or not a reference file."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise UserError(
            f"evaluate.reference: {path} is missing; write it with `hspcgan reference MANIFEST --out {path}`"
        )
    try:
        with safe_open(path, "numpy") as file:
            metadata = file.metadata() or {}
            names = list(file.keys())
            floats = all(file.get_slice(name).get_dtype() == "F32" for name in names)  # numpy has no bfloat16
            features = {name.partition("/")[2]: file.get_tensor(name) for name in names} if floats else {}
    except SafetensorError as error:
        raise UserError(f"{path} cannot be read ({error}); write it again with `hspcgan reference`") from error
    if metadata.get("format") != FORMAT or not names:
        raise UserError(f"{path} is not a reference file of format {FORMAT}; write one with `hspcgan reference`")
    try:
        about = ReferenceMetadata.model_validate_json(metadata.get("about", ""))
    except ValidationError as error:
        raise UserError(f"{path} has damaged metadata; write it again with `hspcgan reference`") from error
    tables = floats and all(one.ndim == 2 and one.size and np.isfinite(one).all() for one in features.values())
    if not tables or len({len(one) for one in features.values()}) > 1:
        raise UserError(
            f"{path}: the features of a scorer must be finite float32, one row per image, with as many rows as those "
            "of other scorers; write it again with `hspcgan reference`"
        )
    return Reference(path, file_sha256(path), features, about)

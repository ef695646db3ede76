"""Reference features as a file: what `hspcgan reference` writes and `evaluate.reference` may name.

One safetensors file: `features/SCORER` float32 [N, d] for each scorer, and in its metadata the scorers' weights, how
they read images, and where the images came from. With it, figures need no real images.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hspcgan.evaluate.scorers import Scorer
from hspcgan.model.common.errors import UserError
from hspcgan.model.common.files import file_sha256

FORMAT = "1"
SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Reference:
    """A reference file that was read."""

    path: Path
    sha256: str
    features: dict[str, np.ndarray]  # scorer → float32 [N, d]
    about: dict[str, Any]  # "scorers": {label: {sha256, mode}}, "source"

    def __len__(self) -> int:
        return len(next(iter(self.features.values())))

    def features_of(self, scorer: Scorer) -> np.ndarray:
        """float32 [N, d]. UserError where the file has none of this scorer, or of other weights or another reading."""
        own = self.about["scorers"].get(scorer.label)
        wanted = {"sha256": scorer.sha256, "mode": scorer.mode}
        if own != wanted:
            raise UserError(
                f"{self.path} has {own or 'nothing'} for scorer {scorer.label}, expected {wanted}; write it with "
                "`hspcgan reference` and the same scorers"
            )
        return self.features[scorer.label]


def is_file(name: str) -> bool:
    """Whether evaluate.reference names a file, not a split."""
    return name.endswith(SUFFIX)


def write_reference(path: Path, features: Mapping[Scorer, np.ndarray], source: Mapping[str, Any]) -> None:
    """Writes features [N, d] by scorer and where their images came from, whole or not at all."""
    from safetensors.numpy import save

    from hspcgan.model.common.files import write_whole

    scorers = {scorer.label: {"sha256": scorer.sha256, "mode": scorer.mode} for scorer in features}
    about = json.dumps({"scorers": scorers, "source": source}, sort_keys=True)
    tensors = {f"features/{scorer.label}": np.ascontiguousarray(rows) for scorer, rows in features.items()}
    write_whole(path, save(tensors, metadata={"format": FORMAT, "about": about}))


def read_reference(path: Path) -> Reference:
    """UserError where the file is missing, damaged or not a reference file."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise UserError(
            f"evaluate.reference: {path} is missing; write it with `hspcgan reference MANIFEST --out {path}`"
        )
    try:
        with safe_open(path, "numpy") as file:
            metadata = file.metadata() or {}
            features = {name.partition("/")[2]: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise UserError(f"{path} cannot be read ({error}); write it again with `hspcgan reference`") from error
    if metadata.get("format") != FORMAT or not features:
        raise UserError(f"{path} is not a reference file of format {FORMAT}; write one with `hspcgan reference`")
    return Reference(path, file_sha256(path), features, json.loads(metadata["about"]))

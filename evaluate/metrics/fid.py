"""Fréchet and kernel distances between features of generated and of real images, by clean-fid's own functions.

Distances depend on N (small sets look further apart), so both sets are equally large, and so is the floor that they are
compared with: the distance of two disjoint sets of real images. Images are uint8, as a PNG holds them. A CLIP tower
resizes them itself (antialiased bicubic); Inception gets clean-fid's resize to 299 px.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from hspcgan.evaluate.metrics.base import Figure, Scored, figure
from hspcgan.model.errors import UserError

INCEPTION_FILE = "inception-2015-12-05.pt"
INCEPTION_SHA256 = "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4"
KID_SUBSET, KID_SUBSETS = 1000, 100  # clean-fid's defaults


def fid(scored: Scored) -> list[Figure]:
    """Fréchet distance by every tower."""
    return _distances("fid", scored, frechet)


def kid(scored: Scored) -> list[Figure]:
    """Kernel distance by every tower; unbiased, so small sets can give values below zero."""
    return _distances("kid", scored, lambda a, b: kernel(a, b, scored.seed))


def frechet(features: np.ndarray, reference: np.ndarray) -> float:
    """Fréchet distance of two feature sets [N, d] as Gaussians (clean-fid's `fid_from_feats`).

    UserError for fewer than two rows, which have no covariance.
    """
    from cleanfid.fid import fid_from_feats

    _check(features, reference)
    return float(fid_from_feats(features.astype(np.float64), reference.astype(np.float64)))


def kernel(features: np.ndarray, reference: np.ndarray, seed: int = 0) -> float:
    """Kernel distance (polynomial, degree 3) of two feature sets [N, d] (clean-fid's `kernel_distance`).

    clean-fid averages over random subsets of up to 1,000 rows; sets no larger than that are taken whole, once.
    """
    from cleanfid.fid import kernel_distance

    _check(features, reference)
    whole = len(features) == len(reference) <= KID_SUBSET
    with _numpy_seeded(seed):
        return kernel_distance(
            features.astype(np.float64),
            reference.astype(np.float64),
            num_subsets=1 if whole else KID_SUBSETS,
            max_subset_size=KID_SUBSET,
        )


def progress(untrained: float, trained: float, floor: float) -> float | None:
    """How much of the way from the untrained generator to real images is done: 1 is the floor.

    All three are distances to the same reference with the same N. None when the untrained one is no worse than the
    floor, where there is no way to go: the scorer is blind to images.
    """
    return (untrained - trained) / (untrained - floor) if untrained > floor else None


class Inception:
    """The Inception network of published FIDs in clean-fid's mode "clean"; never downloaded here.

    UserError when the folder lacks the file, or its sha256 is not that of NVIDIA's published one.
    """

    label = "inception-clean"

    def __init__(self, folder: Path, batch_size: int = 32, device: torch.device | str = "cpu"):
        from cleanfid.inception_torchscript import InceptionV3W
        from cleanfid.resize import build_resizer

        from hspcgan.model.files import file_sha256

        path = folder / INCEPTION_FILE
        if not path.is_file():
            raise UserError(f"{path} is missing; put clean-fid's Inception there or leave evaluate.inception out")
        self.sha256 = file_sha256(path)
        if self.sha256 != INCEPTION_SHA256:
            raise UserError(f"{path} has sha256 {self.sha256}, expected {INCEPTION_SHA256}; remove or replace it")
        self.network, self.device = InceptionV3W(str(folder), download=False).eval().to(device), device
        self.resize, self.batch_size = build_resizer("clean"), batch_size
        self.mode = "clean-fid mode clean: resized to 299 px"

    @torch.inference_mode()
    def image_features(self, images: np.ndarray) -> np.ndarray:
        """uint8 [N, H, W, 3] → float32 [N, 2048]."""
        parts = []
        for start in range(0, len(images), self.batch_size):
            resized = np.stack([self.resize(image) for image in images[start : start + self.batch_size]])
            pixels = torch.from_numpy(resized).permute(0, 3, 1, 2).to(self.device)
            parts.append(self.network(pixels).cpu().numpy())
        return np.concatenate(parts).astype(np.float32)


def find_inception(
    folder: str | None, batch_size: int = 32, device: torch.device | str = "cpu"
) -> tuple[Inception | None, str]:
    """The Inception tower, or None and the reason in a line; a folder named by the manifest must hold it."""
    place = Path(folder) if folder else Path(tempfile.gettempdir())
    if folder is None and not (place / INCEPTION_FILE).is_file():
        return None, f"no Inception weights ({place / INCEPTION_FILE}): FID and KID by the CLIP scorers alone"
    return Inception(place, batch_size, device), ""


def _distances(name: str, scored: Scored, distance: Callable[[np.ndarray, np.ndarray], float]) -> list[Figure]:
    if len(scored.images) != len(scored.reference):
        raise UserError(f"{name}: {len(scored.images)} images against {len(scored.reference)}; take equal sets")
    mode = f"clean-fid {version('clean-fid')}; uint8 as PNG"
    return [
        figure(
            name,
            tower,
            distance(scored.images.seen_by(tower), scored.reference.seen_by(tower)),
            len(scored.images),
            scored.reference_split,
            "lower",
            f"{mode}; {tower.mode}",
        )
        for tower in scored.towers
    ]


def _check(features: np.ndarray, reference: np.ndarray) -> None:
    for name, rows in (("features", features), ("reference", reference)):
        if rows.ndim != 2 or len(rows) < 2:
            raise UserError(f"{name} have shape {rows.shape}; a distance needs [N, d] with N of 2 or more")
    if features.shape[1] != reference.shape[1]:
        raise UserError(f"features of {features.shape[1]} and {reference.shape[1]} dimensions cannot be compared")


@contextmanager
def _numpy_seeded(seed: int) -> Iterator[None]:
    """clean-fid draws from numpy's global random state: seeded here, and given back as it was."""
    state = np.random.get_state()
    np.random.seed(seed % 2**32)
    try:
        yield
    finally:
        np.random.set_state(state)

"""The networks that score images: CLIPs, which also read captions, and the Inception network of published FIDs."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch

from hspcgan.model.clip.frozen import FrozenClip
from hspcgan.model.common.errors import UserError
from hspcgan.model.common.files import file_sha256
from hspcgan.model.common.user_files import open_regular
from hspcgan.model.image_views import to_signed
from hspcgan.model.published_weights import INCEPTION, INCEPTION_SHA256, WEIGHTS

BATCH = 32
"""Batch size for images and captions; fixed, because the composition of batches can change the last bits."""

CALLS_KEPT = 4  # number of calls with stored caption features, since several metrics use the same captions

InceptionMode = Literal["clean", "legacy_pytorch", "legacy_tensorflow"]
_NVIDIA = (INCEPTION, INCEPTION_SHA256)
INCEPTION_FILES = {
    "clean": _NVIDIA,
    "legacy_tensorflow": _NVIDIA,
    "legacy_pytorch": ("pt_inception-2015-12-05-6726825d.pth", "6726825d"),
}
"""File and (beginning of the) sha256 for each mode of clean-fid: NVIDIA's TorchScript file, and pytorch-fid's port."""


class Scorer(Protocol):
    """A network that turns images into features."""

    label: str  # as in the names of metric values, such as "held-out-clip"
    sha256: str  # of its weights
    mode: str  # describes how it preprocesses images

    def image_features(self, images: np.ndarray) -> np.ndarray:
        """Computes features: uint8 [N, H, W, 3] → float32 [N, d]."""


class TextScorer(Scorer, Protocol):
    """A scorer that also computes features of captions, in the feature space of images."""

    def text_features(self, texts: Sequence[str]) -> np.ndarray:
        """Computes features: captions → float32 [N, d]."""


class Pixels:
    """Placeholder scorer for metrics that use pixels instead of features."""

    label, sha256, mode = "pixels", "", "uint8 RGB"

    def image_features(self, images: np.ndarray) -> np.ndarray:
        """Raises TypeError: this scorer has no features."""
        raise TypeError("pixel metrics use no features")


PIXELS = Pixels()


class ClipScorer:
    """A frozen CLIP that scores images and captions; keeps the caption features of the last calls."""

    def __init__(self, name: str, clip: FrozenClip):
        self.name, self.clip = name, clip
        self.label, self.sha256 = f"{name}-clip", clip.sha256
        self.mode = f"CLIP {clip.name}, read at {clip.resolution} px (antialiased bicubic where the size differs)"
        self._texts: dict[tuple[str, ...], np.ndarray] = {}  # features of the captions in a call, oldest first

    @torch.inference_mode()
    def image_features(self, images: np.ndarray) -> np.ndarray:
        """Computes raw features: uint8 [N, H, W, 3] → float32 [N, d]."""
        parts = []
        for start in range(0, len(images), BATCH):
            pixels = torch.from_numpy(to_signed(images[start : start + BATCH])).permute(0, 3, 1, 2)
            parts.append(self.clip.image_features(pixels.to(self.clip.device)).cpu().numpy())
        return np.concatenate(parts)

    @torch.inference_mode()
    def text_features(self, texts: Sequence[str]) -> np.ndarray:
        """Computes raw features float32 [N, d]; captions beyond the context length are truncated.

        The same captions always get the same bits, because a batch contains only captions from one call.
        """
        unique = tuple(sorted(set(texts), key=lambda text: (len(text), text)))
        if unique not in self._texts:
            if len(self._texts) == CALLS_KEPT:
                self._texts.pop(next(iter(self._texts)))
            self._texts[unique] = np.concatenate(
                [self._encode(unique[start : start + BATCH]) for start in range(0, len(unique), BATCH)]
            )
        features, place = self._texts[unique], {text: i for i, text in enumerate(unique)}
        return features[[place[text] for text in texts]]

    def _encode(self, texts: Sequence[str]) -> np.ndarray:
        ids, _ = self.clip.tokenize(list(texts))
        sentence, _ = self.clip.encode_text(ids.to(self.clip.device))
        return sentence.cpu().numpy()


MAX_INCEPTION = 2**30
"""Size limit of a file with Inception's weights: 1 GB; the published files have 0.1 GB."""


class Inception:
    """The Inception network used for published FIDs, in one of clean-fid's modes; nothing is downloaded.

    clean: antialiased resizing outside the network. legacy_tensorflow: resizing inside the network, as in TensorFlow.
    legacy_pytorch: network and resizing of pytorch-fid. UserError if the folder lacks the file, or if its sha256 is not
    that of the published file.
    """

    def __init__(self, folder: Path, mode: InceptionMode = "clean", device: torch.device | str = "cpu"):
        from cleanfid.resize import build_resizer

        name, sha256 = INCEPTION_FILES[mode]
        path = folder / name
        if not path.is_file():
            raise UserError(f"{path} is missing; copy clean-fid's file there, or remove evaluate.inception")
        open_regular(path, MAX_INCEPTION).close()  # before minutes are spent on the checksum of another file
        self.sha256 = file_sha256(path)
        if not self.sha256.startswith(sha256):
            raise UserError(f"{path} has sha256 {self.sha256}, expected {sha256}; remove or replace it")
        self.label, self.mode = f"inception-{mode}", f"clean-fid mode {mode}"
        self.resize, self.device = build_resizer(mode), device
        self.network = _pytorch_inception(path) if mode == "legacy_pytorch" else _torchscript_inception(folder, mode)
        self.network.to(device)

    @torch.inference_mode()
    def image_features(self, images: np.ndarray) -> np.ndarray:
        """Computes features: uint8 [N, H, W, 3] → float32 [N, 2048]."""
        parts = []
        for start in range(0, len(images), BATCH):
            resized = np.stack([np.asarray(self.resize(image)) for image in images[start : start + BATCH]])
            pixels = torch.from_numpy(resized).float().permute(0, 3, 1, 2).to(self.device)
            parts.append(self.network(pixels).cpu().numpy())
        return np.concatenate(parts).astype(np.float32)


def find_inception(
    folder: str | None, mode: InceptionMode = "clean", device: torch.device | str = "cpu"
) -> tuple[Inception | None, str]:
    """Returns the Inception scorer, or None and the reason. UserError if `folder` is given but lacks the weights."""
    if folder is not None:
        return Inception(Path(folder), mode, device), ""
    places = (WEIGHTS, Path(tempfile.gettempdir()))  # clean-fid stores it in the latter
    name = INCEPTION_FILES[mode][0]
    for place in places:
        if (place / name).is_file():
            return Inception(place, mode, device), ""
    return None, (
        f"no Inception weights ({' or '.join(str(place / name) for place in places)}): FID and KID are computed only "
        "with the CLIP scorers"
    )


def _torchscript_inception(folder: Path, mode: str) -> torch.nn.Module:
    from cleanfid.inception_torchscript import InceptionV3W

    return InceptionV3W(str(folder), download=False, resize_inside=mode == "legacy_tensorflow").eval()


def _pytorch_inception(path: Path) -> torch.nn.Module:
    """Builds the network of pytorch-fid from local weights; the function in clean-fid would download them."""
    from cleanfid import inception_pytorch

    state = torch.load(path, map_location="cpu", weights_only=True)
    network = _with_local_weights(inception_pytorch, state)

    class Pooled(torch.nn.Module):
        """Adapter with clean-fid's interface: pixels in [0, 255] → pooled features [N, 2048]."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return self.network(pixels / 255)[0].squeeze(-1).squeeze(-1)

    return Pooled().eval()


def _with_local_weights(module: object, state: dict[str, torch.Tensor]) -> torch.nn.Module:
    """Builds InceptionV3 from clean-fid with `state` instead of weights from a URL."""
    before = module.load_state_dict_from_url  # type: ignore[attr-defined]
    module.load_state_dict_from_url = lambda *args, **kwargs: state  # type: ignore[attr-defined]
    try:
        return module.InceptionV3(output_blocks=[3], resize_input=False)  # type: ignore[attr-defined]
    finally:
        module.load_state_dict_from_url = before  # type: ignore[attr-defined]

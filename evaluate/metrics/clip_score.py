"""Scores by a CLIP that reads image and caption: raw cosine, and whether an image is matched to its own caption."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from hspcgan.evaluate.metrics.base import Figure, Scored, figure
from hspcgan.model.clip import FrozenClip
from hspcgan.model.views import to_signed

CROWD = 100  # captions among which an image must find its own


class ClipScorer:
    """A frozen CLIP as the judge of images and captions; text features are remembered for as long as it lives."""

    def __init__(self, name: str, clip: FrozenClip, batch_size: int = 32):
        self.name, self.clip, self.batch_size = name, clip, batch_size
        self.label, self.sha256 = f"{name}-clip", clip.sha256
        self.mode = f"CLIP {clip.name}, read at {clip.resolution} px (antialiased bicubic where the size differs)"
        self._texts: dict[str, np.ndarray] = {}

    @torch.inference_mode()
    def image_features(self, images: np.ndarray) -> np.ndarray:
        """uint8 [N, H, W, 3] → raw float32 [N, d]."""
        parts = []
        for start in range(0, len(images), self.batch_size):
            pixels = torch.from_numpy(to_signed(images[start : start + self.batch_size])).permute(0, 3, 1, 2)
            parts.append(self.clip.image_features(pixels.to(self.clip.device)).cpu().numpy())
        return np.concatenate(parts)

    @torch.inference_mode()
    def text_features(self, texts: Sequence[str]) -> np.ndarray:
        """Raw float32 [N, d]; texts beyond the context count by their beginning."""
        missing = sorted({text for text in texts if text not in self._texts}, key=lambda text: (len(text), text))
        for start in range(0, len(missing), self.batch_size):
            part = missing[start : start + self.batch_size]
            ids, _ = self.clip.tokenize(part)
            sentence, _ = self.clip.encode_text(ids.to(self.clip.device))
            self._texts.update(zip(part, sentence.cpu().numpy(), strict=True))
        return np.stack([self._texts[text] for text in texts])


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine of rows [N, d] with rows [N, d] → [N]."""
    return np.einsum("nd,nd->n", _unit(a), _unit(b))


def clip_score(scored: Scored) -> list[Figure]:
    """Mean raw cosine of each image with its caption (Hessel et al. 2021, without their factor 2.5)."""
    return [
        figure(
            "clip_score",
            scorer,
            float(cosine(scored.images.seen_by(scorer), scorer.text_features(scored.texts)).mean()),
            len(scored.images),
            scored.split,
            "higher",
            f"raw cosine; {scorer.mode}",
        )
        for scorer in scored.scorers
    ]


def retrieval(scored: Scored) -> list[Figure]:
    """R-precision (AttnGAN's): share of images that find their own caption first among 100."""
    n = len(scored.images)
    crowd = min(CROWD, n)
    return [
        figure(
            "retrieval",
            scorer,
            first_among(scored.images.seen_by(scorer), scorer.text_features(scored.texts), scored.texts, crowd),
            n,
            scored.split,
            "higher",
            f"own caption first among {crowd}; {scorer.mode}",
        )
        for scorer in scored.scorers
    ]


def first_among(images: np.ndarray, texts: np.ndarray, captions: Sequence[str], crowd: int) -> float:
    """Share of image features [N, d] whose own caption beats those of the `crowd - 1` rows after it, wrapping round.

    A caption with the same words as the image's own is no rival.
    """
    own, words, beaten = cosine(images, texts), np.array(captions, dtype=object), np.zeros(len(texts), dtype=bool)
    for step in range(1, crowd):  # one rival of every image at a time: N × N scores would not fit for a large N
        rival = np.roll(np.arange(len(texts)), -step)
        beaten |= (cosine(images, texts[rival]) >= own) & (words[rival] != words)
    return float(1 - beaten.mean())


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)

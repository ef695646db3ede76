"""CLIP score: the mean raw cosine between images and their captions."""

from __future__ import annotations

from hspcgan.evaluate.metrics import intervals
from hspcgan.evaluate.metrics.base import Measurement, MetricInput
from hspcgan.evaluate.metrics.cosine import cosine


def clip_score(inputs: MetricInput) -> list[Measurement]:
    """Returns the mean raw cosine between images and their captions (Hessel et al. 2021, without their factor 2.5)."""
    cosines = cosine(inputs.images, inputs.text_features(inputs.captions))
    return [intervals.mean(dict(enumerate(cosines.tolist())))]

"""A scorer that knows three pure colours, for metrics that compare images and captions."""

import numpy as np

from hspcgan.evaluate.metrics.base import MetricInput

PAINT = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


def text_features(texts):
    """The sum of the colours that each text names."""
    named = [[PAINT[word] for word in text.split() if word in PAINT] or [(1, 1, 1)] for text in texts]
    return np.array([np.sum(paint, axis=0) for paint in named], dtype=np.float32)


def seen(colours: list[str], texts: list[str]) -> MetricInput:
    """A scorer that knows pure colours: an image's features are its colour."""
    images = np.array([PAINT[name] for name in colours], dtype=np.float32)
    return MetricInput(images, texts, images, text_features)

"""Cosines of features, as every metric with captions uses them."""

from __future__ import annotations

import numpy as np


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns the cosine of corresponding rows; [N, d], [N, d] → [N]."""
    return np.einsum("nd,nd->n", unit(a), unit(b))


def unit(rows: np.ndarray) -> np.ndarray:
    """Divides each row of [N, d] by its norm."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)

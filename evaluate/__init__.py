"""Evaluation: generates images, computes metrics with intervals, compares them with expectations and builds a report.

For notebooks: draw images from captions (`draw_texts`), score a folder of images (`score_folder`), compare two
results (`compare`).
"""

from typing import TYPE_CHECKING

from hspcgan.model.common.lazy import lazy_names

if TYPE_CHECKING:
    from hspcgan.evaluate.api import draw_texts, score_folder
    from hspcgan.evaluate.config import EvaluateConfig
    from hspcgan.evaluate.metrics import METRICS
    from hspcgan.evaluate.results.compare import compare

    __version__: str

__all__ = ["METRICS", "EvaluateConfig", "__version__", "compare", "draw_texts", "score_folder"]

__getattr__ = lazy_names(
    __name__,
    {
        "METRICS": "hspcgan.evaluate.metrics:METRICS",
        "EvaluateConfig": "hspcgan.evaluate.config:EvaluateConfig",
        "compare": "hspcgan.evaluate.results.compare:compare",
        "draw_texts": "hspcgan.evaluate.api:draw_texts",
        "score_folder": "hspcgan.evaluate.api:score_folder",
    },
)

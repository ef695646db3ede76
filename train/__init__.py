"""The trainer: trains the networks from a cache, and writes checkpoints, logs and sample grids."""

from typing import TYPE_CHECKING

from hspcgan.model.common.lazy import lazy_names

if TYPE_CHECKING:
    from hspcgan.train.config import TrainConfig
    from hspcgan.train.distributed import start
    from hspcgan.train.loop import train
    from hspcgan.train.setup import Run, build_run

    __version__: str

__all__ = ["Run", "TrainConfig", "__version__", "build_run", "start", "train"]

__getattr__ = lazy_names(
    __name__,
    {
        "Run": "hspcgan.train.setup:Run",
        "TrainConfig": "hspcgan.train.config:TrainConfig",
        "build_run": "hspcgan.train.setup:build_run",
        "start": "hspcgan.train.distributed:start",
        "train": "hspcgan.train.loop:train",
    },
)

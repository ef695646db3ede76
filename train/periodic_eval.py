"""Evaluates checkpoints during training with the `evaluate` section of the manifest, and keeps the best."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.files import write_atomically
from hspcgan.train.run_folder import checkpoints
from hspcgan.train.setup import Run


@dataclass(frozen=True)
class Evaluated:
    """Result of one periodic evaluation."""

    figures: dict[str, float]  # by full name
    deciding: str  # full name of the selection metric, see train.best
    best: str  # name of the best checkpoint so far, by that metric
    drift: list[str]  # failed expectations, one sentence each


class PeriodicEvaluator:
    """Scores the run's checkpoints; results are written to RUN/evaluation/steps.

    Raises:
        UserError: the evaluate section, its scorers or the cache are not usable; raised before any training.
        ModuleNotFoundError: the package's `evaluate` extra is not installed.
    """

    def __init__(self, run: Run):
        from hspcgan.evaluate.context import prepare

        self.run = run
        with self._keep_random_state():
            self.context = prepare(run.manifest, validation=True)
        wanted, heads = run.config.best, self.context.figure_prefixes
        if not any(f"{head}/".startswith(f"{wanted}/") or f"{wanted}/".startswith(f"{head}/") for head in heads):
            raise UserError(
                f"train.best is {wanted!r}, but the evaluation computes {', '.join(heads)}; use one of these"
            )
        self.context.subfolder, self.context.keep_drawn = "steps", False

    def due(self, step: int) -> bool:
        """Returns whether an evaluation is due after `step` steps, according to `train.evaluate_every`."""
        every = self.run.config.evaluate_every
        return every is not None and step > 0 and step % every == 0

    def score(self, step: int) -> Evaluated:
        """Saves and scores a checkpoint after `step` steps, and names it in `checkpoints/best` if it is the best.

        Raises:
            UserError: no name of a metric value begins with `train.best`.
        """
        from hspcgan.evaluate.run import evaluate
        from hspcgan.evaluate.scored.subjects import CHECKPOINT, Subject

        path = checkpoints.save(self.run, step)
        with self._keep_random_state():
            result = evaluate(self.context, [Subject(path.name, CHECKPOINT, str(path))])[0]
        if result.error:
            raise UserError(result.error)
        figure, best = self._compare(path, result.figures)
        drift = [f"{one.name} is {one.got}, expected {one.expected}" for one in result.verdicts if not one.passed]
        return Evaluated({one.name: one.value for one in result.figures}, figure.name, best.path.name, drift)

    def _keep_random_state(self) -> AbstractContextManager:
        """Returns a context manager that restores torch's random state, which building networks changes."""
        device = self.run.world.device
        return torch.random.fork_rng([device] if device.type == "cuda" else [])

    def _compare(self, path: Path, figures: list[Any]) -> tuple[Any, checkpoints.Best]:
        """Compares the new checkpoint with the best so far; returns the selection metric and the better checkpoint."""
        from hspcgan.evaluate.verdict.expectations import matching_names

        wanted, by_name = self.run.config.best, {figure.name: figure for figure in figures}
        if not matching_names(list(by_name), wanted):
            raise UserError(f"train.best is {wanted!r}, but the metrics are {', '.join(by_name)}; use one of these")
        figure = by_name[matching_names(list(by_name), wanted)[0]]
        before = checkpoints.best(self.run.folder)
        if before is not None and before.figure != figure.name:
            before = None  # measured with another metric, sample or scorer: not comparable
        sign = 1 if figure.better == "higher" else -1
        if before is not None and sign * figure.value <= sign * before.value:
            return figure, before
        write_atomically(path.parent / checkpoints.BEST, f"{path.name}\n{figure.value!r} {figure.name}\n")
        checkpoints.prune(self.run)
        return figure, checkpoints.Best(path, figure.value, figure.name)

"""Periodic evaluation: a checkpoint scored by the manifest's `evaluate` section, the best one so far kept."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch

from hspcgan.train import state
from hspcgan.train.setup import Run


class Judge:
    """Scores the run's checkpoints; results lie in RUN/evaluation/steps.

    Raises:
        ValueError: the evaluate section, its scorers or the cache do not fit; before any training.
        ModuleNotFoundError: the package's `evaluate` extra is not installed.
    """

    def __init__(self, run: Run):
        from hspcgan.evaluate.run import prepare

        self.run = run
        with self._aside():
            self.bench = prepare(run.manifest)
        known = [f"{metric}/{tower.label}" for metric in self.bench.config.metrics for tower in self.bench.towers]
        wanted = run.config.best
        if not any(f"{name}/".startswith(f"{wanted}/") or f"{wanted}/".startswith(f"{name}/") for name in known):
            raise ValueError(f"train.best is {wanted!r}, but the figures will be {', '.join(known)}; name one of them")
        self.bench.subfolder = "steps"

    def score(self, step: int) -> dict[str, float]:
        """Save the state after `step` steps, score it, and point `checkpoints/best` at it where it is the best.

        Returns:
            Figures by name.
        Raises:
            ValueError: no figure's name begins with `train.best`.
        """
        from hspcgan.evaluate.run import evaluate
        from hspcgan.evaluate.subjects import Subject

        path = state.save(self.run, step)
        with self._aside():
            figures = evaluate(self.bench, [Subject(path.name, "checkpoint", path)])[0].figures
        self._compare(path, figures)
        return {figure.name: figure.value for figure in figures}

    def _aside(self) -> AbstractContextManager:
        """Leaves the run's random state as it is: loading networks draws from it."""
        device = self.run.world.device
        return torch.random.fork_rng([device] if device.type == "cuda" else [])

    def _compare(self, path: Path, figures: list[Any]) -> None:
        wanted = self.run.config.best
        figure = next((one for one in figures if one.name == wanted or one.name.startswith(wanted + "/")), None)
        if figure is None:
            raise ValueError(f"train.best is {wanted!r}, but the figures are {', '.join(one.name for one in figures)}")
        before = state.best(self.run.folder)
        if before is not None and before.figure != figure.name:
            before = None  # another measure, sample or scorer than the last time
        sign = 1 if figure.better == "higher" else -1
        if before is None or sign * figure.value > sign * before.value:
            state.write_atomic(path.parent / state.BEST, f"{path.name}\n{figure.value!r} {figure.name}\n")
            state.prune(self.run)

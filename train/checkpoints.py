"""Checkpoints: `RUN/checkpoints/step-000400/{model.safetensors, model.json, state.pt}` and the pointer `latest`.

model.safetensors and model.json are weights to share, with the moving average as generator where there is one;
state.pt is what a resumed run needs: live weights, optimizers, moving average, step, random state. A checkpoint is
complete or absent: it is written under a temporary name, renamed, and only then named by `latest`. `best`, where
checkpoints are scored on the way, names the best one and its figure; that one is not dropped.
"""

import os
import shutil
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from hspcgan.model.checkpoint import save_weights
from hspcgan.model.config import ModelConfig
from hspcgan.model.errors import UserError
from hspcgan.pipeline.cache.atomic import to_disk, write_whole
from hspcgan.train.config import FREE_ON_RESUME, TrainConfig
from hspcgan.train.setup import Run

BEST = "best"


def save(run: Run, step: int) -> Path:
    """Write the state after `step` steps, point `latest` at it, drop all but the newest `train.keep`."""
    root = run.folder / "checkpoints"
    target = root / f"step-{step:06d}"
    if latest(run.folder) == target:
        return target
    temporary = root / f".{target.name}.partial"
    for leftover in (temporary, target):
        if leftover.exists():
            shutil.rmtree(leftover)
    extra = {
        "step": step,
        "averaged": run.average is not None,
        "manifest": run.manifest.name,
        "cache": run.cache.info["fingerprint"],
        "texts": {"parse": _parser(run.cache.info), "templates": run.cache.info["templates"]},
        "train": run.config.model_dump(mode="json"),
    }
    save_weights(temporary, run.shown, run.discriminator, run.head, run.model_config, run.clip, extra)
    torch.save(_state(run, step), temporary / "state.pt")
    for path in [*temporary.iterdir(), temporary]:
        to_disk(path)
    os.replace(temporary, target)
    write_whole(root / "latest", target.name + "\n")
    to_disk(root)
    prune(run)
    return target


def prune(run: Run) -> None:
    """Drop half-saved checkpoints, and all but the newest `train.keep`, the one to resume from and the best one."""
    root, top = run.folder / "checkpoints", best(run.folder)
    spared = {latest(run.folder), top and top.path}
    for old in _steps(root)[: -run.config.keep]:
        if old not in spared:
            shutil.rmtree(old)
    for torn in root.glob(".*step-*.partial"):  # two dots and two endings: the weights alone
        shutil.rmtree(torn)


def latest(folder: Path) -> Path | None:
    """The run folder's last complete checkpoint; without the pointer the one of most steps.

    Raises:
        UserError: the pointer names a checkpoint that is not there.
    """
    pointer = folder / "checkpoints" / "latest"
    if not pointer.is_file():
        return next(reversed(_whole(pointer.parent)), None)
    path = pointer.parent / pointer.read_text().strip()
    if not (path / "state.pt").is_file():
        raise UserError(f"{pointer} names {path.name}, which is missing; write the name of a complete one into it")
    return path


class Best(NamedTuple):
    """A run's best scored checkpoint: its figure, and that figure's whole name."""

    path: Path
    value: float
    figure: str


def best(folder: Path) -> Best | None:
    """The run folder's best scored checkpoint; None where none was scored. UserError for a damaged pointer."""
    pointer = folder / "checkpoints" / BEST
    if not pointer.is_file():
        return None
    try:
        name, line = pointer.read_text(encoding="utf-8").splitlines()
        value, figure = line.split(" ", 1)
        return Best(pointer.parent / name, float(value), figure)
    except ValueError as error:
        raise UserError(f"{pointer} is damaged; expected a checkpoint's name, then its figure; remove it") from error


def resume(run: Run) -> int:
    """Bring the run to its last checkpoint and return the steps done; 0 without one.

    Raises:
        UserError: the checkpoint was made with other settings, each of which is named, or it is damaged.
    """
    path = latest(run.folder)
    if path is None:
        return 0
    state = read(path, run)
    if run.world.leads and not path.with_name("latest").is_file():
        write_whole(path.with_name("latest"), path.name + "\n")
    for name, part in _parts(run).items():
        part.load_state_dict(state[name])
    torch.set_rng_state(state["random"])
    if run.world.device.type == "cuda" and "random_cuda" in state:
        torch.cuda.set_rng_state(state["random_cuda"])
    return state["step"]


def read(path: Path, run: Run) -> dict[str, Any]:
    """A checkpoint's state, for a run to go on from; UserError as of `resume`."""
    state = _read(path)
    _require_same(state["fixed"], run.fixed(), path)
    return state


def _state(run: Run, step: int) -> dict[str, Any]:
    state: dict[str, Any] = {name: part.state_dict() for name, part in _parts(run).items()}
    state |= {"step": step, "fixed": run.fixed(), "random": torch.get_rng_state()}
    if run.world.device.type == "cuda":
        state["random_cuda"] = torch.cuda.get_rng_state()
    return state


def _parser(info: dict[str, Any]) -> dict[str, Any]:
    """How the cache's captions were parsed, without what came of it."""
    return {key: value for key, value in info["parser"].items() if key != "alignment"}


def _parts(run: Run) -> dict[str, nn.Module | torch.optim.Optimizer]:
    parts: dict[str, nn.Module | torch.optim.Optimizer] = {
        "generator": run.generator,
        "discriminator": run.discriminator,
        "head": run.head,
        "optimizer_g": run.optimizer_g,
        "optimizer_d": run.optimizer_d,
    }
    return parts if run.average is None else parts | {"average": run.average}


def _require_same(then: dict[str, Any], now: dict[str, Any], path: Path) -> None:
    defaults = {
        "model": ModelConfig.model_validate({}).model_dump(mode="json"),
        "train": TrainConfig.model_validate({"steps": 1}).model_dump(mode="json"),
    }
    unsaid = {key: defaults.get(key.split(".")[0], {}).get(key.split(".")[-1]) for key in now.keys() - then.keys()}
    then = then | unsaid  # a setting younger than the checkpoint was as its default is
    then = {key: value for key, value in then.items() if key.removeprefix("train.") not in FREE_ON_RESUME}
    differing = sorted(key for key in then.keys() | now.keys() if then.get(key) != now.get(key))
    if differing:
        changes = "; ".join(f"{key}: {then.get(key)} then, {now.get(key)} now" for key in differing)
        raise UserError(
            f"{path} was made with other settings ({changes}); restore them, or give this run another `run:` folder"
        )


def _read(checkpoint: Path) -> dict[str, Any]:
    """Its state.pt, checked: torch writes a checksum of each tensor, and reads none."""
    file = checkpoint / "state.pt"
    try:
        with zipfile.ZipFile(file) as archive:
            damaged = archive.testzip()
        if damaged:
            raise UserError(damaged)
        return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # what a damaged zip raises, zipfile and torch do not say
        before = [path.name for path in _whole(checkpoint.parent) if _step(path) < _step(checkpoint)]
        mend = f"write {before[-1]} into {checkpoint.with_name('latest')}" if before else "remove the run, train anew"
        raise UserError(f"{file} is damaged ({error}); {mend}") from error


def _whole(root: Path) -> list[Path]:
    """Complete checkpoints in the order of their steps."""
    return [path for path in _steps(root) if (path / "state.pt").is_file()]


def _steps(root: Path) -> list[Path]:
    """Checkpoints in the order of their steps, torn ones too; folders of other names are their owners'."""
    return sorted((path for path in root.glob("step-*") if path.name.removeprefix("step-").isdecimal()), key=_step)


def _step(path: Path) -> int:
    return int(path.name.removeprefix("step-"))

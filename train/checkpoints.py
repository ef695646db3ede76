"""Saves, finds and loads the checkpoints of a run, which are folders such as `RUN/checkpoints/step-000400`.

model.safetensors and model.json in such a folder hold the weights to share; the generator is the moving average if
there is one. state.pt holds the training state: current weights, optimizers, moving average, step, random state. A
checkpoint is complete or absent: it is written under a temporary name and renamed; then its name is written to the
file `latest`. With periodic evaluation, the file `best` contains the name and the score of the best checkpoint, which
is never deleted.
"""

import os
import shutil
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from hspcgan.model.checkpoint import save_weights
from hspcgan.model.clip.file import load_tensors
from hspcgan.model.common.errors import UserError
from hspcgan.model.common.files import atomic_folder, sync_to_disk, write_atomically
from hspcgan.model.common.user_files import open_regular, read_text
from hspcgan.model.config import ModelConfig
from hspcgan.train.config import FREE_ON_RESUME, TrainConfig
from hspcgan.train.setup import Run

BEST = "best"
MAX_STEP = 10**9  # the largest `train.steps`


def save(run: Run, step: int) -> Path:
    """Saves a checkpoint after `step` steps, writes its name to `latest`, deletes old checkpoints; returns its path."""
    root = run.folder / "checkpoints"
    target = root / f"step-{step:06d}"
    if latest(run.folder) == target:
        return target
    extra = {
        "step": step,
        "averaged": run.average is not None,
        "manifest": run.manifest.name,
        "cache": run.cache.info["fingerprint"],
        "texts": {"parse": _parse_settings(run.cache.info), "templates": run.cache.info["templates"]},
        "train": run.config.model_dump(mode="json"),
    }
    with atomic_folder(target, durable=True) as work:
        save_weights(work, run.sampling_generator, run.discriminator, run.head, run.model_config, run.clip, extra)
        torch.save(_state(run, step), work / "state.pt")
    write_atomically(root / "latest", target.name + "\n")
    sync_to_disk(root)
    prune(run)
    return target


def prune(run: Run) -> None:
    """Deletes temporary folders and all checkpoints except the last `train.keep`, the one in `latest` and the best."""
    root, top = run.folder / "checkpoints", best(run.folder)
    kept = {latest(run.folder), top and top.path}
    for old in _all(root)[: -run.config.keep]:
        if old not in kept:
            _remove(old)
    for partial in (*root.glob(".step-*.partial"), *root.glob("..step-*.partial")):  # the second from save_weights
        _remove(partial)


def _remove(folder: Path) -> None:
    """Removes a folder, or a link to a folder but not the linked folder; does nothing for a file."""
    if folder.is_symlink():
        folder.unlink()
    elif folder.is_dir():
        shutil.rmtree(folder)


def latest(folder: Path) -> Path | None:
    """Returns the path of the last complete checkpoint in a run folder, or None if there is none.

    The file `latest` names it; without that file, it is the complete checkpoint with the most steps.

    Raises:
        UserError: `latest` names a checkpoint that is missing.
    """
    pointer = folder / "checkpoints" / "latest"
    if not pointer.is_file():
        return next(reversed(_complete(pointer.parent)), None)
    path = pointer.parent / read_text(pointer).strip()
    if not os.path.isfile(path / "state.pt"):  # False also for a name that no file can have
        raise UserError(
            f"{pointer} names {path.name[:100]}, which is missing; write the name of a complete checkpoint to this file"
        )
    return path


class Best(NamedTuple):
    """A run's best evaluated checkpoint: its folder, and the value and full name of the selection metric."""

    path: Path
    value: float
    figure: str


def best(folder: Path) -> Best | None:
    """Returns the best evaluated checkpoint in a run folder, or None if there is none.

    Raises UserError if the file `best` is damaged.
    """
    pointer = folder / "checkpoints" / BEST
    if not pointer.is_file():
        return None
    try:
        name, line = read_text(pointer).splitlines()
        value, figure = line.split(" ", 1)
        return Best(pointer.parent / name, float(value), figure)
    except ValueError as error:
        raise UserError(
            f"{pointer} is damaged: expected the name of a checkpoint, then a value and its metric; remove this file"
        ) from error


def resume(run: Run) -> int:
    """Loads the last checkpoint into the run; returns its number of finished steps, or 0 if there is no checkpoint.

    Raises:
        UserError: the checkpoint or the file `best` is damaged, or the checkpoint was made with other settings, which
            the message lists.
    """
    path = latest(run.folder)
    best(run.folder)  # raises before any training, not at the next checkpoint
    if path is None:
        return 0
    state = load_state(path, run)
    if run.world.is_main and not path.with_name("latest").is_file():
        write_atomically(path.with_name("latest"), path.name + "\n")
    for name, part in _stateful(run).items():
        try:
            part.load_state_dict(state[name])
            if isinstance(part, torch.optim.Optimizer):
                _require_moments(part)
        except (RuntimeError, LookupError, ValueError, TypeError, AttributeError) as error:
            raise UserError(
                f"{path / 'state.pt'} is damaged: {name} does not match this run ({type(error).__name__}: {error}); "
                "remove the checkpoint, and write the name of an earlier checkpoint into checkpoints/latest"
            ) from error
    torch.set_rng_state(state["random"])
    if run.world.device.type == "cuda" and "random_cuda" in state:
        torch.cuda.set_rng_state(state["random_cuda"])
    return state["step"]


def _require_moments(optimizer: torch.optim.Optimizer) -> None:
    """Raises an error if Adam's settings are not numbers, or if its averages do not have the shapes of the parameters.

    `load_state_dict` does not check this; the next step would fail.
    """
    for group in optimizer.param_groups:
        for number in (group["lr"], *group["betas"], group["eps"], group["weight_decay"]):
            float(number)
        for parameter in group["params"]:
            for name in ("exp_avg", "exp_avg_sq") if optimizer.state.get(parameter) else ():
                found = optimizer.state[parameter][name].shape
                if found != parameter.shape:
                    raise ValueError(f"{name} has the shape {list(found)}, expected {list(parameter.shape)}")


def load_state(path: Path, run: Run) -> dict[str, Any]:
    """Returns the content of a checkpoint's state.pt; raises the errors of `resume` if it does not match the run."""
    state = _checked_state(path)
    _require_same(state["fixed"], run.fixed_settings(), path)
    return state


def _state(run: Run, step: int) -> dict[str, Any]:
    state: dict[str, Any] = {name: part.state_dict() for name, part in _stateful(run).items()}
    state |= {"step": step, "fixed": run.fixed_settings(), "random": torch.get_rng_state()}
    if run.world.device.type == "cuda":
        state["random_cuda"] = torch.cuda.get_rng_state()
    return state


def _parse_settings(info: dict[str, Any]) -> dict[str, Any]:
    """Returns the parser settings from the `info` of a cache, without alignment statistics."""
    return {key: value for key, value in info["parser"].items() if key != "alignment"}


def _stateful(run: Run) -> dict[str, nn.Module | torch.optim.Optimizer]:
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
    absent = {key: defaults.get(key.split(".")[0], {}).get(key.split(".")[-1]) for key in now.keys() - then.keys()}
    then = then | absent  # settings that are newer than the checkpoint had their default
    then = {key: value for key, value in then.items() if key.removeprefix("train.") not in FREE_ON_RESUME}
    differing = sorted(key for key in then.keys() | now.keys() if then.get(key) != now.get(key))
    if differing:
        changes = "; ".join(f"{key}: {then.get(key)} then, {now.get(key)} now" for key in differing)
        raise UserError(
            f"{path} was made with other settings ({changes}); restore the settings, or give this run "
            "another `run:` folder"
        )


def _checked_state(checkpoint: Path) -> dict[str, Any]:
    """Verifies the checksums in state.pt, which torch writes but does not verify, and returns the content."""
    file = checkpoint / "state.pt"
    try:
        with open_regular(file) as opened, zipfile.ZipFile(opened) as archive:
            damaged = archive.testzip()
        if damaged:
            raise UserError(damaged)
        with open_regular(file) as opened:
            state = load_tensors(opened)
        _require_shape(state)
        return state
    except Exception as error:  # zipfile and torch do not document what they raise for a damaged file
        before = [path.name for path in _complete(checkpoint.parent) if _step(path) < _step(checkpoint)]
        fix = (
            f"write {before[-1]} into {checkpoint.with_name('latest')}"
            if before
            else "remove the run, then train again"
        )
        raise UserError(f"{file} is damaged ({error}); {fix}") from error


def _require_shape(state: Any) -> None:
    """Raises UserError if the content of a state.pt does not have the structure that `_state` creates."""
    if not isinstance(state, dict) or not all(isinstance(key, str) for key in state):
        raise UserError(f"the file contains a {type(state).__name__}, expected a dictionary with the state of a run")
    wanted = {"step": int, "fixed": dict, "random": Tensor}
    wrong = [name for name, kind in wanted.items() if not isinstance(state.get(name), kind) or state[name] is True]
    if wrong:
        raise UserError(f"these keys are missing or have a wrong type: {', '.join(wrong)}")
    if not all(isinstance(key, str) and _is_plain(value) for key, value in state["fixed"].items()):
        raise UserError("the settings in `fixed` are not a dictionary of plain values")
    random = state["random"]
    if not 0 <= state["step"] <= MAX_STEP or random.dtype != torch.uint8 or random.shape != torch.get_rng_state().shape:
        raise UserError("the step or the random state is invalid")


def _is_plain(value: Any) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return not isinstance(value, Tensor) and all(map(_is_plain, inner))


def _complete(root: Path) -> list[Path]:
    """Returns the complete checkpoint folders in `root`, sorted by step."""
    return [path for path in _all(root) if (path / "state.pt").is_file()]


def _all(root: Path) -> list[Path]:
    """Returns all checkpoint folders in `root`, including incomplete ones, sorted by step; ignores other folders."""
    return sorted((path for path in root.glob("step-*") if path.name.removeprefix("step-").isdecimal()), key=_step)


def _step(path: Path) -> int:
    return int(path.name.removeprefix("step-"))

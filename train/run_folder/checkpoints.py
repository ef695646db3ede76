"""Saves, finds and loads the checkpoints of a run, which are folders such as `RUN/checkpoints/step-000400`.

model.safetensors and model.json in such a folder hold the weights to share; the generator is the moving average if
there is one. state.pt holds the training state: current weights, optimizers, moving average, step, random state. A
checkpoint is complete or absent: it is written under a temporary name and renamed; then its name is written to the
file `latest`. With periodic evaluation, the file `best` contains the name and the score of the best checkpoint, which
is never deleted.
"""

import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import torch

from hspcgan.model.checkpoint import CARD, WEIGHTS, save_weights
from hspcgan.model.common.errors import UserError
from hspcgan.model.common.files import atomic_folder, sync_to_disk, write_atomically
from hspcgan.model.common.user_files import read_pointer, read_text
from hspcgan.train.run_folder.saved_state import read_state, require_same, restore, state_of
from hspcgan.train.setup import Run

BEST = "best"
STATE = "state.pt"
FILES = (WEIGHTS, CARD, STATE)
"""The files in the folder of a checkpoint."""


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
        torch.save(state_of(run, step), work / STATE)
        for other in _other_files(target):
            os.replace(other, work / other.name)
    write_atomically(root / "latest", target.name + "\n")
    sync_to_disk(root)
    prune(run)
    return target


def prune(run: Run) -> None:
    """Deletes temporary folders and all checkpoints except the last `train.keep`, the one in `latest` and the best.

    A folder of a deleted checkpoint that contains other files is kept with these files.
    """
    root, top = run.folder / "checkpoints", best(run.folder)
    kept = {latest(run.folder), top and top.path}
    for old in _all(root)[: -run.config.keep]:
        if old not in kept:
            _remove_checkpoint(old)
    for partial in (*root.glob(".step-*.partial"), *root.glob("..step-*.partial")):  # the second from save_weights
        if partial.is_symlink():
            partial.unlink()
        elif partial.is_dir():
            shutil.rmtree(partial)


def _other_files(folder: Path) -> list[Path]:
    """Returns what is in a checkpoint's folder besides its own files, such as a user's notes."""
    return [path for path in folder.iterdir() if path.name not in FILES] if folder.is_dir() else []


def _remove_checkpoint(folder: Path) -> None:
    """Removes the files of a checkpoint, and its folder if that is empty then; of a link to a folder, only the link."""
    if folder.is_symlink():
        folder.unlink()
    elif folder.is_dir():
        for file in (folder / name for name in FILES):
            if file.is_file() or file.is_symlink():
                file.unlink()
        if not any(folder.iterdir()):
            folder.rmdir()


def latest(folder: Path) -> Path | None:
    """Returns the path of the last complete checkpoint in a run folder, or None if there is none.

    The file `latest` names it; without that file, it is the complete checkpoint with the most steps.

    Raises:
        UserError: `latest` is empty or names a checkpoint that is missing.
    """
    pointer = folder / "checkpoints" / "latest"
    if not pointer.is_file():
        return next(reversed(_complete(pointer.parent)), None)
    return read_pointer(pointer, STATE)


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
        found = Best(pointer.parent / name, float(value), figure)
        if found.path not in _all(pointer.parent):
            raise ValueError(f"{found.path} does not exist")
    except ValueError as error:
        raise UserError(
            f"{pointer} is damaged: expected the name of an existing checkpoint, then a value and its metric; "
            "remove this file"
        ) from error
    return found


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
    restore(run, state, path / STATE)
    return state["step"]


def load_state(path: Path, run: Run) -> dict[str, Any]:
    """Returns the content of a checkpoint's state.pt; raises the errors of `resume` if it does not match the run."""
    state = _checked_state(path)
    require_same(state["fixed"], run.fixed_settings(), path)
    return state


def _parse_settings(info: dict[str, Any]) -> dict[str, Any]:
    """Returns the parser settings from the `info` of a cache, without alignment statistics."""
    return {key: value for key, value in info["parser"].items() if key != "alignment"}


def _checked_state(checkpoint: Path) -> dict[str, Any]:
    """Returns the content of state.pt; raises UserError, with the checkpoint to use instead, if it is damaged."""
    file = checkpoint / STATE
    try:
        state = read_state(file)
        if state["step"] != _step(checkpoint):
            raise UserError(f"its step is {state['step']:,}, expected that of the folder's name")
        return state
    except Exception as error:  # zipfile and torch do not document what they raise for a damaged file
        before = [path.name for path in _complete(checkpoint.parent) if _step(path) < _step(checkpoint)]
        fix = (
            f"write {before[-1]} into {checkpoint.with_name('latest')}"
            if before
            else "remove the run, then train again"
        )
        raise UserError(f"{file} is damaged ({error}); {fix}") from error


def _complete(root: Path) -> list[Path]:
    """Returns the complete checkpoint folders in `root`, sorted by step."""
    return [path for path in _all(root) if (path / STATE).is_file()]


def _all(root: Path) -> list[Path]:
    """Returns all checkpoint folders in `root`, including incomplete ones, sorted by step; ignores other folders."""
    return sorted((path for path in root.glob("step-*") if path.name.removeprefix("step-").isdecimal()), key=_step)


def _step(path: Path) -> int:
    return int(path.name.removeprefix("step-"))

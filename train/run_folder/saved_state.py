"""The content of a checkpoint's state.pt: what is saved, how it is checked, and how a run continues from it.

It is a dictionary: the `state_dict` of each network and optimizer by name, `step`, `fixed` (the settings that must not
change), and `random` and `random_cuda`, the states of torch's random generators.
"""

import reprlib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hspcgan.model.clip.file import load_tensors, other_kind
from hspcgan.model.common.errors import UserError
from hspcgan.model.common.printable import format_count
from hspcgan.model.common.user_files import open_regular
from hspcgan.model.common.validation import first_lines, shortened
from hspcgan.model.config import ModelConfig
from hspcgan.train.config import FREE_ON_RESUME, TrainConfig
from hspcgan.train.setup import Run

RANDOM = ("random", "random_cuda")  # the only tensors that are not floats
MAX_STEP = 10**9  # the largest `train.steps`


def state_of(run: Run, step: int) -> dict[str, Any]:
    """Returns the state of a run after `step` steps."""
    state: dict[str, Any] = {name: part.state_dict() for name, part in stateful(run).items()}
    state |= {"step": step, "fixed": run.fixed_settings(), "random": torch.get_rng_state()}
    if run.world.device.type == "cuda":
        state["random_cuda"] = torch.cuda.get_rng_state()
    return state


def stateful(run: Run) -> dict[str, nn.Module | torch.optim.Optimizer]:
    """Returns the networks and the optimizers of a run by their names in state.pt."""
    parts: dict[str, nn.Module | torch.optim.Optimizer] = {
        "generator": run.generator,
        "discriminator": run.discriminator,
        "head": run.head,
        "optimizer_g": run.optimizer_g,
        "optimizer_d": run.optimizer_d,
    }
    return parts if run.average is None else parts | {"average": run.average}


def read_state(file: Path) -> dict[str, Any]:
    """Returns the content of a state.pt; verifies its checksums, which torch writes but does not verify.

    Raises UserError without the path if the structure is wrong or a value is NaN or infinite, and any error of zipfile
    or torch for a damaged file.
    """
    with open_regular(file) as opened, zipfile.ZipFile(opened) as archive:
        damaged = archive.testzip()
    if damaged:
        raise UserError(damaged)
    with open_regular(file) as opened:
        state = load_tensors(opened)
    _require_shape(state)
    for name, value in _tensors(state):
        kind = other_kind(value) or ("" if value.is_floating_point() or name in RANDOM else str(value.dtype))
        if kind:
            raise UserError(f"{shortened(name)} is a {kind}, expected a tensor of floats")
    if broken := [name for name, value in _tensors(state) if not value.isfinite().all()]:
        raise UserError(
            f"{format_count(len(broken), 'tensor')} with values that are NaN or infinite, such as "
            f"{shortened(broken[0])}"
        )
    return state


def _require_shape(state: Any) -> None:
    """Raises UserError if the content of a state.pt does not have the structure that `state_of` creates."""
    if not isinstance(state, dict) or not all(isinstance(key, str) for key in state):
        raise UserError(f"the file contains a {type(state).__name__}, expected a dictionary with the state of a run")
    wanted = {"step": int, "fixed": dict, "random": Tensor}
    wrong = [name for name, kind in wanted.items() if not isinstance(state.get(name), kind) or state[name] is True]
    if wrong:
        raise UserError(f"these keys are missing or have a wrong type: {', '.join(wrong)}")
    if not all(isinstance(key, str) for key in state["fixed"]) or any(_tensors([*state["fixed"].values()])):
        raise UserError("the settings in `fixed` are not a dictionary of plain values")
    if not 0 <= state["step"] <= MAX_STEP:
        raise UserError(f"the step is {state['step']}")


def _tensors(value: Any, name: str = "", seen: set[int] | None = None) -> Iterator[tuple[str, Tensor]]:
    """Yields the dotted name and the value of each tensor in nested dictionaries, lists and tuples.

    An object that occurs several times is searched once; otherwise a small file could keep this function busy for ever.
    """
    seen = set() if seen is None else seen
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, dict | list | tuple) and id(value) not in seen:
        seen.add(id(value))
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _tensors(inner, f"{name}.{key}" if name else str(key), seen)


def require_same(then: dict[str, Any], now: dict[str, Any], path: Path) -> None:
    """Raises UserError, with the changes, if the checkpoint `path` was made with other settings than those of now."""
    defaults = {
        "model": ModelConfig.model_validate({}).model_dump(mode="json"),
        "train": TrainConfig.model_validate({"steps": 1}).model_dump(mode="json"),
    }
    absent = {key: defaults.get(key.split(".")[0], {}).get(key.split(".")[-1]) for key in now.keys() - then.keys()}
    then = then | absent  # settings that are newer than the checkpoint had their default
    then = {key: value for key, value in then.items() if key.removeprefix("train.") not in FREE_ON_RESUME}
    differing = sorted(key for key in then.keys() | now.keys() if then.get(key) != now.get(key))
    if differing:
        changes = [f"{shortened(key)}: {_shown(then.get(key))} then, {_shown(now.get(key))} now" for key in differing]
        raise UserError(
            f"{path} was made with other settings ({'; '.join(first_lines(changes))}); restore the settings, or give "
            "this run another `run:` folder"
        )


def _shown(value: Any) -> str:
    return shortened(value if isinstance(value, str) else reprlib.repr(value))  # lists within lists can be endless


def restore(run: Run, state: dict[str, Any], file: Path) -> None:
    """Loads the state into a run and into torch's random generators; raises UserError if it does not match the run."""
    name = "random"
    try:
        torch.set_rng_state(state["random"])
        if run.world.device.type == "cuda" and "random_cuda" in state:
            torch.cuda.set_rng_state(state["random_cuda"])
        for name, part in stateful(run).items():
            saved = state[name]
            if isinstance(part, torch.optim.Optimizer):  # its settings are those of this run; see `require_same`
                saved = saved | {"param_groups": part.state_dict()["param_groups"]}
            part.load_state_dict(saved)
            if isinstance(part, torch.optim.Optimizer):
                _require_moments(part, trained=state["step"] > 0)
    except (RuntimeError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise UserError(
            f"{file} is damaged: {name} does not match this run ({type(error).__name__}: {_one_line(error)}); "
            "remove the checkpoint, and write the name of an earlier checkpoint into checkpoints/latest"
        ) from error


def _one_line(error: Exception) -> str:
    return shortened(" ".join(str(error).split()), 300)


def _require_moments(optimizer: torch.optim.Optimizer, trained: bool) -> None:
    """Raises an error if Adam's averages do not have the shapes of the parameters, or its steps are not counts.

    `load_state_dict` does not check this; the next step would fail. It would start from zero for a parameter without
    averages; if the run is `trained`, all parameters must have them.
    """
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            moments = optimizer.state.get(parameter)
            if not moments and trained:
                raise ValueError(f"a parameter of the shape {list(parameter.shape)} has no averages")
            if not moments:
                continue
            if not float(moments["step"]) >= 0:
                raise ValueError(f"step is {float(moments['step'])}")
            for name in ("exp_avg", "exp_avg_sq"):
                found = moments[name].shape
                if found != parameter.shape:
                    raise ValueError(f"{name} has the shape {list(found)}, expected {list(parameter.shape)}")

"""Updates the weights: sets learning rates, averages and checks gradients, runs optimizers and moving average."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from hspcgan.model.common.errors import UserError
from hspcgan.train import distributed
from hspcgan.train.config import TrainConfig
from hspcgan.train.run_folder import checkpoints
from hspcgan.train.setup import Run
from hspcgan.train.step.schedule import factor_at


def set_rates(run: Run, step: int) -> None:
    """Sets the learning rates of this step according to `train.lr_schedule`."""
    factor = factor_at(run.config.lr_schedule, step)
    for optimizer, rate in ((run.optimizer_g, run.config.lr_generator), (run.optimizer_d, run.config.lr_discriminator)):
        for group in optimizer.param_groups:
            group["lr"] = rate * factor


def update(run: Run, loss: Tensor, optimizer: torch.optim.Optimizer, network: str, step: int) -> Tensor:
    """Averages the gradients over the processes, checks them, runs one optimizer step; returns the gradient norm.

    Once a loss or norm is not finite, updates no longer change any weight. The host does not wait for the
    device, so the error is raised later, by `require_finite`.

    Args:
        loss: the scalar loss after its backward pass; used for the check and the message.
        network: "discriminator" or "generator".
        step: counted from 0.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    distributed.average_gradients(parameters, run.world)
    norm = torch.stack(torch._foreach_norm([p.grad for p in parameters if p.grad is not None])).norm()
    run.finite.add(step, network, loss, norm)
    optimizer.found_inf = run.finite.skip  # type: ignore[attr-defined]  # fused Adam skips its step where this is 1
    optimizer.step()
    return norm


def require_finite(run: Run) -> None:
    """Waits for the device, and raises an error if the loss or gradient norm of any update so far was not finite.

    Raises:
        FloatingPointError: a loss or a gradient norm was not finite; no weight was changed from that update on.
    """
    found = run.finite.found()
    if found is None:
        return
    rows = run.batches.samples[run.batches.choose(found.step)[0][run.batches.rows]]
    keys = run.cache.samples_at(rows, ["key"])["key"].to_pylist()
    shared = f"Rows of rank {run.world.rank} of {run.world.size} (if its loss is finite, see the other ranks)"
    raise FloatingPointError(
        f"step {found.step + 1}: {found.network} loss is {found.loss}, its gradient norm {found.norm}; stopped before "
        f"the update. {'Batch' if run.world.size == 1 else shared}: {', '.join(keys)}. "
        f"Last good checkpoint: {checkpoints.latest(run.folder) or 'none'}. {_advice(run, found.step)}"
    )


def _advice(run: Run, step: int) -> str:
    """Returns what to do after an update that is not finite; if features in the cache are the cause, to rebuild it."""
    batch = run.batches.at(step)
    inputs: list[Tensor] = [batch.sentences, *(batch.taps or []), *vars(batch.condition).values()]
    try:
        run.cache.require_finite(values.numpy() for values in inputs)
    except UserError as error:
        return str(error)
    return "Lower train.lr_generator and train.lr_discriminator, or set train.precision: fp32"


def ema_decay(config: TrainConfig, step: int) -> float:
    """Returns the decay of the moving average at a step: (1 + step) / (10 + step), but at most `train.ema`.

    The small decay in the first steps removes random initial weights quickly. With `train.initial` the decay is always
    `train.ema`, which keeps those weights.
    """
    return config.ema if config.initial else min(config.ema, (1 + step) / (10 + step))


@torch.no_grad()
def update_ema(average: nn.Module, network: nn.Module, decay: float, skip: Tensor) -> None:
    """Updates the exponential moving average of the weights: average ← decay · average + (1 − decay) · network.

    `skip` is a scalar on the device; if it is 1, the average does not change.
    """
    averages: list[Tensor] = list(average.parameters())
    weights: list[Tensor] = [(1 - skip) * (1 - decay)] * len(averages)
    torch._foreach_lerp_(averages, list(network.parameters()), weights)


@contextmanager
def frozen(*networks: nn.Module) -> Iterator[None]:
    """Freezes the weights of the networks inside the block; gradients still flow to the inputs of the networks."""
    for network in networks:
        network.requires_grad_(False)
    try:
        yield
    finally:
        for network in networks:
            network.requires_grad_(True)

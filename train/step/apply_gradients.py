"""Updates the weights in one step: learning rates, averaged and checked gradients, optimizer step, moving average."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from hspcgan.train import checkpoints, distributed
from hspcgan.train.config import TrainConfig
from hspcgan.train.data import Batch
from hspcgan.train.setup import Run
from hspcgan.train.step.schedule import factor_at


def set_rates(run: Run, step: int) -> None:
    """Set the learning rates of this step according to `train.lr_schedule`."""
    factor = factor_at(run.config.lr_schedule, step)
    for optimizer, rate in ((run.optimizer_g, run.config.lr_generator), (run.optimizer_d, run.config.lr_discriminator)):
        for group in optimizer.param_groups:
            group["lr"] = rate * factor


def update(run: Run, loss: Tensor, optimizer: torch.optim.Optimizer, what: str, batch: Batch) -> Tensor:
    """Average the gradients over processes, check them, take one optimizer step; returns the gradient norm.

    Args:
        loss: the scalar loss after its backward pass; used for the check and the message.
        what: "discriminator" or "generator", for the message.

    Raises:
        FloatingPointError: loss or norm is not finite; raised before any weight is changed.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    distributed.average_gradients(parameters, run.world)
    norm = torch.stack(torch._foreach_norm([p.grad for p in parameters if p.grad is not None])).norm()
    value, size = torch.stack([loss, norm]).tolist()
    if not (math.isfinite(value) and math.isfinite(size)):
        keys = run.cache.samples_at(batch.samples, ["key"])["key"].to_pylist()
        shared = f"Rows of rank {run.world.rank} of {run.world.size} (if its loss is finite, see the other ranks)"
        rows = "Batch" if run.world.size == 1 else shared
        raise FloatingPointError(
            f"step {batch.step + 1}: {what} loss is {value}, its gradient norm {size}; stopped before the update. "
            f"{rows}: {', '.join(keys)}. Last good checkpoint: {checkpoints.latest(run.folder) or 'none'}. "
            f"Lower train.lr_generator and train.lr_discriminator, or set train.precision: fp32"
        )
    optimizer.step()
    return norm


def ema_decay(config: TrainConfig, step: int) -> float:
    """Returns the moving average's decay at a step: it rises from 0.1 as (1 + step) / (10 + step) up to `train.ema`.

    The rise removes random initial weights quickly. With `train.initial` the decay is constant, to keep those weights.
    """
    return config.ema if config.initial else min(config.ema, (1 + step) / (10 + step))


@torch.no_grad()
def update_ema(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Updates the exponential moving average of the weights: average ← decay · average + (1 − decay) · network."""
    torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - decay)


@contextmanager
def frozen(*networks: nn.Module) -> Iterator[None]:
    """Freezes the networks' weights inside the block; gradients still pass through to their inputs."""
    for network in networks:
        network.requires_grad_(False)
    try:
        yield
    finally:
        for network in networks:
            network.requires_grad_(True)

"""Training in several processes, started by torchrun; a single process does not use torch.distributed.

DistributedDataParallel is not used, because it does not support the double backward pass of the gradient penalty.
Every process builds the same networks from the same seed, computes its own rows of the global batch, and averages
gradients in one all-reduce.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

from hspcgan.model.clip.frozen import pick_device
from hspcgan.model.common.errors import UserError
from hspcgan.model.common.launcher import launcher_integer
from hspcgan.train.process.signals import default_signals
from hspcgan.train.process.wait_for_processes import wait_for_processes


@dataclass(frozen=True)
class World:
    """Describes this process: its rank in [0, size), the number of processes, and the device it computes on."""

    rank: int
    size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Whether this process logs, saves and evaluates."""
        return self.rank == 0


LAUNCH_VARIABLES = ("RANK", "MASTER_ADDR", "MASTER_PORT")  # torchrun sets these and WORLD_SIZE


def start(device: str, received: Sequence[str] = ()) -> World:
    """Joins the process group that torchrun's environment variables describe; without them, this process trains alone.

    Args:
        device: "auto", "cpu" or "cuda".
        received: the signals received so far. Until all processes are connected, a signal ends this process.
    Raises:
        UserError: cuda is requested but not available; WORLD_SIZE is above 1 and the other variables of torchrun are
            missing or invalid; or the other processes cannot be reached.
    """
    world = planned_world(device)
    if world.size == 1:
        return world
    absent = [name for name in LAUNCH_VARIABLES if not os.environ.get(name)]
    if absent:
        raise UserError(
            f"WORLD_SIZE is {world.size}, but these variables are not set: {', '.join(absent)}; start the command with "
            "torchrun, or unset WORLD_SIZE"
        )
    on_gpu = world.device.type == "cuda"
    if on_gpu:
        torch.cuda.set_device(world.device)
    with default_signals(received):
        store = wait_for_processes(
            world.rank, world.size, os.environ["MASTER_ADDR"], launcher_integer("MASTER_PORT", 0, most=65_535)
        )
        try:
            # Only the main process evaluates, while the others wait; the default timeout of ten minutes is too short.
            # With gloo for tensors on the CPU, processes exchange flags without waiting for their GPUs.
            dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo", timeout=timedelta(hours=6), store=store,
                                    rank=world.rank, world_size=world.size)  # fmt: skip
        except RuntimeError as error:
            raise UserError(
                f"all processes have started, but cannot connect to each other ({str(error).splitlines()[0]}); open "
                "the ports between their machines, or name the network interface in GLOO_SOCKET_IFNAME (with GPUs, "
                "also in NCCL_SOCKET_IFNAME)"
            ) from error
    return world


def planned_world(device: str) -> World:
    """Returns the World that `start` would return, without connecting to other processes.

    Raises UserError if cuda is requested but not available.
    """
    where, size = pick_device(device, "train.device"), launcher_integer("WORLD_SIZE", 1, least=1)
    if size == 1:
        return World(0, 1, where)
    if where.type == "cuda":
        where = torch.device("cuda", launcher_integer("LOCAL_RANK", 0, most=torch.cuda.device_count() - 1))
    return World(launcher_integer("RANK", 0, most=size - 1), size, where)


def end(world: World) -> None:
    """Leaves the process group."""
    if world.size > 1:
        dist.destroy_process_group()


def average_gradients(parameters: Iterable[nn.Parameter], world: World) -> None:
    """Replaces every `.grad` with its mean over the processes, in one all-reduce; a missing gradient counts as zero."""
    if world.size == 1:
        return
    parameters = list(parameters)
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    flat = torch.cat([p.grad.flatten() for p in parameters if p.grad is not None])
    dist.all_reduce(flat)
    flat /= world.size
    for parameter, mean in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
        parameter.grad = mean.view_as(parameter)


def owner_weight(value: Tensor, world: World) -> Tensor | float:
    """Returns a loss weight: `world.size` if this process has the largest value of all processes, otherwise 0.

    If several values are equal, only the first process gets the weight. With it, the mean of the gradients over the
    processes is the gradient of the worst term of the global batch.
    """
    if world.size == 1:
        return 1.0
    values = torch.zeros(world.size, device=value.device)
    values[world.rank] = value.detach().float()
    dist.all_reduce(values)
    return (values.argmax() == world.rank).float() * world.size


def largest(value: Tensor, world: World) -> Tensor:
    """Returns the maximum of a scalar over all processes; the result is on the device of the scalar."""
    if world.size > 1:
        dist.all_reduce(value, dist.ReduceOp.MAX)
    return value


def mean(values: Sequence[float], world: World) -> list[float]:
    """Returns the mean of each value over all processes, computed in float64."""
    if world.size == 1:
        return list(values)
    total = torch.tensor(values, dtype=torch.float64)
    dist.all_reduce(total)
    return (total / world.size).tolist()


def any_process(flags: Sequence[bool], world: World) -> list[bool]:
    """Returns for each flag whether it is true in at least one process; all processes get the same result."""
    if world.size == 1:
        return list(flags)
    counts = torch.tensor(flags, dtype=torch.int64)
    dist.all_reduce(counts)
    return [count > 0 for count in counts.tolist()]

"""Checks on the device whether losses and gradients are finite, so that the CPU does not wait after each step."""

from typing import NamedTuple

import torch
from torch import Tensor

from hspcgan.train import distributed
from hspcgan.train.distributed import World

NETWORKS = ("discriminator", "generator")  # in the order of their updates in a step


class NotFinite(NamedTuple):
    """The first update with a loss or a gradient norm that is not finite."""

    step: int  # counted from 0
    network: str
    loss: float  # of this process
    norm: float


class FiniteCheck:
    """Checks whether the losses and gradient norms of all updates are finite.

    `skip` is a float32 scalar on the device: 0 while everything is finite, and 1 from the first update on that is not
    finite in at least one process. While it is 1, the optimizers and the moving average do not change weights. `found`
    waits for the device.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.skip = torch.zeros((), device=world.device)
        self._first = torch.zeros(4, dtype=torch.float64, device=world.device)  # step, network, loss, norm

    def add(self, step: int, network: str, loss: Tensor, norm: Tensor) -> None:
        """Checks loss and gradient norm of one update on the device, and sets `skip` if one of them is not finite."""
        values = torch.stack([loss.detach(), norm]).double()
        bad = distributed.largest((~values.isfinite()).any().to(self.skip), self.world)
        place = [torch.full_like(values[:1], number) for number in (step, NETWORKS.index(network))]
        self._first = torch.where(bad > self.skip, torch.cat([*place, values]), self._first)
        self.skip = torch.maximum(self.skip, bad)

    def found(self) -> NotFinite | None:
        """Returns the first update that is not finite, or None if there is none."""
        skip, step, network, loss, norm = torch.cat([self.skip[None], self._first]).tolist()
        return NotFinite(int(step), NETWORKS[int(network)], loss, norm) if skip else None

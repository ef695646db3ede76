"""Connects the processes of a run: each process waits until all have started, and logs which are missing."""

import logging
import os
import socket
import time
from collections.abc import Callable
from datetime import timedelta

from torch.distributed import PrefixStore, Store, TCPStore

from hspcgan.model.common.errors import UserError

log = logging.getLogger("hspcgan.train")

LIMIT_SEC, SAID_EVERY_SEC, PAUSE_SEC = 900, 60, 0.2
SHOWN = 8  # maximum number of missing processes in a message


def wait_for_processes(rank: int, size: int, address: str, port: int) -> Store:
    """Waits until all processes have connected to their shared store, and returns it.

    Process 0 serves the store at address:port, unless torchrun serves it. Raises UserError if the address cannot be
    used, or if a process is still missing after LIMIT_SEC.
    """
    serves = rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    if not serves:
        _wait(lambda: _server_missing(address, port))
    limit = timedelta(seconds=LIMIT_SEC)
    try:
        socket.getaddrinfo(address, port)  # TCPStore would try again until its limit, with warnings of its own
        shared = TCPStore(address, port, size, serves, limit, wait_for_workers=False, multi_tenant=True)
    except (RuntimeError, OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise UserError(
            f"{address}:{port} cannot be used ({reason}); set another MASTER_ADDR or MASTER_PORT"
        ) from error
    store = PrefixStore("hspcgan", shared)
    store.set(f"process {rank}", "here")
    _wait(lambda: _missing_processes(store, size))
    return store


def _wait(missing: Callable[[], str]) -> None:
    """Waits until `missing` returns an empty string; once per minute, logs the processes that it returns.

    Raises UserError after LIMIT_SEC.
    """
    began = said = time.monotonic()
    while what := missing():
        now = time.monotonic()
        if now - began >= LIMIT_SEC:
            raise UserError(
                f"{what} did not connect within {LIMIT_SEC / 60:.0f} minutes; start every process on machines that can "
                "reach MASTER_ADDR, or unset WORLD_SIZE"
            )
        if now - said >= SAID_EVERY_SEC:
            log.info(f"waiting for {what} ({(now - began) / 60:.0f} min so far)")
            said = now
        time.sleep(PAUSE_SEC)


def _server_missing(address: str, port: int) -> str:
    """Returns what is missing, for the log: process 0 if it does not answer at its address, otherwise ""."""
    try:
        socket.create_connection((address, port), timeout=5).close()
        return ""
    except (OSError, UnicodeError) as error:  # UnicodeError: not a name of a machine
        return f"process 0 at {address}:{port} ({getattr(error, 'strerror', None) or error})"


def _missing_processes(store: Store, size: int) -> str:
    absent = [str(rank) for rank in range(size) if not store.check([f"process {rank}"])]
    more = ", …" if len(absent) > SHOWN else ""
    return f"process {', '.join(absent[:SHOWN])}{more} of {size}" if absent else ""

"""Listens on 127.0.0.1 and answers with the playground until a signal ends it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from hspcgan.evaluate.playground.app import application
from hspcgan.evaluate.playground.checkpoints import Checkpoints
from hspcgan.evaluate.playground.queue import Queue
from hspcgan.model.common.errors import UserError

HOST = "127.0.0.1"
GRACE_SEC = 3  # at the end, for answers that are on their way


def serve(checkpoints: Checkpoints, port: int, echo: Callable[[str], None]) -> None:
    """Blocks until SIGINT or SIGTERM. `echo` gets the address. UserError where the port is taken."""
    with listening(port) as listener:
        server = server_of(checkpoints, listener)
        echo(f"Playground: http://{HOST}:{listener.getsockname()[1]}  (Ctrl-C ends it)")
        with suppress(KeyboardInterrupt):  # uvicorn raises it again after it has ended in order
            server.run(sockets=[listener])


def listening(port: int) -> socket.socket:
    """A socket bound to 127.0.0.1, at any free port for 0. UserError where the port is taken."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)  # from here on nobody is refused, though answers wait until the server runs
    except OSError as error:
        listener.close()
        raise UserError(f"port {port} of {HOST} cannot be used ({error.strerror}); give another --port") from error
    return listener


def server_of(checkpoints: Checkpoints, listener: socket.socket, queue: Queue | None = None) -> uvicorn.Server:
    """The server of a bound socket; run it with `sockets=[listener]`."""
    app = application(checkpoints, listener.getsockname()[1], queue)
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False,
                            timeout_graceful_shutdown=GRACE_SEC, ws="none")  # fmt: skip
    return uvicorn.Server(config)

"""Serves the playground on 127.0.0.1 until a signal stops it."""

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
GRACE_SEC = 3  # time to finish responses at shutdown


def serve(checkpoints: Checkpoints, port: int, echo: Callable[[str], None]) -> None:
    """Serves until SIGINT or SIGTERM; prints the address with `echo`. UserError if the port is in use."""
    with open_socket(port) as listener:
        server = make_server(checkpoints, listener)
        echo(f"Playground: http://{HOST}:{listener.getsockname()[1]}  (Ctrl-C stops it)")
        with suppress(KeyboardInterrupt):  # uvicorn raises it again after a clean shutdown
            server.run(sockets=[listener])


def open_socket(port: int) -> socket.socket:
    """Returns a socket bound to 127.0.0.1; port 0 selects a free port. UserError if the port is in use."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)  # from now on connections are accepted; responses wait for the server
    except OSError as error:
        listener.close()
        raise UserError(f"port {port} of {HOST} cannot be used ({error.strerror}); give another --port") from error
    return listener


def make_server(checkpoints: Checkpoints, listener: socket.socket, queue: Queue | None = None) -> uvicorn.Server:
    """Returns the server for a bound socket; run it with `sockets=[listener]`."""
    app = application(checkpoints, listener.getsockname()[1], queue)
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False,
                            timeout_graceful_shutdown=GRACE_SEC, ws="none")  # fmt: skip
    return uvicorn.Server(config)

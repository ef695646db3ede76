"""One trainer at a time in a run folder: a lock on its file `lock`, which ends with the process that holds it."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hspcgan.model.errors import UserError
from hspcgan.pipeline.cache.lock import take


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a run folder, which is made where there is none; its file `lock` stays and names the last holder.

    Raises:
        UserError: another process, which is named, holds it, or nothing can be locked there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "a+", encoding="utf-8") as file:  # not "w": what it says is the holder's
        try:
            take(file, "run")
        except BlockingIOError:
            file.seek(0)
            raise UserError(
                f"{file.read() or 'another process'} is training in {folder}; wait for it, stop it, or give this run "
                "another `run:` folder"
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield

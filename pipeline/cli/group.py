"""How commands of `hspcgan` behave at the edge: lazily loaded, refusals one clear message, bugs a traceback."""

import errno
import importlib.metadata
import multiprocessing
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import click

from hspcgan.model.errors import UserError

EXTRAS = {
    "stanza": "pipeline",
    "spacy": "pipeline",
    "sng_parser": "pipeline",
    "transformers": "factual",
    "cleanfid": "evaluate",
    "scipy": "evaluate",
    "jinja2": "evaluate",
    "starlette": "ui",
    "uvicorn": "ui",
    "ray": "ray",
    "upath": "remote",
}
"""Import names of optional packages by the extra that installs them."""

NO_PATH = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError)
NO_NAME = (errno.ENAMETOOLONG, errno.ELOOP, errno.EROFS)
"""A name too long, links in a circle, a disk that cannot be written: like `NO_PATH`, but without a class of its own."""

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""A full disk, a used-up quota, a file beyond the allowed size."""


class RootGroup(click.Group):
    """
    The root group: its own commands and those of the entry-point group `hspcgan.commands`, in order of the work.

    What a user can mend arrives as UserError or as a missing file and leaves as a ClickException (exit code 1);
    anything else is a bug and keeps its traceback, as do all errors under --debug.
    """

    order = ("demo", "prepare", "ingest", "parse", "encode", "taps", "inspect", "stats", "validate", "export",
             "copy", "graphs", "train", "sample", "interpolate", "edit", "evaluate", "report", "bench",
             "doctor")  # fmt: skip

    def _entry_points(self) -> dict[str, importlib.metadata.EntryPoint]:
        return {point.name: point for point in importlib.metadata.entry_points(group="hspcgan.commands")}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Own and foreign commands; unknown ones after the known, by name."""
        names = {*super().list_commands(ctx), *self._entry_points()}
        return [name for name in self.order if name in names] + sorted(names.difference(self.order))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported when first asked for; one that cannot be imported says so when it is run."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        point = self._entry_points().get(cmd_name)
        if point is None:
            return None
        try:
            return point.load()
        except ImportError as error:
            return _unavailable(cmd_name, error)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; the one place where refusals become messages."""
        try:
            return super().invoke(ctx)
        except (UserError, *NO_PATH) as error:
            if ctx.params.get("debug"):
                raise
            raise click.ClickException(str(error)) from error
        except OSError as error:
            if error.errno not in NO_NAME + NO_ROOM or ctx.params.get("debug"):
                raise
            if error.errno in NO_NAME:
                raise click.ClickException(str(error)) from error
            raise click.ClickException(
                f"{error}; what is finished is kept: make room and run the same command again"
            ) from error
        except ModuleNotFoundError as error:
            extra = EXTRAS.get((error.name or "").split(".")[0])
            if extra is None or ctx.params.get("debug"):
                raise
            raise click.ClickException(
                f"{error.name} is not installed; pip install '.[{extra}]' in hspcgan's checkout"
            ) from error


@contextmanager
def tidy_end() -> Iterator[None]:
    """
    Inside, SIGTERM and SIGHUP leave through every `finally`, with the exit code that a shell gives them: 143, 129.

    Worker processes are ended at once, not after their batch. A signal that is ignored, as under nohup, stays so.
    """
    usual = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) == signal.SIG_DFL]
    for number in usual:
        signal.signal(number, _leave)
    try:
        yield
    finally:
        for number in usual:
            signal.signal(number, signal.SIG_DFL)


def _leave(number: int, frame: FrameType | None) -> None:
    for worker in multiprocessing.active_children():
        worker.terminate()
    raise SystemExit(128 + number)


def _unavailable(name: str, error: ImportError) -> click.Command:
    @click.command(
        name,
        help=f"Not available here: {error}",
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )
    def command() -> None:
        raise error

    return command

"""The root group of `hspcgan`: loads commands lazily, sets up logging, turns errors into messages and exit codes."""

import importlib.metadata
import sys
import threading
import traceback
from typing import Any

import click

from hspcgan.model.common.printable import printable
from hspcgan.pipeline.cli import logs
from hspcgan.pipeline.cli.failures import (
    INTERNAL,
    INTERRUPTED,
    Failure,
    failure,
    report_bug,
    report_thread,
    warn_of_memory_limit,
)
from hspcgan.pipeline.cli.streams import discard_unwritten_errors, prepare_streams


class RootGroup(click.Group):
    """
    The root group: lists its commands and those of the entry-point group `hspcgan.commands`, in a fixed order.

    An error that a user can fix ends the command with its message and exit code (see failures.py); any other error is
    reported as a bug, with its traceback and exit code 70. --debug shows the tracebacks of both.
    """

    order = ("demo", "prepare", "ingest", "parse", "encode", "taps", "inspect", "stats", "validate", "export",
             "copy", "graphs", "train", "study", "sample", "interpolate", "edit", "playground", "evaluate",
             "reference", "compare", "table", "report", "bench", "manifests", "keys", "doctor", "models",
             "assets")  # fmt: skip

    def _entry_points(self) -> dict[str, importlib.metadata.EntryPoint]:
        return {point.name: point for point in importlib.metadata.entry_points(group="hspcgan.commands")}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Returns the names of all commands: first those in `order`, then the others alphabetically."""
        names = {*super().list_commands(ctx), *self._entry_points()}
        return [name for name in self.order if name in names] + sorted(names.difference(self.order))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Returns a command, imported on first use; if the import fails, the command reports this when it is run."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return _logged(own)
        point = self._entry_points().get(cmd_name)
        if point is None:
            return None
        try:
            return _logged(point.load())
        except ImportError as error:
            return _unavailable(cmd_name, error)

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Runs the command line; in standalone mode (a terminal) the process exits here."""
        prepare_streams()
        threading.excepthook = report_thread
        with logs.log_to_stderr():
            try:
                return super().main(*args, standalone_mode=standalone_mode, **extra)  # type: ignore[call-overload]
            except Exception as error:
                if not standalone_mode:
                    raise
                report_bug(error)
                sys.exit(INTERNAL)
            finally:
                discard_unwritten_errors()

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command and converts errors to messages."""
        warn_of_memory_limit()
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            error.message = printable(error.message)  # type: ignore[misc]
            raise
        except KeyboardInterrupt:
            raise Failure("interrupted", INTERRUPTED) from None
        except BrokenPipeError:
            raise  # the reader of the output has closed it, as `head` does; click then ends without a message
        except Exception as error:
            shown = failure(error)
            if shown is None:
                raise
            if ctx.params.get("debug"):
                print(printable("".join(traceback.format_exception(error))), file=sys.stderr)
            raise shown from error


def _logged(command: click.Command) -> click.Command:
    """Adds the log options to a command and its subcommands."""
    if not any(option.name == "log_format" for option in command.params):
        command.params += logs.options(hidden=True)
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        _logged(below)
    return command


def _unavailable(name: str, error: ImportError) -> click.Command:
    @click.command(
        name,
        help=f"Not available in this installation: {error}",
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )
    def command() -> None:
        raise error

    return command

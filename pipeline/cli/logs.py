"""The log of a command: one handler that writes all records of hspcgan to standard error, as text or JSON lines."""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from typing import Any

import click

from hspcgan.model.common.printable import printable, without_passwords

ROOT = logging.getLogger("hspcgan")
FORMATS = ("text", "json")


class TextFormatter(logging.Formatter):
    """Formats a record as its message; warnings and errors begin with their level."""

    def format(self, record: logging.LogRecord) -> str:
        """Formats a record as text, with its traceback if any."""
        text = printable(super().format(record))
        return f"{record.levelname.lower()}: {text}" if record.levelno >= logging.WARNING else text


class JsonFormatter(logging.Formatter):
    """Formats one JSON object per line: time (UTC, ISO 8601), level, logger, message, traceback if any."""

    def format(self, record: logging.LogRecord) -> str:
        """Formats a record as one line of JSON."""
        line = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": without_passwords(record.getMessage()),
        }
        if record.exc_info:
            line["traceback"] = without_passwords(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


class ErrorStreamHandler(logging.Handler):
    """Writes to standard error, above the progress bar if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one record; a standard error that is closed, or on a full disk, does not end the command."""
        if sys.stderr is None or sys.stderr.closed:
            return
        line = self.format(record)
        with suppress(OSError):
            if "tqdm" in sys.modules:
                sys.modules["tqdm"].tqdm.write(line, file=sys.stderr)
            else:
                print(line, file=sys.stderr)
            sys.stderr.flush()


HANDLER = ErrorStreamHandler()


@contextmanager
def log_to_stderr() -> Iterator[None]:
    """In the `with` block, writes records of level INFO or higher to standard error; nested calls have no effect."""
    if HANDLER in ROOT.handlers:
        yield
        return
    before = ROOT.level
    HANDLER.setFormatter(TextFormatter())
    ROOT.setLevel(logging.INFO)
    ROOT.addHandler(HANDLER)
    try:
        yield
    finally:
        ROOT.removeHandler(HANDLER)
        ROOT.setLevel(before)


def options(hidden: bool) -> list[click.Option]:
    """Returns the options -v, -q and --log-format, which every command accepts; only the root's help shows them."""
    shared: dict[str, Any] = {"expose_value": False, "hidden": hidden}
    return [
        click.Option(["-v", "--verbose"], is_flag=True, callback=_verbose, help="Also log debug messages.", **shared),
        click.Option(["-q", "--quiet"], is_flag=True, callback=_quiet, help="Log only warnings and errors.", **shared),
        click.Option(["--log-format"], type=click.Choice(FORMATS), callback=_log_format,
                     help="Format of the log on standard error; json writes one object per line.", **shared),
    ]  # fmt: skip


def _verbose(ctx: click.Context, option: click.Parameter, given: bool) -> None:
    if given:
        ROOT.setLevel(logging.DEBUG)


def _quiet(ctx: click.Context, option: click.Parameter, given: bool) -> None:
    if given:
        ROOT.setLevel(logging.WARNING)


def _log_format(ctx: click.Context, option: click.Parameter, given: str | None) -> None:
    if given is not None:
        HANDLER.setFormatter(JsonFormatter() if given == "json" else TextFormatter())

"""The log of a command: one handler that writes the records of all rooms to standard error, as text or JSON lines."""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

import click

from hspcgan.model.common.printable import printable

ROOT = logging.getLogger("hspcgan")
FORMATS = ("text", "json")


class TextFormatter(logging.Formatter):
    """The message alone; a warning or an error begins with its level."""

    def format(self, record: logging.LogRecord) -> str:
        """One record as text, with the traceback where it has one."""
        text = printable(super().format(record))
        return f"{record.levelname.lower()}: {text}" if record.levelno >= logging.WARNING else text


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC, ISO 8601), level, logger (the room), message, traceback if any."""

    def format(self, record: logging.LogRecord) -> str:
        """One record as a line of JSON."""
        line = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class ErrorStreamHandler(logging.Handler):
    """Writes to standard error, above a progress bar where one is running."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; a closed or absent standard error is ignored."""
        if sys.stderr is None or sys.stderr.closed:
            return
        line = self.format(record)
        if "tqdm" in sys.modules:
            sys.modules["tqdm"].tqdm.write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr)
        sys.stderr.flush()


HANDLER = ErrorStreamHandler()


@contextmanager
def attached() -> Iterator[None]:
    """Inside, records of level INFO and above reach standard error as text; commands run by commands change nothing."""
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
    """-v, -q and --log-format; every command takes them, the root's help shows them."""
    shared: dict[str, Any] = {"expose_value": False, "hidden": hidden}
    return [
        click.Option(["-v", "--verbose"], is_flag=True, callback=_verbose, help="Log details, too.", **shared),
        click.Option(["-q", "--quiet"], is_flag=True, callback=_quiet, help="Log warnings and errors only.", **shared),
        click.Option(["--log-format"], type=click.Choice(FORMATS), callback=_log_format,
                     help="How the log on standard error is written; json: one object a line.", **shared),
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

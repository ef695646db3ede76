"""Converts paths in manifests and commands: local paths for pathlib, URLs for fsspec."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hspcgan.model.common.errors import UserError, install_command
from hspcgan.model.common.files import NO_ROOM
from hspcgan.model.common.user_files import is_local

MAX_SHOWN = 300
"""Characters of a library's message that are shown."""
NO_RANGES = "support range requests"
"""In fsspec's message for a web server that sends the whole file instead of a part of it."""


def path_or_url(value: Any) -> Any:
    """Returns a URL such as s3://bucket/data as a Path-like `UPath`, any other path as a local Path with ~ expanded."""
    if not isinstance(value, str | Path | None):
        raise UserError("expected a path as a string")
    if value == "":
        raise UserError("the path is empty; give a path")
    if any(char == "\0" or "\ud800" <= char <= "\udfff" for char in str(value)):
        raise UserError(f"{value!r} cannot be the name of a file")
    if not isinstance(value, str) or "://" not in value:
        return value if value is None else Path(os.path.expanduser(value))
    try:
        urlsplit(value)
    except ValueError as error:
        raise UserError(f"{value} is not a valid URL: {error}") from error
    try:
        from upath import UPath
    except ModuleNotFoundError:
        raise UserError(f"{value} is a URL, which needs universal_pathlib: {install_command('remote')}") from None
    if value.partition("://")[2].strip("/"):
        value = value.rstrip("/")  # HTTP paths with a / at the end do not contain the files that they list
    try:
        found = UPath(value)
        _ = found.fs  # a missing package raises now, not at first use
        return found
    except (ImportError, ValueError) as error:
        raise UserError(
            f"{value}: {error}; install the fsspec package for that protocol, such as s3fs or gcsfs"
        ) from error
    except Exception as error:  # fsspec does not document what its file systems raise when they connect
        reason = f"{type(error).__name__}: {str(error)[:MAX_SHOWN]}"
        raise UserError(f"{value} cannot be opened ({reason}); check the URL and the network") from error


@contextmanager
def remote_errors(place: Any) -> Iterator[None]:
    """Converts exceptions of libraries that access a URL to UserError; exceptions for local paths do not change."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if place is None or is_local(place) or getattr(error, "errno", None) in NO_ROOM:
            raise
        if NO_RANGES in str(error):
            raise UserError(
                f"the web server of {place} does not send parts of files (range requests); download the files, for "
                "example with `wget -r -np URL`, and give the path of their folder"
            ) from error
        raise UserError(
            f"{place} cannot be read or written ({type(error).__name__}: {str(error)[:MAX_SHOWN]}); check the URL, the "
            "network and your access rights, then run the same command again"
        ) from error

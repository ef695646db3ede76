"""Click types for paths; before a command starts, they reject an empty path, or a path that cannot be written."""

import os
from pathlib import Path
from typing import Any

import click

from hspcgan.model.common.errors import UsageError
from hspcgan.model.common.files import require_outside_cache, require_writable


class InPath(click.Path):
    """Click type for a path that is not empty, since "$NAME" of an unset variable does not mean the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Returns what click.Path returns, for a path that is not empty."""
        if value == "":
            self.fail("the path is empty; give a path", param, ctx)
        return super().convert(value, param, ctx)


class OutPath(InPath):
    """Click type that converts an output path to `pathlib.Path`; it must be writable and outside caches.

    A ~ at the beginning is expanded, since shells do not expand it in --out=~/page.html.
    """

    def __init__(self, **kinds: bool) -> None:
        super().__init__(path_type=Path, **kinds)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Returns the value as a path; raises UserError if it cannot be written, is a URL, or is inside a cache."""
        if "://" in os.fspath(value):
            raise UsageError(f"{value} is a URL, expected a local path; only `hspcgan copy` writes to URLs")
        path = Path(super().convert(os.path.expanduser(value), param, ctx))  # type: ignore[arg-type]  # a Path, by `path_type`
        require_writable(path)
        require_outside_cache(path)
        return path


OutFile, OutFolder = OutPath(dir_okay=False), OutPath(file_okay=False)

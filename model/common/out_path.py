"""The option type of what a command writes: a path that cannot be written is refused before the work."""

from pathlib import Path
from typing import Any

import click

from hspcgan.model.common.files import require_writable


class OutPath(click.Path):
    """A path to write, as `pathlib.Path`; UserError as `require_writable`."""

    def __init__(self, **kinds: bool) -> None:
        super().__init__(path_type=Path, **kinds)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path, checked."""
        path = super().convert(value, param, ctx)
        require_writable(path)
        return path


OutFile, OutFolder = OutPath(dir_okay=False), OutPath(file_okay=False)

"""Option types for output paths, which reject paths that cannot be written before the command starts its work."""

from pathlib import Path
from typing import Any

import click

from hspcgan.model.common.files import require_writable


class OutPath(click.Path):
    """An output path, converted to `pathlib.Path`; UserError as in `require_writable`."""

    def __init__(self, **kinds: bool) -> None:
        super().__init__(path_type=Path, **kinds)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Returns the path if it can be written."""
        path = Path(super().convert(value, param, ctx))  # type: ignore[arg-type]  # a Path, by `path_type`
        require_writable(path)
        return path


OutFile, OutFolder = OutPath(dir_okay=False), OutPath(file_okay=False)

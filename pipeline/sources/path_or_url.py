"""Paths in manifests and commands: local ones as pathlib has them, URLs as fsspec opens them."""

import os
from pathlib import Path
from typing import Any

from hspcgan.model.common.errors import UserError, install


def path_or_url(value: Any) -> Any:
    """A local path, where ~ is the home folder; a URL such as s3://bucket/data as `UPath`, with Path's methods."""
    if not isinstance(value, str | Path | None):
        raise UserError("expected a path, as text")
    if not isinstance(value, str) or "://" not in value:
        return value if value is None else Path(os.path.expanduser(value))
    try:
        from upath import UPath
    except ModuleNotFoundError:
        raise UserError(f"{value} is a URL, which needs universal_pathlib: {install('remote')}") from None
    try:
        found = UPath(value)
        _ = found.fs  # a missing package raises now, not at first use
        return found
    except (ImportError, ValueError) as error:
        raise UserError(
            f"{value}: {error}; install fsspec's package for that protocol, such as s3fs or gcsfs"
        ) from error

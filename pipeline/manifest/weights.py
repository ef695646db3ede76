"""Finds weights by name or path: shipped with the package, or downloaded to `weights/` by `hspcgan models fetch`."""

import os
from pathlib import Path

from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.assets import assets_folder


def shipped_weights() -> dict[str, Path]:
    """Returns the files and folders of shipped weights by name; a manifest can give the name instead of a path."""
    return {
        path.stem: path
        for path in sorted(assets_folder().iterdir(), reverse=True)
        if path.suffix == ".pt" or (path.is_dir() and path.name.startswith("toy-"))
    }


def weights_path(name_or_path: str) -> Path:
    """Returns the path of weights from a shipped name ("toy-clip") or a path. Raises UserError if they do not exist."""
    shipped = shipped_weights()
    if name_or_path in shipped:
        return shipped[name_or_path]
    path = Path(os.path.expanduser(name_or_path))  # unlike Path.expanduser, without an error for unknown users
    if name_or_path and path.exists():
        return path
    raise UserError(
        f"no weights {name_or_path!r}: neither a path nor a shipped name ({', '.join(sorted(shipped))}); "
        "`hspcgan doctor` lists other weights, such as OpenAI's ViT-B-32.pt, with the commands that download them"
    )

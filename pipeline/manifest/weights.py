"""Finds weights by name or path: shipped with the package, or downloaded to `weights/` by `hspcgan models fetch`."""

from pathlib import Path

from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.assets import assets_folder


def shipped_weights() -> dict[str, Path]:
    """Files and folders of weights that are part of the package, by the name that can be used instead of a path."""
    return {
        path.stem: path
        for path in sorted(assets_folder().iterdir(), reverse=True)
        if path.suffix == ".pt" or (path.is_dir() and path.name.startswith("toy-"))
    }


def weights_path(name_or_path: str) -> Path:
    """The file or folder of weights with a shipped name ("toy-clip") or a path. Raises UserError if none exists."""
    shipped = shipped_weights()
    if name_or_path in shipped:
        return shipped[name_or_path]
    path = Path(name_or_path).expanduser()
    if name_or_path and path.exists():
        return path
    raise UserError(
        f"no weights {name_or_path!r}: neither a path nor a shipped name ({', '.join(sorted(shipped))}); "
        "`hspcgan doctor` lists what is missing, `hspcgan models fetch` downloads OpenAI's ViT-B-32.pt"
    )

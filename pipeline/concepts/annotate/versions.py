"""Which tools, model files and rules a parse depends on, for fingerprints."""

import hashlib
import importlib.metadata
from collections.abc import Mapping
from pathlib import Path


def files_sha256(files: Mapping[str, Path]) -> str:
    """Of files' names here and contents."""
    from hspcgan.model.clip_file import file_sha256

    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        digest.update(f"{name}\0{file_sha256(path)}\n".encode())
    return digest.hexdigest()


def tool_versions(*packages: str) -> dict[str, str]:
    """Installed versions by distribution name."""
    return {name: importlib.metadata.version(name) for name in packages}


def rules_sha256() -> str:
    """Of this package's sources and word lists: a changed rule is another parser."""
    folder = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for path in sorted([*folder.rglob("*.py"), *folder.rglob("*.txt")]):
        digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()

"""Lists, shows and copies the manifests that are shipped with the package."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from hspcgan.model.common.errors import UsageError
from hspcgan.model.common.files import write_atomically
from hspcgan.pipeline.manifest.files import own_keys, shipped_folder, shipped_manifests, shipped_path

SCHEMA = "schema.json"
SCHEMA_LINE = re.compile(r"^# yaml-language-server: \$schema=.*$", re.MULTILINE)


def list_shipped(prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yields names and descriptions of the shipped manifests whose names start with `prefix`.

    Those for rows of the paper's tables are summarised by folder unless the prefix starts with "paper".
    """
    names = [name for name in shipped_manifests() if name.startswith(prefix)]
    for name in names:
        if prefix.startswith("paper") or not name.startswith("paper/"):
            yield name, str(own_keys(shipped_path(name)).get("description", ""))
    if not prefix:
        for folder in sorted({name.rpartition("/")[0] for name in names if name.startswith("paper/")}):
            count = sum(name.rpartition("/")[0] == folder for name in names)
            yield f"{folder}/…", f"{count} rows of the paper's tables; `hspcgan manifests {folder}` lists them"


def copy_shipped(name: str, target: Path, force: bool = False) -> None:
    """Copies a shipped manifest to `target`, and changes its `base` so that it is also found from the new folder.

    Raises UsageError for an unknown name, and if the file already exists and `force` is not given.
    """
    source = shipped_path(name)
    if target.exists() and not force:
        raise UsageError(f"{target} already exists; give another --out, or --force to overwrite the file")
    text = source.read_text(encoding="utf-8")
    if base := own_keys(source).get("base"):
        found = (source.parent / base).resolve().relative_to(shipped_folder().resolve()).with_suffix("").as_posix()
        text = re.sub(r"^base:.*$", f"base: {found}", text, flags=re.MULTILINE)
    text = SCHEMA_LINE.sub(lambda _: schema_line(target), text)
    write_atomically(target, text)


def schema_line(manifest: Path) -> str:
    """Returns the comment line by which editors find the JSON Schema, for a manifest at this path."""
    schema = shipped_folder() / SCHEMA
    inside = manifest.resolve().is_relative_to(shipped_folder().resolve())
    place = os.path.relpath(schema.resolve(), manifest.resolve().parent) if inside else schema.resolve()
    return f"# yaml-language-server: $schema={place}"

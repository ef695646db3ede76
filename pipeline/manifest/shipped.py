"""The manifests that the package ships: listed with their descriptions, shown, and copied to start from."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from hspcgan.model.common.errors import UsageError
from hspcgan.model.common.files import write_whole
from hspcgan.pipeline.manifest.files import own_keys, shipped_folder, shipped_manifests, shipped_path

SCHEMA = "schema.json"
SCHEMA_LINE = re.compile(r"^# yaml-language-server: \$schema=.*$", re.MULTILINE)


def described(prefix: str = "") -> Iterator[tuple[str, str]]:
    """Names and descriptions of the shipped manifests that begin with a prefix; rows of papers only under theirs."""
    names = [name for name in shipped_manifests() if name.startswith(prefix)]
    for name in names:
        if prefix.startswith("paper") or not name.startswith("paper/"):
            yield name, str(own_keys(shipped_path(name)).get("description", ""))
    if not prefix:
        for folder in sorted({name.rpartition("/")[0] for name in names if name.startswith("paper/")}):
            count = sum(name.rpartition("/")[0] == folder for name in names)
            yield f"{folder}/…", f"{count} rows of the paper's tables; `hspcgan manifests {folder}` lists them"


def copied(name: str, target: Path, force: bool = False) -> None:
    """Writes a shipped manifest to a file of one's own, its base named so that it is found from there.

    UsageError for an unknown name, and for a file that exists already without `force`.
    """
    source = shipped_path(name)
    if target.exists() and not force:
        raise UsageError(f"{target} exists already; give another --out, or --force to overwrite it")
    text = source.read_text(encoding="utf-8")
    if base := own_keys(source).get("base"):
        found = (source.parent / base).resolve().relative_to(shipped_folder().resolve()).with_suffix("").as_posix()
        text = re.sub(r"^base:.*$", f"base: {found}", text, flags=re.MULTILINE)
    text = SCHEMA_LINE.sub(lambda _: schema_line(target), text)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, text)


def schema_line(manifest: Path) -> str:
    """The comment by which editors find the JSON Schema of a manifest at this place."""
    schema = shipped_folder() / SCHEMA
    inside = manifest.resolve().is_relative_to(shipped_folder().resolve())
    place = os.path.relpath(schema.resolve(), manifest.resolve().parent) if inside else schema.resolve()
    return f"# yaml-language-server: $schema={place}"

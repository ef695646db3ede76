"""Manifest files as YAML: found by path or shipped name, laid over their base, overridden, their keys checked."""

import difflib
import os
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from hspcgan.model.errors import ManifestError

KEYS = ("name", "description", "base", "cache", "run",
        "data", "parse", "encode", "taps", "model", "train", "evaluate", "bench")  # fmt: skip
SECTIONS = KEYS[5:]
LOCAL = {
    "cache": "the cache is mapped into memory; give a local folder, and `hspcgan copy` it there or from there",
    "run": "a run writes its checkpoints and logs in place; give a local folder",
}
"""Keys that name local folders, and why."""


def resolved(name_or_path: str, overrides: Sequence[str] = ()) -> tuple[Path, dict[str, Any]]:
    """The file that a name or path means, and its keys over those of its base, with overrides on top.

    ManifestError as of `hspcgan.pipeline.manifest.load_manifest`.
    """
    path = _find(name_or_path)
    raw = _read(path)
    for override in overrides:
        _override(raw, override)
    problems = _misplaced(raw) + _remote(raw) + ["base is no override: write it into a manifest"] * ("base" in raw)
    raw.setdefault("name", reference(path) if _is_shipped(path) else path.stem)
    for key in ("cache", "run"):
        raw.setdefault(key, f"runs/{raw['name']}/{key}")
    _refuse("--override", problems + _no_text(raw))  # the files' own problems are refused as they are read
    return path, raw | {key: os.path.expanduser(raw[key]) for key in LOCAL}


def shipped_manifests() -> list[str]:
    """Names that `load_manifest` knows without a path, such as "toybirds"."""
    return sorted(map(reference, _shipped_folder().rglob("*.yaml")))


def reference(path: Path) -> str:
    """How commands name a manifest: a shipped one by its name, such as "paper/cub/table2_base_32", others by path."""
    return path.relative_to(_shipped_folder()).with_suffix("").as_posix() if _is_shipped(path) else str(path)


def _shipped_folder() -> Path:
    return Path(str(resources.files("hspcgan.manifests")))


def _is_shipped(path: Path) -> bool:
    return path.is_relative_to(_shipped_folder())


def _find(name_or_path: str) -> Path:
    path = Path(name_or_path)
    return path if path.is_file() else _shipped(name_or_path)


def _shipped(name: str) -> Path:
    names = shipped_manifests()
    if name in names:
        return _shipped_folder() / f"{name}.yaml"
    top = ", ".join(shown for shown in names if "/" not in shown)
    raise ManifestError(
        f"no manifest {name!r}: no such file, and shipped are {top}, those in paper/{suggest(name, names)}"
    )


def _read(path: Path, heirs: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The keys of a file over those of its base; `heirs` are the files that have it as their base, nearest last."""
    try:
        text = path.read_text(encoding="utf-8")
        raw = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise ManifestError(f"{path} is not YAML: {error}") from error
    if not isinstance(raw, dict):
        raise ManifestError(f"{path} holds a {type(raw).__name__}, expected keys such as {', '.join(KEYS)}")
    raw = _unshared(raw)
    _refuse(path, [*_repeated(yaml.compose(text, yaml.SafeLoader)), *_misplaced(raw), *_no_text(raw)])
    if "base" not in raw:
        return raw
    beside, line = path.parent / raw["base"], [*heirs, path]
    base = beside if beside.is_file() else _shipped(raw["base"])
    if any(base.samefile(heir) for heir in line):
        raise ManifestError(f"{path}: base {raw['base']} leads back to itself: {' → '.join(map(str, [*line, base]))}")
    inherited = _read(base, tuple(line))
    inherited.setdefault("cache", f"runs/{inherited.get('name', base.stem)}/cache")
    own = {key: value for key, value in raw.items() if key != "base"}
    return _merged({key: inherited[key] for key in inherited if key not in ("name", "description", "run")}, own)


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Mappings key by key, the upper one's value where both have one."""
    both = {key: _merged(below[key], value) if isinstance(below.get(key), dict) and isinstance(value, dict) else value
            for key, value in above.items()}  # fmt: skip
    return below | both


def _misplaced(raw: dict[str, Any]) -> list[str]:
    """Unknown keys, and sections that are none."""
    problems = [f"unknown key {key!r}{suggest(str(key), KEYS)}" for key in raw if key not in KEYS]
    return problems + [
        f"{key} is {raw[key]!r}, expected keys below it"
        for key in SECTIONS
        if raw.get(key) is not None and not isinstance(raw[key], dict)
    ]


def _remote(raw: dict[str, Any]) -> list[str]:
    """Places that are URLs, of which pathlib would make local folders with odd names."""
    return [
        f"{key} is the URL {raw[key]}: {why}"
        for key, why in LOCAL.items()
        if isinstance(raw.get(key), str) and "://" in raw[key]
    ]


def _no_text(raw: dict[str, Any]) -> list[str]:
    return [f"{key} is {raw[key]!r}, expected text" for key in KEYS[:5] if not isinstance(raw.get(key, ""), str)]


def _refuse(source: Path | str, problems: Sequence[str]) -> None:
    if problems:
        raise ManifestError(f"{source}:\n  " + "\n  ".join(problems) + f"\nKnown keys: {', '.join(KEYS)}")


def _repeated(node: yaml.Node | None) -> Iterator[str]:
    """Keys that stand twice in one mapping: YAML would silently keep the last."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated(item)
    if isinstance(node, yaml.MappingNode):
        names = [key.value for key, _ in node.value]
        for place, (key, value) in enumerate(node.value):
            if key.value in names[:place]:
                yield f"line {key.start_mark.line + 1}: {key.value} is there twice"
            yield from _repeated(value)


def _unshared(value: Any) -> Any:
    """A copy in which YAML aliases are apart, so that an override of one section leaves the others alone."""
    if isinstance(value, dict):
        return {key: _unshared(item) for key, item in value.items()}
    return [_unshared(item) for item in value] if isinstance(value, list) else value


def _override(raw: dict[str, Any], override: str) -> None:
    key, found, value = override.partition("=")
    if not found or not all(key.split(".")):
        raise ManifestError(f"override {override!r} is not KEY=VALUE, such as train.batch_size=16")
    *parents, last = key.split(".")
    place = raw
    for parent in parents:
        if place.get(parent) is None:
            place[parent] = {}
        place = place[parent]
        if not isinstance(place, dict):
            raise ManifestError(f"override {override!r}: {parent} holds a value, not keys")
    try:
        place[last] = (value or None) if key in LOCAL else yaml.safe_load(value)
    except (yaml.YAMLError, ValueError) as error:
        raise ManifestError(f"override {override!r}: the value is not YAML: {error}") from error


def suggest(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, 1)
    return f" (did you mean {close[0]!r}?)" if close else ""

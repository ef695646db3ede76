"""Finds manifest files by path or shipped name, merges bases and overrides, and checks top-level keys."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from hspcgan.model.common.errors import ManifestError, UserError
from hspcgan.model.common.user_files import as_path, decode_utf8, open_regular
from hspcgan.model.common.validation import first_lines, quoted, require_list, suggest
from hspcgan.pipeline.manifest.yaml_text import YamlTextError, parse

KEYS = ("name", "description", "base", "cache", "run",
        "data", "parse", "encode", "taps", "model", "train", "evaluate", "bench", "study")  # fmt: skip
SECTIONS = KEYS[5:]
NOT_INHERITED = ("name", "description", "run")
"""Keys that a manifest does not inherit from its base, since they identify it. All other keys are inherited."""

LOCAL_ONLY = {
    "cache": "the cache is mapped into memory; give a local folder, and use `hspcgan copy` for the URL",
    "run": "a run writes its checkpoints and logs in place; give a local folder",
}
"""Keys that must name local folders, and why."""

OVERRIDE = "--override"
MAX_BYTES = 2**20
MAX_BASES = 20
MAX_NAME = 200  # bytes; file systems allow 255


@dataclass
class Resolved:
    """The keys of a manifest after merging bases and overrides; `layers`: its file, its base, that base's base, …"""

    path: Path
    raw: dict[str, Any]
    layers: list[tuple[Path, dict[str, Any]]] = field(default_factory=list)
    problems: dict[str, list[str]] = field(default_factory=dict)  # by the file, or OVERRIDE, that contains them


def resolve_manifest(name_or_path: str, overrides: Sequence[str] = ()) -> Resolved:
    """
    Reads the manifest with a name or path, merges its keys over those of its bases, and applies overrides.

    Wrong top-level keys are listed in `problems`; raises ManifestError if a file cannot be read.
    """
    require_list(overrides, "overrides")
    path = _find(as_path(name_or_path, "a manifest"), str(name_or_path))
    problems: dict[str, list[str]] = {}
    layers = _layers(path, problems)
    raw: dict[str, Any] = {}
    for number, (_, own) in reversed(list(enumerate(layers))):
        if number < len(layers) - 1:
            base, text = layers[number + 1]
            raw.setdefault("cache", f"runs/{text.get('name', base.stem)}/cache")
            raw = {key: value for key, value in raw.items() if key not in NOT_INHERITED}
        raw = _merged(raw, {key: value for key, value in own.items() if key != "base"})
    before = set(_key_problems(raw))
    for override in overrides:
        _override(raw, override)
    wrong = [problem for problem in _key_problems(raw) if problem not in before]
    if "base" in raw:
        wrong.append("base cannot be set by an override; set it in a manifest")
    if wrong:
        problems[OVERRIDE] = wrong
    raw.setdefault("name", manifest_argument(path) if _is_shipped(path) else path.stem)
    for key in LOCAL_ONLY:
        raw.setdefault(key, f"runs/{raw['name']}/{key}")
    raw = {key: value if key in ("name", "description") else _with_home(value) for key, value in raw.items()}
    return Resolved(path, raw, layers, problems)


def raise_problems(problems: dict[str, list[str]]) -> None:
    """Raises ManifestError with all problems, grouped by file, if there are any."""
    if problems:
        text = "\n".join("\n  ".join([f"{source}:", *first_lines(lines)]) for source, lines in problems.items())
        keys = any("unknown key '" in line for lines in problems.values() for line in lines)
        raise ManifestError(f"{text}\nKnown keys: {', '.join(KEYS)}" if keys else text)


def shipped_manifests() -> list[str]:
    """Returns the names of the shipped manifests, which `load_manifest` accepts instead of a path ("toybirds")."""
    return sorted(map(manifest_argument, shipped_folder().rglob("*.yaml")))


def manifest_argument(path: Path) -> str:
    """Returns the argument for a manifest: its name if it is shipped ("paper/cub/table2_base_32"), else its path."""
    return path.relative_to(shipped_folder()).with_suffix("").as_posix() if _is_shipped(path) else str(path)


def shipped_folder() -> Path:
    """Returns the folder of the shipped manifests."""
    return Path(str(resources.files("hspcgan.manifests")))


def _is_shipped(path: Path) -> bool:
    return path.is_relative_to(shipped_folder())


def _find(path: Path, name: str) -> Path:
    """Returns the path if there is anything but a folder, so that `_read` reports a pipe; else the shipped `name`."""
    return path if os.path.lexists(path) and not os.path.isdir(path) else shipped_path(name)


def shipped_path(name: str) -> Path:
    """Returns the file of a shipped manifest. Raises ManifestError, with the closest name, for an unknown name."""
    names = shipped_manifests()
    if name in names:
        return shipped_folder() / f"{name}.yaml"
    top = ", ".join(shown for shown in names if "/" not in shown)
    raise ManifestError(
        f"no manifest {quoted(name)}: neither a file nor a shipped manifest ({top}, and those in bench/ and paper/)"
        f"{suggest(name, names)}; `hspcgan manifests` lists them"
    )


def _layers(path: Path, problems: dict[str, list[str]]) -> list[tuple[Path, dict[str, Any]]]:
    """Returns a file and its bases, each with its own keys; adds wrong top-level keys to `problems`."""
    layers: list[tuple[Path, dict[str, Any]]] = []
    while True:
        raw, repeated = _read(path)
        layers.append((path, raw))
        if wrong := [*repeated, *_key_problems(raw)]:
            problems[str(path)] = wrong
        if not isinstance(raw.get("base"), str):
            return layers
        base = _find(path.parent / os.path.expanduser(raw["base"]), raw["base"])
        chain = " → ".join(str(file) for file, _ in layers)
        if any(base.samefile(file) for file, _ in layers):
            raise ManifestError(f"{path}: base {raw['base']} is circular: {chain} → {base}")
        if len(layers) > MAX_BASES:
            raise ManifestError(f"{layers[0][0]} has more than {MAX_BASES} base manifests")
        path = base


def own_keys(path: Path) -> dict[str, Any]:
    """Returns the keys that a file contains, without those of its bases. Raises ManifestError if any are wrong."""
    raw, repeated = _read(path)
    wrong = [*repeated, *_key_problems(raw)]
    raise_problems({str(path): wrong} if wrong else {})
    return raw


def _read(path: Path) -> tuple[dict[str, Any], list[str]]:
    """Returns the keys that a file contains, and a list with a problem for each repeated key."""
    try:
        with open_regular(path) as file:
            text = file.read(MAX_BYTES + 1)
        if len(text) > MAX_BYTES:
            raise ManifestError(f"{path} is larger than {MAX_BYTES // 2**20} MB, the maximum for a manifest")
        raw, repeated = parse(decode_utf8(text, path))
    except YamlTextError as error:
        raise ManifestError(f"{path} is not YAML: {error}") from error
    except UserError as error:
        raise ManifestError(str(error)) from error
    if not isinstance(raw, dict):
        found = "has no keys" if raw is None else f"contains {'a list' if isinstance(raw, list) else quoted(raw)}"
        raise ManifestError(f"{path} {found}, expected keys such as {', '.join(KEYS)}")
    return raw, repeated


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Merges two mappings key by key; if both have a value, the value of `above` is used."""
    both = {key: _merged(below[key], value) if isinstance(below.get(key), dict) and isinstance(value, dict) else value
            for key, value in above.items()}  # fmt: skip
    return below | both


def _with_home(value: Any) -> Any:
    """Returns a copy in which a ~ at the start of a string is replaced by the home folder."""
    if isinstance(value, dict):
        return {key: _with_home(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_home(item) for item in value]
    return os.path.expanduser(value) if isinstance(value, str) else value


def _key_problems(raw: dict[str, Any]) -> list[str]:
    """Returns a problem for each key that is unknown or has an invalid value, such as a URL instead of a folder."""
    unknown = [f"unknown key {quoted(key)}{suggest(str(key), KEYS)}" for key in raw if key not in KEYS]
    sections = [
        f"{key} is {quoted(raw[key])}, expected keys below it"
        for key in SECTIONS
        if raw.get(key) is not None and not isinstance(raw[key], dict)
    ]
    places = [
        f"{key} is the URL {raw[key]}: {why}"
        for key, why in LOCAL_ONLY.items()
        if any("://" in folder for folder in _folders(raw.get(key)))
    ]
    places += [
        f"cache is {quoted(folder)}, expected a folder with a name, such as runs/birds/cache"
        for folder in _folders(raw.get("cache"))
        if Path(folder).name in ("", "..")
    ]
    texts = [
        f"{key} is {quoted(raw[key])}, expected {'text' if key == 'description' else 'one line of text'}"
        for key in KEYS[:5]
        if key in raw and not (key == "cache" and _folders(raw[key])) and not _is_text(raw[key], key == "description")
    ]
    name = raw.get("name", "")
    if _is_text(name, lines=False) and (len(name.encode()) > MAX_NAME or {"", ".", ".."} & set(name.split("/"))):
        texts.append(f"name is {quoted(name)}, expected a name for the folder runs/NAME, of at most {MAX_NAME} bytes")
    return unknown + sections + places + texts


def _folders(value: Any) -> list[str]:
    """Returns the folders in the value of a key (one name, or a list of names); empty for any other value."""
    folders = value if isinstance(value, list) else [value]
    return folders if all(_is_text(folder, lines=False) for folder in folders) else []


def _is_text(value: Any, lines: bool) -> bool:
    return isinstance(value, str) and (lines or (value != "" and value.isprintable()))


def _override(raw: dict[str, Any], override: str) -> None:
    key, found, value = override.partition("=")
    if not found or not all(key.split(".")):
        raise ManifestError(f"override {quoted(override)} is not KEY=VALUE, such as train.batch_size=16")
    *parents, last = key.split(".")
    place = raw
    for parent in parents:
        if place.get(parent) is None:
            place[parent] = {}
        place = place[parent]
        if not isinstance(place, dict):
            raise ManifestError(f"override {quoted(override)}: {parent} is {quoted(place)}, so it cannot have keys")
    try:
        several = key == "cache" and value.startswith("[")
        plain = key in LOCAL_ONLY and not several
        place[last], repeated = ((value or None), []) if plain else parse(value)
    except YamlTextError as error:
        raise ManifestError(f"override {quoted(override)}: the value is not YAML: {error}") from error
    if repeated:
        raise ManifestError(f"override {quoted(override)}: {repeated[0]}")

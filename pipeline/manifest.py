"""Manifests: YAML files whose sections say what a dataset, a training run and an evaluation are made of."""

import difflib
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

KEYS = ("name", "description", "base", "cache", "run",
        "data", "parse", "encode", "taps", "model", "train", "evaluate", "bench")  # fmt: skip
SECTIONS = KEYS[5:]
LOCAL = {
    "cache": "the cache is mapped into memory; give a local folder, and `hspcgan copy` it there or from there",
    "run": "a run writes its checkpoints and logs in place; give a local folder",
}
"""Keys that name local folders, and why."""
Section = TypeVar("Section", bound=BaseModel)


class ClipChoice(BaseModel):
    """The CLIP that encodes the cache: what the trainer and the evaluation read of the `encode` section."""

    model_config = ConfigDict(frozen=True)

    clip: str = Field("toy-clip", description="CLIP weights: a shipped name or the path of a .pt file.")
    allow_unverified: bool = Field(
        False, description="Open a TorchScript archive that is not one of OpenAI's published files (it can hold code)."
    )


@dataclass(frozen=True)
class Manifest:
    """A resolved manifest: `raw` holds its keys after overrides; paths in it are relative to the current folder."""

    name: str
    raw: dict[str, Any]
    path: Path
    overridden: tuple[str, ...] = ()  # keys that overrides set, such as "train.batch_size"

    def section(self, key: str, model: type[Section]) -> Section:
        """The section as the typed model of the room that uses it. ValueError names all its problems at once."""
        try:
            return model.model_validate(self.raw.get(key) or {})
        except ValidationError as error:
            blamed: dict[str, list[str]] = {}
            for found in error.errors():
                where = ".".join([key, *map(str, found["loc"])])
                source = "--override" if self._is_overridden(where) else str(self.path)
                blamed.setdefault(source, []).append(_problem(where, dict(found), model))
            told = ["\n  ".join([f"{source}:", *problems]) for source, problems in blamed.items()]
            raise ValueError("\n".join(told)) from error

    @property
    def texts(self) -> dict[str, Any]:
        """How captions are parsed and phrases worded, as far as it is said: see `Cache.require_texts`."""
        return {"parse": self.raw.get("parse"), "templates": (self.raw.get("encode") or {}).get("templates")}

    def _is_overridden(self, where: str) -> bool:
        return any(f"{where}.".startswith(f"{key}.") or key.startswith(f"{where}.") for key in self.overridden)

    def fingerprint(self, *keys: str) -> str:
        """sha256 of these sections as sorted JSON."""
        chosen = {key: self.raw.get(key) for key in keys}
        return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()

    def save(self, path: Path) -> None:
        """Writes the resolved manifest, whole or not at all."""
        temporary = path.with_name(path.name + ".partial")
        temporary.write_text(yaml.safe_dump(self.raw, sort_keys=False, allow_unicode=True), encoding="utf-8")
        os.replace(temporary, path)


def load_manifest(name_or_path: str, overrides: Sequence[str] = ()) -> Manifest:
    """A manifest from a path or a shipped name, with overrides such as "train.batch_size=16" on top.

    With `base: OTHER` (a path relative to the file that says so, or a shipped name) it starts from OTHER's sections
    and cache, and what it says itself goes over them key by key. Name, description and run folder are its own.

    ValueError for a file that is missing, no YAML, or has unknown or repeated keys, and for an override that is no
    KEY=VALUE.
    """
    path = _find(name_or_path)
    raw = _read(path)
    for override in overrides:
        _override(raw, override)
    problems = _misplaced(raw) + _remote(raw) + ["base is no override: write it into a manifest"] * ("base" in raw)
    raw.setdefault("name", path.stem)
    for key in ("cache", "run"):
        raw.setdefault(key, f"runs/{raw['name']}/{key}")
    _refuse("--override", problems + _no_text(raw))  # the files' own problems are refused as they are read
    return Manifest(raw["name"], raw, path, tuple(override.partition("=")[0] for override in overrides))


def shipped_manifests() -> list[str]:
    """Names that `load_manifest` knows without a path, such as "toybirds"."""
    folder = Path(str(resources.files("hspcgan.manifests")))
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml"))


def weights_path(name_or_path: str) -> Path:
    """The file or folder of weights: a shipped name ("toy-clip") or a path. ValueError when there is neither."""
    folder = Path(str(resources.files("hspcgan.pipeline.assets")))
    shipped = {
        path.stem: path
        for path in sorted(folder.iterdir(), reverse=True)
        if path.suffix == ".pt" or (path.is_dir() and path.name.startswith("toy-"))
    }
    if name_or_path in shipped:
        return shipped[name_or_path]
    path = Path(name_or_path).expanduser()
    if name_or_path and path.exists():
        return path
    raise ValueError(
        f"no weights {name_or_path!r}: neither a path nor one of shipped {', '.join(sorted(shipped))}; "
        "`hspcgan doctor` says what each needs, `hspcgan models fetch` brings OpenAI's ViT-B-32.pt"
    )


def _find(name_or_path: str) -> Path:
    path = Path(name_or_path)
    return path if path.is_file() else _shipped(name_or_path)


def _shipped(name: str) -> Path:
    names = shipped_manifests()
    if name in names:
        return Path(str(resources.files("hspcgan.manifests"))) / f"{name}.yaml"
    top = ", ".join(shown for shown in names if "/" not in shown)
    raise ValueError(
        f"no manifest {name!r}: no such file, and shipped are {top}, those in paper/{_suggest(name, names)}"
    )


def _read(path: Path, heirs: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The keys of a file over those of its base; `heirs` are the files that have it as their base, nearest last."""
    try:
        text = path.read_text(encoding="utf-8")
        raw = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"{path} is not YAML: {error}") from error
    if not isinstance(raw, dict):
        raise ValueError(f"{path} holds a {type(raw).__name__}, expected keys such as {', '.join(KEYS)}")
    raw = _unshared(raw)
    _refuse(path, [*_repeated(yaml.compose(text, yaml.SafeLoader)), *_misplaced(raw), *_no_text(raw)])
    if "base" not in raw:
        return raw
    beside, line = path.parent / raw["base"], [*heirs, path]
    base = beside if beside.is_file() else _shipped(raw["base"])
    if any(base.samefile(heir) for heir in line):
        raise ValueError(f"{path}: base {raw['base']} leads back to itself: {' → '.join(map(str, [*line, base]))}")
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
    problems = [f"unknown key {key!r}{_suggest(str(key), KEYS)}" for key in raw if key not in KEYS]
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
        raise ValueError(f"{source}:\n  " + "\n  ".join(problems) + f"\nKnown keys: {', '.join(KEYS)}")


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
        raise ValueError(f"override {override!r} is not KEY=VALUE, such as train.batch_size=16")
    *parents, last = key.split(".")
    place = raw
    for parent in parents:
        if place.get(parent) is None:
            place[parent] = {}
        place = place[parent]
        if not isinstance(place, dict):
            raise ValueError(f"override {override!r}: {parent} holds a value, not keys")
    try:
        place[last] = (value or None) if key in LOCAL else yaml.safe_load(value)
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"override {override!r}: the value is not YAML: {error}") from error


def _problem(where: str, found: dict[str, Any], model: type[BaseModel]) -> str:
    if found["type"] == "extra_forbidden":
        *parents, last = found["loc"]
        return f"{where}: unknown key{_suggest(str(last), _fields(model, parents))}"
    if found["type"] == "missing":
        return f"{where}: is missing"
    # A whole section that was got tells nothing.
    got = "" if isinstance(found["input"], dict) else f" (got {found['input']!r})"
    return f"{where}: {found['msg']}{got}"


def _fields(model: type[BaseModel], parents: Sequence[str | int]) -> list[str]:
    """The keys known below `parents`; none where that is no model of its own."""
    for parent in parents:
        field = model.model_fields.get(str(parent))
        inner = field.annotation if field else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return list(model.model_fields)


def _suggest(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, 1)
    return f" (did you mean {close[0]!r}?)" if close else ""

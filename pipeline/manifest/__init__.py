"""Manifests: YAML files with sections that configure a dataset, a training run and an evaluation."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.files import write_atomically
from hspcgan.model.common.printable import without_passwords
from hspcgan.model.common.validation import CheckedModel, boolean_problems, problems, quoted
from hspcgan.pipeline.manifest.files import OVERRIDE, manifest_argument, raise_problems, resolve_manifest
from hspcgan.pipeline.manifest.sections import section_conflicts
from hspcgan.pipeline.manifest.weights import shipped_weights, weights_path

__all__ = ["ClipChoice", "Manifest", "load_manifest", "shipped_weights", "weights_path"]

Section = TypeVar("Section", bound=BaseModel)


class ClipChoice(CheckedModel):
    """The choice of CLIP in the `encode` section: the part of this section that training and evaluation also read."""

    model_config = ConfigDict(frozen=True)

    clip: str = Field("toy-clip", description="CLIP weights: a shipped name or the path of a .pt file.")
    allow_unverified: bool = Field(
        False,
        description="Accept a TorchScript archive that is not a file published by OpenAI (it may contain code).",
    )


@dataclass(frozen=True)
class Manifest:
    """A manifest after merging bases and overrides: `raw` holds its keys; paths are relative to the current folder."""

    name: str
    raw: dict[str, Any]
    path: Path
    overridden: tuple[str, ...] = ()  # keys that overrides set, such as "train.batch_size"
    layers: tuple[tuple[Path, dict[str, Any]], ...] = ()  # its file and its bases, nearest first, with their own keys

    @property
    def cache(self) -> Path:
        """The folder of the cache. Raises UserError if the manifest names several caches."""
        if len(self.caches) > 1:
            named = ", ".join(map(str, self.caches))
            raise UserError(
                f"{self.path} names several caches ({named}), which only train, evaluate and stats accept; name one of "
                f"them: -o cache={self.caches[0]}"
            )
        return self.caches[0]

    @property
    def caches(self) -> tuple[Path, ...]:
        """The folders of the caches; train, evaluate and stats combine several caches into one."""
        named = self.raw["cache"]
        return tuple(map(Path, named)) if isinstance(named, list) else (Path(named),)

    @property
    def run(self) -> Path:
        """The folder of the training run."""
        return Path(self.raw["run"])

    def section(self, key: str, model: type[Section]) -> Section:
        """Validates a section with its typed model. Raises ManifestError that lists all problems at once."""
        try:
            return model.model_validate(self.raw.get(key) or {})
        except ValidationError as error:
            raise_problems(self._by_source(problems(error, model, key)))
            raise

    def problems(self, models: Mapping[str, type[BaseModel]]) -> dict[str, list[str]]:
        """Returns all problems in the sections of the manifest, grouped by the file or override that contains them."""
        found: list[tuple[str, str]] = []
        sections: dict[str, BaseModel] = {}
        for key, model in models.items():
            if key in self.raw and isinstance(self.raw[key], dict | None):
                try:
                    sections[key] = model.model_validate(self.raw[key] or {})
                    found += boolean_problems(self.raw[key], sections[key].model_dump(warnings=False), key)
                except ValidationError as error:
                    found += problems(error, model, key)
        return self._by_source([*found, *section_conflicts(sections)])

    def _by_source(self, found: Iterator[tuple[str, str]] | Sequence[tuple[str, str]]) -> dict[str, list[str]]:
        by_source: dict[str, list[str]] = {}
        for key, text in found:
            by_source.setdefault(self._source(key), []).append(text)
        return by_source

    def _source(self, key: str) -> str:
        """Returns OVERRIDE or the file that sets a dotted key; if nothing sets it, the file of the manifest."""
        if any(f"{key}.".startswith(f"{given}.") or given.startswith(f"{key}.") for given in self.overridden):
            return OVERRIDE
        return next((str(path) for path, raw in self.layers if _has(raw, key.split("."))), str(self.path))

    @property
    def texts(self) -> dict[str, Any]:
        """The argument of `Cache.require_texts`: the `parse` section and the prompt templates, None if not given."""
        return {"parse": self.raw.get("parse"), "templates": (self.raw.get("encode") or {}).get("templates")}

    @property
    def ref(self) -> str:
        """The argument by which commands accept this manifest: its name if it is shipped, otherwise its path."""
        return manifest_argument(self.path)

    def fingerprint(self, *keys: str) -> str:
        """Returns the sha256 of the values of the given top-level keys, as sorted JSON."""
        chosen = {key: self.raw.get(key) for key in keys}
        return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()

    def save(self, path: Path) -> None:
        """Writes the resolved manifest atomically, without the passwords in URLs."""
        write_atomically(path, without_passwords(yaml.safe_dump(self.raw, sort_keys=False, allow_unicode=True)))


def load_manifest(
    name_or_path: str, overrides: Sequence[str] = (), models: Mapping[str, type[BaseModel]] | None = None
) -> Manifest:
    """
    Loads a manifest from a path or by its shipped name, and applies overrides such as "train.batch_size=16".

    With `base: OTHER` (a path relative to the file, or a shipped name) a manifest inherits all keys of OTHER except
    `name`, `description` and `run`; its own keys override them one by one. With `models` (`sections.section_models`)
    every section of the manifest is validated as well.

    Raises ManifestError with all problems: a file that is missing or not YAML, keys that are unknown, repeated or
    wrong, an override that is not KEY=VALUE.
    """
    found = resolve_manifest(name_or_path, overrides)
    given = tuple(override.partition("=")[0] for override in overrides)
    manifest = Manifest(found.raw["name"], found.raw, found.path, given, tuple(found.layers))
    wrong = {source: list(lines) for source, lines in found.problems.items()}
    for source, lines in manifest.problems(models or {}).items():
        wrong.setdefault(source, []).extend(lines)
    raise_problems(wrong)
    return manifest


def require_manifest(value: object) -> None:
    """Raises UserError if a function that expects a loaded manifest was called with its name or path."""
    if not isinstance(value, Manifest):
        shown = quoted(str(value))
        raise UserError(f"expected a manifest, got {shown}; load it first: load_manifest({shown})")


def _has(raw: Any, key: Sequence[str]) -> bool:
    """Whether nested mappings set a key, given as its parts, or set one of its parent keys to a plain value."""
    for part in key:
        if not isinstance(raw, dict):
            return True
        if part not in raw:
            return False
        raw = raw[part]
    return True

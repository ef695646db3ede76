"""Manifests: YAML files whose sections say what a dataset, a training run and an evaluation are made of."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hspcgan.model.errors import ManifestError, UserError
from hspcgan.model.files import write_whole
from hspcgan.pipeline.manifest.files import reference, resolved, suggest

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
        """The section as the typed model of the room that uses it. ManifestError names all its problems at once."""
        try:
            return model.model_validate(self.raw.get(key) or {})
        except ValidationError as error:
            blamed: dict[str, list[str]] = {}
            for found in error.errors():
                where = ".".join([key, *map(str, found["loc"])])
                source = "--override" if self._is_overridden(where) else str(self.path)
                blamed.setdefault(source, []).append(_problem(where, dict(found), model))
            told = ["\n  ".join([f"{source}:", *problems]) for source, problems in blamed.items()]
            raise ManifestError("\n".join(told)) from error

    @property
    def texts(self) -> dict[str, Any]:
        """How captions are parsed and phrases worded, as far as it is said: see `Cache.require_texts`."""
        return {"parse": self.raw.get("parse"), "templates": (self.raw.get("encode") or {}).get("templates")}

    @property
    def ref(self) -> str:
        """How commands name this manifest: a shipped one by its name, others by their path."""
        return reference(self.path)

    def _is_overridden(self, where: str) -> bool:
        return any(f"{where}.".startswith(f"{key}.") or key.startswith(f"{where}.") for key in self.overridden)

    def fingerprint(self, *keys: str) -> str:
        """sha256 of these sections as sorted JSON."""
        chosen = {key: self.raw.get(key) for key in keys}
        return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()

    def save(self, path: Path) -> None:
        """Writes the resolved manifest, whole or not at all."""
        write_whole(path, yaml.safe_dump(self.raw, sort_keys=False, allow_unicode=True))


def load_manifest(name_or_path: str, overrides: Sequence[str] = ()) -> Manifest:
    """A manifest from a path or a shipped name, with overrides such as "train.batch_size=16" on top.

    With `base: OTHER` (a path relative to the file that says so, or a shipped name) it starts from OTHER's sections
    and cache, and what it says itself goes over them key by key. Name, description and run folder are its own.

    ManifestError for a file that is missing, no YAML, or has unknown or repeated keys, and for an override that is no
    KEY=VALUE.
    """
    path, raw = resolved(name_or_path, overrides)
    return Manifest(raw["name"], raw, path, tuple(override.partition("=")[0] for override in overrides))


def shipped_weights() -> dict[str, Path]:
    """Files and folders of weights that are part of the package, by the name that stands for a path."""
    folder = Path(str(resources.files("hspcgan.pipeline.assets")))
    return {
        path.stem: path
        for path in sorted(folder.iterdir(), reverse=True)
        if path.suffix == ".pt" or (path.is_dir() and path.name.startswith("toy-"))
    }


def weights_path(name_or_path: str) -> Path:
    """The file or folder of weights: a shipped name ("toy-clip") or a path. UserError when there is neither."""
    shipped = shipped_weights()
    if name_or_path in shipped:
        return shipped[name_or_path]
    path = Path(name_or_path).expanduser()
    if name_or_path and path.exists():
        return path
    raise UserError(
        f"no weights {name_or_path!r}: neither a path nor one of shipped {', '.join(sorted(shipped))}; "
        "`hspcgan doctor` says what each needs, `hspcgan models fetch` brings OpenAI's ViT-B-32.pt"
    )


def _problem(where: str, found: dict[str, Any], model: type[BaseModel]) -> str:
    if found["type"] == "extra_forbidden":
        *parents, last = found["loc"]
        return f"{where}: unknown key{suggest(str(last), _fields(model, parents))}"
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

"""Describes every key of a manifest, with its type, default, range and meaning, as a table or as a JSON Schema."""

import json
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from hspcgan.model.common.errors import UsageError
from hspcgan.model.common.validation import quoted, suggest
from hspcgan.pipeline.manifest.files import KEYS, NOT_INHERITED

TOP = {
    "name": "Name of the manifest; by default the name of its file.",
    "description": "One-line description, shown by `hspcgan manifests`.",
    "base": "Another manifest (a path relative to this file, or a shipped name). All of its keys are inherited, except "
    f"{', '.join(NOT_INHERITED)}; the keys of this file override them.",
    "cache": "Folder of the cache; by default runs/NAME/cache. Train, evaluate and stats read a list of folders as one "
    "cache.",
    "run": "Folder of the training run; by default runs/NAME/run.",
}
WIDTH = 100
REQUIRED = "required"
WORDS = {"integer": "whole number", "number": "number", "string": "string", "boolean": "true or false", "null": "null"}
BOUNDS = (("minimum", "≥ {}"), ("exclusiveMinimum", "> {}"), ("maximum", "≤ {}"), ("exclusiveMaximum", "< {}"),
          ("multipleOf", "a multiple of {}"), ("minItems", "at least {} items"))  # fmt: skip


@dataclass(frozen=True)
class Key:
    """A manifest key; `allowed` is its type with its range."""

    name: str
    allowed: str
    default: str
    sentence: str


def keys(models: Mapping[str, type[BaseModel]], section: str | None = None) -> list[Key]:
    """Returns the keys of one section, or of all sections. Raises UsageError for a section that does not exist."""
    if section is not None and section not in models:
        raise UsageError(f"no section {quoted(section)}{suggest(section, list(models))}; sections: {', '.join(models)}")
    found = [] if section else [Key(name, "string", "", sentence) for name, sentence in TOP.items()]
    for name, model in models.items():
        if section in (None, name):
            schema = model.model_json_schema()
            found += _below(name, schema, schema.get("$defs", {}))
    return found


def table(found: list[Key]) -> str:
    """Formats keys for a terminal: one line with type and default, and the description below."""
    lines = []
    for key in found:
        default = key.default and (f"  ({key.default})" if key.default == REQUIRED else f"  (default: {key.default})")
        lines.append(f"{key.name}: {key.allowed}{default}")
        lines += textwrap.wrap(key.sentence, WIDTH, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)


def json_schema(models: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    """Returns a JSON Schema (draft 2020-12) for manifests. No key is required, since a base may set it."""
    properties: dict[str, Any] = {name: {"type": "string", "description": TOP[name]} for name in KEYS if name in TOP}
    folders = {"type": "array", "minItems": 1, "items": {"type": "string"}}
    properties["cache"] = {"anyOf": [{"type": "string"}, folders], "description": TOP["cache"]}
    definitions: dict[str, Any] = {}
    for name, model in models.items():
        schema = model.model_json_schema()
        definitions |= schema.pop("$defs", {})
        schema.pop("required", None)
        properties[name] = {"anyOf": [{"type": "null"}, schema], "description": schema.pop("description", "")}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "hspcgan manifest",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "$defs": definitions,
    }


def _below(name: str, schema: dict[str, Any], definitions: dict[str, Any]) -> Iterator[Key]:
    required = schema.get("required", [])
    for key, field in schema["properties"].items():
        default = REQUIRED if key in required else _shown(field.get("default"))
        inner = _resolved(field, definitions)
        if "properties" in inner:
            yield Key(f"{name}.{key}", "keys below it", "", field.get("description", ""))
            yield from _below(f"{name}.{key}", inner, definitions)
        else:
            yield Key(f"{name}.{key}", _allowed(field, definitions), default, field.get("description", ""))


def _resolved(field: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    return definitions[field["$ref"].rpartition("/")[2]] if "$ref" in field else field


def _allowed(field: dict[str, Any], definitions: dict[str, Any]) -> str:
    """Returns the type and the range of a key in words, such as "whole number ≥ 1"."""
    field = _resolved(field, definitions)
    if "anyOf" in field:
        return " or ".join(_allowed(one, definitions) for one in field["anyOf"])
    if "const" in field:
        return _shown(field["const"])
    if "enum" in field:
        return "one of " + ", ".join(map(_shown, field["enum"]))
    if isinstance(field.get("type"), list):
        return " or ".join(_allowed({**field, "type": one}, definitions) for one in field["type"])
    if "prefixItems" in field:
        return _type(field, definitions)
    bounds = [text.format(f"{field[name]:g}") for name, text in BOUNDS if name in field]
    return " ".join([_type(field, definitions), ", ".join(bounds)]).strip()


def _type(field: dict[str, Any], definitions: dict[str, Any]) -> str:
    kind = field.get("type")
    if kind == "array":
        items: dict[str, Any] = field.get("items") or next(iter(field.get("prefixItems", [])), {})
        count = f"list of {len(field['prefixItems'])}:" if "prefixItems" in field else "list of:"
        return f"{count} {_allowed(items, definitions)}"
    if kind == "object":
        values = field.get("additionalProperties")
        return f"names → {_allowed(values, definitions)}" if isinstance(values, dict) else "keys below it"
    return WORDS.get(str(kind), "any value")


def _shown(value: Any) -> str:
    """Formats a default as in YAML; "" if the key has no default."""
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

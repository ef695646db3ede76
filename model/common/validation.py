"""Data from outside as typed models: settings, cards and records are checked here, and every problem is named."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from hspcgan.model.common.errors import UserError

Model = TypeVar("Model", bound=BaseModel)
SHOWN = 80  # letters of a wrong value that a message shows


def typed(model: type[Model], values: Any, what: str) -> Model:
    """The values as a typed model. UserError with `what` they are and all their problems, a line each."""
    try:
        return model.model_validate(values)
    except (ValidationError, RecursionError) as error:
        found = [text for _, text in problems(error, model)] if isinstance(error, ValidationError) else ["too deep"]
        raise UserError(f"{what}:\n  " + "\n  ".join(found)) from error


def problems(error: ValidationError, model: type[BaseModel], section: str = "") -> Iterator[tuple[str, str]]:
    """The dotted key and the text of each problem; `section` stands before the keys."""
    for found in error.errors(include_url=False):
        key = ".".join(filter(None, [section, *map(str, found["loc"])]))
        yield key, f"{key or 'it'}: {_text(dict(found), model)}"


def suggest(word: str, known: Sequence[str]) -> str:
    """The known word that is closest, as a question in brackets; empty where none is close."""
    close = difflib.get_close_matches(word, known, 1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def quoted(value: object) -> str:
    """A value as a message shows it, its beginning where it is long."""
    shown = repr(value[: 2 * SHOWN] if isinstance(value, str | bytes) else value)
    return shown if len(shown) <= SHOWN else f"{shown[:SHOWN]} …"


def _text(found: dict[str, Any], model: type[BaseModel]) -> str:
    if found["type"] == "extra_forbidden":
        *parents, last = found["loc"]
        known = _keys(model, parents)
        return f"unknown key{suggest(str(last), known)}; known: {', '.join(known)}"
    if found["type"] == "missing":
        return "is missing"
    # The text of our own validators as they raise it, without pydantic's "Value error, " before it.
    text = str(found["ctx"]["error"]) if found["type"] == "value_error" else found["msg"].removeprefix("Input ")
    # A whole section as the wrong value says nothing.
    return text if isinstance(found["input"], dict | BaseModel) else f"{text} (got {quoted(found['input'])})"


def _keys(model: type[BaseModel], parents: Sequence[str | int]) -> list[str]:
    """The keys known below `parents`."""
    for parent in parents:
        field = model.model_fields.get(str(parent))
        inner = next(_models(field.annotation), None) if field else None
        model = inner or model  # the key of a mapping, the number of a list: the model is that of its values
    return list(model.model_fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that an annotation such as `dict[str, Bound] | None` is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    if get_origin(annotation) in (Union, types.UnionType, Annotated, dict, list, tuple):
        for part in get_args(annotation):
            yield from _models(part)

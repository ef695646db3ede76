"""Validates external data (settings, cards, records) with pydantic models, and reports all problems."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, Field, ValidationError, model_validator

from hspcgan.model.common.errors import UserError

Model = TypeVar("Model", bound=BaseModel)
SHOWN, LONGEST = 80, 1000  # characters that a message shows of a key or an invalid value, and of a problem
MAX_NUMBER = 1e100  # sums and squares of such numbers are finite
Number = Annotated[float, Field(ge=-MAX_NUMBER, le=MAX_NUMBER, allow_inf_nan=False, strict=True)]
"""A metric value, or a limit of one, that statistics can be computed with; booleans and strings are no numbers."""


class Estimate(BaseModel):
    """A metric value with the limits of its interval, which are None if they could not be estimated."""

    value: Number
    low: Number | None
    high: Number | None

    @model_validator(mode="after")
    def _check_interval(self) -> Estimate:
        if self.low is not None and self.high is not None and self.low > self.high:
            raise UserError(f"low {self.low} is above high {self.high}")
        return self


PLAIN = {
    **dict.fromkeys(("tuple_type", "list_type"), "should be a list, such as [a, b]"),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "should have keys, as in {{key: value}}"),
    "path_type": "should be a path as text",
    "too_short": "should have at least {min_length} item(s)",
    "too_long": "should have at most {max_length} items",
    "union_tag_not_found": "{discriminator} is missing",
    "union_tag_invalid": "{discriminator} is {tag!r}, expected one of {expected_tags}",
}
"""Messages by pydantic's type of error, instead of messages that name classes of Python."""


if TYPE_CHECKING:
    CheckedModel = BaseModel  # whose arguments type checkers infer from the fields
else:

    class CheckedModel(BaseModel):
        """A section of a manifest that can also be created in Python; invalid values raise UserError, as there."""

        def __init__(self, **values: Any) -> None:
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise _invalid(error, type(self), type(self).__name__) from error

        __init__.__pydantic_base_init__ = True  # `model_validate` does not call it, as it does not call pydantic's own


def validate_as(model: type[Model], values: Any, what: str) -> Model:
    """Validates values with a pydantic model and returns its instance.

    If values are invalid, raises UserError; its message is `what`, followed by all problems, one per line.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _invalid(error, model, what) from error
    except RecursionError as error:
        raise UserError(f"{what}:\n  nested too deeply") from error


def _invalid(error: ValidationError, model: type[BaseModel], what: str) -> UserError:
    return UserError("\n  ".join([f"{what}:", *first_lines([text for _, text in problems(error, model)])]))


def problems(error: ValidationError, model: type[BaseModel], section: str = "") -> Iterator[tuple[str, str]]:
    """Yields the dotted key and the message of each problem in `error`; `section` is prepended to the keys."""
    errors = error.errors(include_url=False)
    containers = {found["loc"][:depth] for found in errors for depth in range(len(found["loc"]))}
    for found in errors:
        if found["type"] == "too_short" and found["loc"] in containers:
            continue  # pydantic does not count invalid items
        key = ".".join(filter(None, [section, *map(str, found["loc"])]))
        yield key, f"{shortened(key) or 'the whole value'}: {shortened(_text(dict(found), model), LONGEST)}"


def shortened(text: str, limit: int = SHOWN) -> str:
    """Returns a text for a message; a text of more than `limit` characters is truncated."""
    return text if len(text) <= limit else f"{text[:limit]} …"


def first_lines(lines: Sequence[str], most: int = 20) -> list[str]:
    """Returns the first lines of a list for a message and, if any are omitted, a line with their number."""
    return [*lines[:most], *([f"and {len(lines) - most:,} more"] if len(lines) > most else [])]


def boolean_problems(given: Any, read: Any, key: str) -> Iterator[tuple[str, str]]:
    """Yields the dotted key and a message for each boolean that was read as a number, at any depth.

    YAML reads yes, no, on and off as booleans, which pydantic accepts as the numbers 1 and 0.

    Args:
        given: The values of a section.
        read: The same section after validation, as from `model_dump`.
        key: The dotted key of the section.
    """
    if isinstance(given, dict) and isinstance(read, dict):
        for name in filter(read.__contains__, given):
            yield from boolean_problems(given[name], read[name], f"{key}.{name}")
    elif isinstance(given, list) and isinstance(read, list | tuple):
        for number, (one, other) in enumerate(zip(given, read, strict=False)):
            yield from boolean_problems(one, other, f"{key}.{number}")
    elif isinstance(given, bool) and isinstance(read, int | float) and not isinstance(read, bool):
        yield key, f"{key}: should be a number, not a boolean (got {given})"


def require_list(values: object, what: str) -> None:
    """Raises UserError if a function that expects a list of strings was called with one string or another value."""
    if isinstance(values, str | bytes):
        raise UserError(f"expected a list of {what}, got the string {quoted(values)}")
    if isinstance(values, Mapping) or not (isinstance(values, Sized) and isinstance(values, Iterable)):
        raise UserError(f"expected a list of {what}, got {quoted(values)}")
    if getattr(values, "ndim", 1) != 1:  # an array of NumPy
        raise UserError(f"expected a list of {what}, got {quoted(values)}")
    for value in values:
        if not isinstance(value, str):
            raise UserError(f"expected a list of {what}, but it contains {quoted(value)}")


def suggest(word: str, known: Sequence[str]) -> str:
    """Returns " (did you mean …?)" with the closest known word, or "" if no known word is close."""
    close = difflib.get_close_matches(word, known, 1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def quoted(value: object) -> str:
    """Returns the repr of a value for a message; a long repr is truncated."""
    try:
        shown = repr(value[: 2 * SHOWN] if isinstance(value, str | bytes) else value)
    except (ValueError, RecursionError):  # an integer of thousands of digits; lists within lists
        return f"a value of type {type(value).__name__} that is too large to show"
    return shortened(shown)


def _text(found: dict[str, Any], model: type[BaseModel]) -> str:
    if found["type"] == "extra_forbidden":
        *parents, last = found["loc"]
        known = _keys(model, parents)
        return f"unknown key{suggest(str(last), known)}; known: {', '.join(known)}"
    if found["type"] == "missing":
        return "is missing"
    if found["type"] == "value_error":
        text = str(found["ctx"]["error"])  # of our own validators, without pydantic's prefix "Value error, "
    elif found["loc"][-1:] == ("[key]",) or found["type"] == "invalid_key":
        text = "keys should be text; put this key in quotes"
    elif found["type"] in PLAIN:
        text = PLAIN[found["type"]].format(**found.get("ctx", {}))
    else:
        text = found["msg"].removeprefix("Input ")
    # If the value is a whole section, the message does not quote it.
    return text if isinstance(found["input"], dict | BaseModel) else f"{text} (got {quoted(found['input'])})"


def _keys(model: type[BaseModel], parents: Sequence[str | int]) -> list[str]:
    """Returns the keys that the model allows in the section with the path `parents`."""
    for parent in parents:
        field = model.model_fields.get(str(parent))
        inner = next(_models(field.annotation), None) if field else None
        model = inner or model  # a parent can be a mapping key or a list index; the model is then that of the values
    return list(model.model_fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yields the pydantic models in a type annotation such as `dict[str, Bound] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    if get_origin(annotation) in (Union, types.UnionType, Annotated, dict, list, tuple):
        for part in get_args(annotation):
            yield from _models(part)

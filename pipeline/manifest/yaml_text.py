"""Parses YAML into plain data: only safe tags, no repeated keys, limits on depth and on the size of aliases."""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from hspcgan.model.common.validation import quoted, shortened

MAX_DEPTH = 40
MAX_VALUES = 100_000
MAX_MESSAGE = 1000  # characters of an error of PyYAML
MAX_BITS = 10_000  # of an integer; Python does not print integers of more than 4,300 digits
BUGS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""The errors that PyYAML raises by mistake, instead of a YAMLError, for some values and escapes that are invalid."""
STRING, INTEGER, FLOAT, EQUALS = (f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "value"))
SEXAGESIMAL_OR_OCTAL = re.compile(r".*:|[-+]?0[0-9_]")


class YamlTextError(ValueError):
    """Input that is not YAML, or is nested too deeply or too large; the message states the reason."""


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader; its errors name the value that does not match its tag, as in `!!int ""`.

    As in YAML 1.2, the values 1:30, 010 and = are strings; PyYAML would read the first two as the numbers 90 and 8.
    """

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        tag = super().resolve(kind, value, implicit)
        is_odd = tag == EQUALS or (tag in (INTEGER, FLOAT) and SEXAGESIMAL_OR_OCTAL.match(value))
        return STRING if is_odd else tag

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except YamlTextError:
            raise
        except BUGS as error:
            tag = node.tag.replace("tag:yaml.org,2002:", "!!")
            shown = f"{quoted(node.value)} " if isinstance(node, yaml.ScalarNode) else ""
            raise YamlTextError(
                f"line {node.start_mark.line + 1}: the value {shown}is not a valid {tag}; correct it, or write it in "
                "quotes and without a tag"
            ) from error


def parse(text: str) -> tuple[Any, list[str]]:
    """
    Returns the data, with aliases copied, and a message for each key that occurs twice in a mapping.

    Raises YamlTextError.
    """
    line = 0
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None, []
            _limit(node)
            data = _copied(loader.construct_document(node))
        finally:
            line = loader.line + 1
            loader.dispose()
    except YamlTextError:
        raise
    except RecursionError as error:
        raise YamlTextError(f"nested more than {MAX_DEPTH} levels deep") from error
    except yaml.YAMLError as error:
        message = str(error).replace('in "<unicode string>",', "at")
        raise YamlTextError(shortened(message, MAX_MESSAGE)) from error
    except BUGS as error:  # of the scanner, for an escape such as "\UFFFFFFFF"
        raise YamlTextError(f"line {line} has an invalid escape or directive") from error
    return data, list(dict.fromkeys(_repeated(node)))


def _limit(root: yaml.Node) -> None:
    """Raises YamlTextError if the data would be too deep or too large with expanded aliases; does not expand them."""
    measured: dict[int, tuple[int, int]] = {}  # node → number of values, depth

    def measure(node: yaml.Node, above: tuple[int, ...]) -> tuple[int, int]:
        if id(node) in above:
            raise YamlTextError(f"line {node.start_mark.line + 1}: an alias refers to the value that contains it")
        if len(above) > MAX_DEPTH:
            raise YamlTextError(f"nested more than {MAX_DEPTH} levels deep")
        if id(node) not in measured:
            inner = [measure(child, (*above, id(node))) for child in _children(node)]
            values = 1 + sum(count for count, _ in inner)
            measured[id(node)] = values, 1 + max((depth for _, depth in inner), default=0)
        return measured[id(node)]

    values, depth = measure(root, ())
    if depth > MAX_DEPTH:
        raise YamlTextError(f"nested more than {MAX_DEPTH} levels deep")
    if values > MAX_VALUES:
        raise YamlTextError(f"more than {MAX_VALUES:,} values with aliases expanded")


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def _repeated(node: yaml.Node) -> Iterator[str]:
    """Yields a message for each key that occurs twice in a mapping, since YAML would silently keep the last."""
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, _ in node.value:
            name = (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else id(key)
            if name in seen and key.tag != "tag:yaml.org,2002:merge":
                yield f"line {key.start_mark.line + 1}: {key.value} occurs twice"
            seen.add(name)
    for child in _children(node):
        yield from _repeated(child)


def _copied(value: Any) -> Any:
    """Returns a copy in which each alias is a separate value, so that an override changes only its own section."""
    if isinstance(value, dict):
        return {_copied(key): _copied(item) for key, item in value.items()}
    if isinstance(value, bytes | set | tuple):  # of !!binary, !!set and !!omap; they cannot be written as JSON
        kind = {bytes: "binary value", set: "set", tuple: "pair"}[type(value)]
        raise YamlTextError(f"{quoted(value)} is a {kind}, expected text, numbers, lists and mappings without tags")
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise YamlTextError(f"an integer has {value.bit_length():,} bits, more than the {MAX_BITS:,} allowed")
    if isinstance(value, str) and any("\ud800" <= char <= "\udfff" or char == "\0" for char in value):
        raise YamlTextError(f"{value[:40]!r} contains a NUL character or a lone surrogate; remove it")
    return [_copied(item) for item in value] if isinstance(value, list) else value

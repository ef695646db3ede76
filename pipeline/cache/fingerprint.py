"""What a cache was made from, as sha256: the inputs of its stages, and the code in use by what it does."""

import ast
import hashlib
import importlib.util
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any


def fingerprint(inputs: Mapping[str, Any], before: str = "") -> str:
    """sha256 over the fingerprint of the stage before and the inputs as sorted JSON."""
    return hashlib.sha256((before + json.dumps(inputs, sort_keys=True)).encode()).hexdigest()


def code_of(modules: Iterable[str], within: tuple[str, ...] = ()) -> dict[str, str]:
    """`code_sha256` of modules by name, and of all modules that they import, directly or not, from packages `within`.

    A stage states it in its inputs, so that a cache made by other rules is refused and the module is named; for the
    parser's rules see `concepts.annotate.versions.rules_code`. ModuleNotFoundError for a name in `modules` that is no
    module; an imported name may be a class or a function.
    """
    found: dict[str, str] = {}
    pending = list(modules)
    if absent := [module for module in pending if _source_file(module) is None]:
        raise ModuleNotFoundError(
            f"no module {', '.join(absent)}: correct the list of modules that this code is stated by"
        )
    while pending:
        module = pending.pop()
        path = _source_file(module)
        if module in found or path is None:
            continue
        found[module] = code_sha256(path)
        pending += [name for name in _imported(path) if name.startswith(tuple(f"{package}." for package in within))]
    return dict(sorted(found.items()))


@cache
def code_sha256(path: Path) -> str:
    """sha256 of a Python file's syntax tree without comments and docstrings; the same in every version of Python."""
    return hashlib.sha256(_written(_tree(path)).encode("utf-8", "surrogatepass")).hexdigest()


def _written(node: Any) -> str:
    """A syntax tree as text: fields that hold nothing are left out, since new versions of Python add such fields."""
    if isinstance(node, list):
        return f"[{','.join(_written(item) for item in node if not _is_docstring(item))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = [(name, value) for name, value in ast.iter_fields(node) if value is not None and value != []]
    return f"{type(node).__name__}({','.join(f'{name}={_written(value)}' for name, value in fields)})"


def _is_docstring(node: Any) -> bool:
    """Whether a statement is a text alone: the docstring of what it is in, or of the assignment before it."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())


def _imported(path: Path) -> Iterator[str]:
    """Absolute names that a file imports; of `from a import b` both a.b, which may be a module, and a."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _source_file(module: str) -> Path | None:
    """A module's file; None for a package, which holds no rules here, and for a name that is no module."""
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:  # its parent is a module, not a package: the name is a class or a function
        return None
    return None if spec is None or spec.origin is None or spec.submodule_search_locations else Path(spec.origin)

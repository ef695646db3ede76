"""Computes fingerprints (sha256) of what a cache depends on: the inputs of its stages and the code of the stages."""

import ast
import hashlib
import importlib.util
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any


def fingerprint(inputs: Mapping[str, Any], before: str = "") -> str:
    """Returns the sha256 of `before`, the fingerprint of the previous stage, followed by the inputs as sorted JSON."""
    return hashlib.sha256((before + json.dumps(inputs, sort_keys=True)).encode()).hexdigest()


def code_of(modules: Iterable[str], within: tuple[str, ...] = ()) -> dict[str, str]:
    """Returns {module: `code_sha256`} for modules and, recursively, for their imports from the packages `within`.

    A stage adds these hashes to its inputs, so that a cache made with other rules is rejected and the module is named;
    for the rules of the parser see `concepts.annotate.fingerprint_inputs.rules_code`. Raises ModuleNotFoundError if a
    name in `modules` is not a module; an imported name may also be a class or a function.
    """
    found: dict[str, str] = {}
    pending = list(modules)
    if absent := [module for module in pending if _source_file(module) is None]:
        raise ModuleNotFoundError(f"no module {', '.join(absent)}; correct the list of modules given to code_of")
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
    """Returns the sha256 of a file's syntax tree without comments and docstrings, equal in all Python versions."""
    return hashlib.sha256(_tree_as_text(_tree(path)).encode("utf-8", "surrogatepass")).hexdigest()


def _tree_as_text(node: Any) -> str:
    """Converts a syntax tree to a string; omits empty fields, since newer versions of Python add such fields."""
    if isinstance(node, list):
        return f"[{','.join(_tree_as_text(item) for item in node if not _is_docstring(item))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = [(name, value) for name, value in ast.iter_fields(node) if value is not None and value != []]
    return f"{type(node).__name__}({','.join(f'{name}={_tree_as_text(value)}' for name, value in fields)})"


def _is_docstring(node: Any) -> bool:
    """Whether a statement is only a string: a docstring of the enclosing block or of the previous assignment."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())


def _imported(path: Path) -> Iterator[str]:
    """Yields the absolute names that a file imports; for `from a import b` both a and a.b, which may be a module."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _source_file(module: str) -> Path | None:
    """Returns the file of a module; None for a package (its `__init__` is not hashed) and for other names."""
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:  # its parent is a module, not a package: the name is a class or a function
        return None
    return None if spec is None or spec.origin is None or spec.submodule_search_locations else Path(spec.origin)

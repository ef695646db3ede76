"""Loads the benchmarks of `train` and `evaluate` by entry point, since `pipeline` must not import them."""

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

from hspcgan.model.common.errors import UserError


def load_bench(name: str) -> Callable[..., Any]:
    """Returns the benchmark function `name` of the group hspcgan.benches. Raises UserError if it is missing."""
    found = list(entry_points(group="hspcgan.benches", name=name))
    if not found:
        raise UserError(f"the installed package lacks the benchmark {name!r}; reinstall it: pip install -e .")
    return found[0].load()

"""A room's public names, imported when they are first used (PEP 562), so that importing the room itself is quick."""

import importlib
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any


def lazy_names(package: str, places: Mapping[str, str]) -> Callable[[str], Any]:
    """The package's `__getattr__`: `places` maps each public name to "module:attribute"; `__version__` is hspcgan's."""

    def get(name: str) -> Any:
        if name == "__version__":
            return version("hspcgan")
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}; public names: {', '.join(places)}")
        module, _, attribute = places[name].partition(":")
        return getattr(importlib.import_module(module), attribute)

    return get

"""Imports the public names of a package on first use (PEP 562), so that importing the package is fast."""

import importlib
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any


def lazy_names(package: str, places: Mapping[str, str]) -> Callable[[str], Any]:
    """Returns the function `__getattr__` for a package; it imports the public names of the package on first use.

    `places` maps each public name to "module:attribute". `__version__` is the version of hspcgan.
    """

    def get(name: str) -> Any:
        if name == "__version__":
            return version("hspcgan")
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}; public names: {', '.join(places)}")
        module, _, attribute = places[name].partition(":")
        return getattr(importlib.import_module(module), attribute)

    return get

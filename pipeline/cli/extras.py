"""Lists the optional parts of the package from its metadata: the distributions that each extra installs."""

import re
from importlib.metadata import requires

COLLECTIONS = ("demo", "dev", "all")
"""Extras that combine other extras."""

DISTRIBUTIONS = {
    "sng_parser": "SceneGraphParser",
    "cleanfid": "clean-fid",
    "upath": "universal-pathlib",
    "ruamel": "ruamel.yaml",
}
"""Distribution names that differ from the name that is imported."""


def by_extra() -> dict[str, list[str]]:
    """Returns {extra: distributions that it installs}; the key "" has those that are always installed."""
    found: dict[str, list[str]] = {"": []}
    for requirement in requires("hspcgan") or ():
        name = re.match(r"[\w.-]+", requirement)
        marker = re.search(r"""extra == ['"]([\w-]+)['"]""", requirement)
        if name and (marker is None or marker[1] not in COLLECTIONS):
            found.setdefault(marker[1] if marker else "", []).append(name[0])
    smallest_first = sorted(found, key=lambda extra: (extra != "", len(found[extra])))
    for number, extra in enumerate(smallest_first):  # a larger extra may include a smaller one
        listed = {name for smaller in smallest_first[:number] for name in found[smaller]}
        found[extra] = [name for name in found[extra] if name not in listed]
    return found


def extra_of(module: str) -> str | None:
    """Returns the extra that installs a module, such as "evaluate" for "cleanfid"; None if no extra does."""
    wanted = _normalized_name(DISTRIBUTIONS.get(module, module))
    for extra, names in by_extra().items():
        if extra and wanted in map(_normalized_name, names):
            return extra
    return None


def _normalized_name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()

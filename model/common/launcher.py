"""The variables of launchers such as torchrun, by which a process knows its place among others."""

import os

from hspcgan.model.common.errors import UserError


def launch_number(name: str, default: int, least: int = 0, most: int = 99_999) -> int:
    """A launcher's variable as a number; an empty one counts as not set. UserError, with its name, for other texts."""
    text = os.environ.get(name) or str(default)
    if not (text.isdecimal() and len(text) < 10 and least <= int(text) <= most):
        raise UserError(
            f"{name} is {text[:40]!r}, expected a number from {least} to {most}; start with torchrun, or unset {name}"
        )
    return int(text)

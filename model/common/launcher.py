"""Reads the environment variables of launchers such as torchrun: rank, number of processes and so on."""

import os

from hspcgan.model.common.errors import UserError


def launcher_integer(name: str, default: int, least: int = 0, most: int = 99_999) -> int:
    """Returns the value of an environment variable as an integer, or `default` if it is unset or empty.

    Raises UserError if the value is not an integer from `least` to `most`.
    """
    text = os.environ.get(name) or str(default)
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and least <= int(text) <= most):
        raise UserError(
            f"{name} is {text[:40]!r}, expected a number from {least} to {most}; start the command with torchrun, or "
            f"unset {name}"
        )
    return int(text)

"""Prints strings to a terminal with control characters escaped and passwords in URLs replaced."""

import re
import unicodedata

SHOWN = "\n\t"
LARGE = 1e7
"""Numbers from here on are shown in scientific notation."""

HIDDEN = {"Cc", "Cs", "Zl", "Zp"}  # control characters, lone surrogates, line and paragraph separators
DIRECTIONS = {*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}


PASSWORD = re.compile(r"(:/{1,2}[^/?#\s:@]*):[^/?#\s]*@")
"""A user name in a URL and the password; pathlib leaves only one slash before the user name."""
CUT_PASSWORD = re.compile(r"(://[^/?#\s:@\[]*):(?!\d*(?:\W|$))[^/?#\s@'\"]+(?=['\"\s]|$)")
"""The same in a URL that a message shows only up to the password: what is after the colon is not a port."""


def without_passwords(text: str) -> str:
    """Returns the string with `***` for passwords in URLs: https://user:***@host."""
    return CUT_PASSWORD.sub(r"\1:***", PASSWORD.sub(r"\1:***@", text)) if ":/" in text else text


def printable(text: str) -> str:
    """
    Returns the string `without_passwords` and with control characters and direction overrides escaped, such as \\x1b.

    Line breaks and tabs are kept.
    """
    text = without_passwords(text)
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if _is_shown(char) else char.encode("unicode_escape").decode() for char in text)


def echo(text: str = "", err: bool = False, nl: bool = True) -> None:
    """Prints a result of a command with `click.echo`, after `printable` has escaped it."""
    import click

    try:
        click.echo(printable(text), err=err, nl=nl)
    except OSError as error:  # a full disk, for example; unlike an error of a file, it names no path
        error.filename = "standard error" if err else "standard output"
        raise


def format_number(value: float, digits: int = 3) -> str:
    """Returns a number with this many decimals, or in scientific notation from ten million on: "0.712", "1.23e+30"."""
    if abs(value) >= LARGE:
        return f"{value:.3g}"
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text  # no "-0.00"


def format_percent(share: float, digits: int = 1) -> str:
    """Returns a share as a percentage, such as "99.5 %"."""
    return f"{format_number(100 * share, digits)} %"


def format_count(number: int, noun: str, plural: str = "") -> str:
    """Returns a number and a noun in singular or plural (by default with s), such as "1 run" or "1,200 runs"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def _is_shown(char: str) -> bool:
    return char in SHOWN or (unicodedata.category(char) not in HIDDEN and char not in DIRECTIONS)

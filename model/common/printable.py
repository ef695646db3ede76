"""Text on its way to a terminal: what came from outside is shown, and cannot control the terminal."""

import unicodedata

SHOWN = "\n\t"
HIDDEN = {"Cc", "Cs", "Zl", "Zp"}  # control characters, lone surrogates, line and paragraph separators
DIRECTIONS = {*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}


def printable(text: str) -> str:
    """The text with control characters and direction overrides as escapes (\\x1b); line breaks and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if _is_shown(char) else char.encode("unicode_escape").decode() for char in text)


def echo(text: str = "", err: bool = False, nl: bool = True) -> None:
    """click's `echo` of the printable text: how a command prints its result."""
    import click

    click.echo(printable(text), err=err, nl=nl)


def _is_shown(char: str) -> bool:
    return char in SHOWN or (unicodedata.category(char) not in HIDDEN and char not in DIRECTIONS)

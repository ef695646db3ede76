"""Loads only the needed parts of OpenAI's CLIP package: network, tokenizer and the list of published files.

`import clip` also imports torchvision and with it torch's compiler, which takes longer than importing torch. So the
files of the package are loaded one by one, without the package's own imports.
"""

import ast
import html
import importlib.util
import re
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

CONTROL = r"<\|startoftext\|>|<\|endoftext\|>|"
"""The beginning of the pattern by which OpenAI's tokenizer splits a text."""


MAX_WORD = 1000
"""Bytes of a word that OpenAI's tokenizer merges as one, since the time grows with the square of their number.

CLIP reads 77 tokens, which are fewer bytes, except in a word that repeats one character.
"""


LONG_REFERENCE = re.compile(r"&#\d{1000,};?")
"""An HTML reference to a character by a number that Python may refuse to convert; no character has such a number."""


@cache
def network_module() -> ModuleType:
    """Returns OpenAI's module `clip.model`, which defines the network and builds it from a state dict."""
    return _module("model")


@cache
def tokenizer() -> Any:
    """Returns OpenAI's tokenizer with its vocabulary; unlike there, texts cannot contain control tokens.

    Words of more than MAX_WORD bytes, such as encoded data, are tokenized in parts. A LONG_REFERENCE becomes U+FFFD.

    OpenAI's converts <|endoftext|> in a text to the end of the text, so that the words after it are ignored. Here it
    becomes "<|", "endoftext" and "|>", in any case and also if it is written with HTML entities.
    """
    module: Any = _module("simple_tokenizer")
    module.html = SimpleNamespace(unescape=lambda text: html.unescape(LONG_REFERENCE.sub("\ufffd", text)))
    made = module.SimpleTokenizer()
    made.pat = module.re.compile(made.pat.pattern.removeprefix(CONTROL), made.pat.flags)
    whole = made.bpe

    def bpe(word: str) -> str:
        return " ".join(whole(word[start : start + MAX_WORD]) for start in range(0, len(word), MAX_WORD))

    made.bpe = bpe
    return made


@cache
def published_urls() -> dict[str, str]:
    """Returns the URLs of OpenAI's weights by name, read from the source of `clip/clip.py` without running it."""
    for node in ast.parse(_file("clip").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_MODELS":
            return dict(ast.literal_eval(node.value))
    raise ImportError(f"{_file('clip')} does not define _MODELS; reinstall the package: pip install openai-clip")


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"openai_clip_{name}", _file(name))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _file(name: str) -> Path:
    package = importlib.util.find_spec("clip")  # finds the folder; imports nothing
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("No module named 'clip'", name="clip")
    return Path(package.submodule_search_locations[0]) / f"{name}.py"

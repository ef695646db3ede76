"""Rejects entries whose key is already used; chooses a test split if there is none, with equal images in one split."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hspcgan.model.common.user_files import is_local
from hspcgan.pipeline.sources.base import Entry, with_test_split
from hspcgan.pipeline.sources.fingerprints import image_state


class ImageStates:
    """Computes the `image_state` of image files; reads each file only once."""

    def __init__(self) -> None:
        self._states: dict[Path, str] = {}

    def state(self, path: Path) -> str:
        """Returns the `image_state` of a file."""
        if path not in self._states:
            self._states[path] = image_state(path)
        return self._states[path]

    def identity(self, path: Path | None) -> str:
        """Returns the `image_state` if it identifies the image; "" if the file cannot be read or is at a URL."""
        if path is None or not is_local(path) or (state := self.state(path)).startswith("unreadable"):
            return ""
        return state


def first_of_each_key(
    entries: Sequence[Entry],
    rejected: Callable[[Any, str], Any] = lambda ref, why: replace(ref, problem=why),
    fix: str = "rename one of them",
) -> tuple[list[Entry], list[Entry]]:
    """
    Returns the first entry of each key, and the other entries, which become rejects; both in the order of `entries`.

    `rejected` returns the `ref` of an entry with a problem; by default, `ref` is a dataclass with a field `problem`.
    """
    first: dict[str, Entry] = {}
    others = []
    for entry in entries:
        kept = first.setdefault(entry.key, entry)
        if kept is not entry:
            why = (
                f"{entry.where} is listed twice; remove one of the entries"
                if kept.where == entry.where
                else f"the key is already used: {kept.where} has the same key {entry.key}; {fix}"
            )
            others.append(replace(entry, ref=rejected(entry.ref, why)))
    return list(first.values()), others


def split_by_image(entries: Sequence[Entry], fraction: float, picture: Callable[[Entry], str]) -> list[Entry]:
    """
    Like `with_test_split`, but entries with the same image get the split of the first such entry.

    `picture` identifies the image of an entry by its content, as `image_state` does; "" if that is unknown. It is
    called only if a test split is chosen.
    """
    if fraction == 0 or any(entry.split == "test" for entry in entries):
        return list(entries)
    names = [picture(entry) or f"key {entry.key}" for entry in entries]
    first: dict[str, Entry] = {}
    for name, entry in zip(names, entries, strict=True):
        first.setdefault(name, entry)
    drawn = with_test_split(list(first.values()), fraction)
    splits = {name: entry.split for name, entry in zip(first, drawn, strict=True)}
    return [replace(entry, split=splits[name]) for name, entry in zip(names, entries, strict=True)]

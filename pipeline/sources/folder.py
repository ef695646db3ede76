"""A folder of images, each with its captions beside it in NAME.txt (one a line) or NAME.json ({"captions": […]})."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hspcgan.pipeline.sources import (
    TEST_NAMES,
    DataConfig,
    Entry,
    Item,
    hash_lines,
    refuse_duplicates,
    state,
    with_test_split,
)

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}
OTHER_IMAGES = {".gif", ".tif", ".tiff", ".heic", ".avif", ".jp2"}
"""Not read, but listed, so that they end in rejects with a reason instead of vanishing."""
CAPTION_SUFFIXES = {".txt", ".json"}
_EXPECTED = "PATH/[train/|test/]NAME.{jpg,jpeg,png,webp,bmp} with NAME.txt (a caption a line) or NAME.json beside it"


@dataclass(frozen=True)
class _Files:
    image: Path | None
    captions: tuple[Path, ...]


class FolderSource:
    """Own data in the simplest layout; subfolders are walked, and a top folder train/ or test/ (val/) is the split."""

    def __init__(self, config: DataConfig) -> None:
        assert config.path is not None
        self.root, self.fraction = config.path, config.test_fraction
        self._files = sorted(self._walk())

    def _walk(self) -> list[Path]:
        found = []
        for folder, folders, names in os.walk(self.root):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            found += [Path(folder, name) for name in names if not name.startswith(".")]
        return found

    def entries(self) -> Sequence[Entry]:
        images: list[Path] = []
        captions: dict[Path, list[Path]] = {}
        for path in self._files:
            suffix = path.suffix.lower()
            if suffix in IMAGE_SUFFIXES | OTHER_IMAGES:
                images.append(path)
            elif suffix in CAPTION_SUFFIXES:
                captions.setdefault(path.with_suffix(""), []).append(path)
        if not any(path.suffix.lower() in IMAGE_SUFFIXES for path in images):
            kinds = Counter(path.suffix.lower() or "no suffix" for path in self._files)
            found = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(6)) or "nothing"
            raise ValueError(f"no images in {self.root}; found {found}; expected {_EXPECTED}")
        entries = [self._entry(path, _Files(path, tuple(captions.pop(path.with_suffix(""), ())))) for path in images]
        refuse_duplicates(entries)
        # Caption files whose image is missing come last; a reader turns each into a reject.
        orphans = [self._entry(paths[0], _Files(None, tuple(paths))) for _, paths in sorted(captions.items())]
        return with_test_split(entries, self.fraction) + orphans

    def _entry(self, path: Path, files: _Files) -> Entry:
        inside = path.relative_to(self.root)
        split = "test" if len(inside.parts) > 1 and inside.parts[0].lower() in TEST_NAMES else "train"
        return Entry(inside.with_suffix("").as_posix(), split, inside.as_posix(), files)

    def read(self, entry: Entry) -> Item:
        files: _Files = entry.ref
        if files.image is None:
            return Item(entry, None, (), "captions without an image of the same name")
        problem: str | None = None
        captions: tuple[str | bytes, ...] = ()
        try:
            captions = _read_captions(files.captions)
        except ValueError as error:
            problem = str(error)
        if problem is None and not captions:
            problem = f"no captions: expected {files.image.stem}.txt or {files.image.stem}.json beside it"
        try:
            return Item(entry, files.image.read_bytes(), captions, problem)
        except OSError as error:
            return Item(entry, None, captions, f"cannot be read: {error.strerror or error}")

    def signature(self) -> str:
        lines = []
        for path in self._files:
            suffix = path.suffix.lower()
            if suffix in IMAGE_SUFFIXES | OTHER_IMAGES:
                seen = state(path)
            elif suffix in CAPTION_SUFFIXES:
                seen = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "missing"
            else:
                continue
            lines.append(f"{path.relative_to(self.root).as_posix()}\t{seen}")
        return hash_lines(lines)


def _read_captions(paths: tuple[Path, ...]) -> tuple[str | bytes, ...]:
    """The captions of one image; raises ValueError with the reason when its caption file cannot be used."""
    if not paths:
        return ()
    if len(paths) > 1:
        raise ValueError(f"two caption files, keep one: {', '.join(path.name for path in paths)}")
    path = paths[0]
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(f"unreadable captions: {path.name}: {error.strerror or error}") from error
    if path.suffix.lower() == ".txt":
        if not data.strip():
            raise ValueError(f"no captions: {path.name} is empty")
        return tuple(data.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n").splitlines())
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not valid JSON: {path.name}: {error}") from error
    captions = content.get("captions") if isinstance(content, dict) else None
    if not isinstance(captions, list) or not all(isinstance(text, str) for text in captions):
        raise ValueError(f'no {{"captions": ["…", …]}}: {path.name} holds {str(content)[:60]!r}')
    return tuple(captions)

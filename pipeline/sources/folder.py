"""A folder of images, each with captions in NAME.txt (one per line) or NAME.json next to it.

Of a NAME.txt and a NAME.json, one is used (see `captions_of`); each caption that only the other has is a reject. Of
several images with one name (NAME.jpg, NAME.png), the first by suffix is used, and each of the others is a reject.
"""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.user_files import read_bytes
from hspcgan.pipeline.sources.base import TEST_NAMES, Entry, Item
from hspcgan.pipeline.sources.files_below import IMAGE_SUFFIXES, OTHER_IMAGES, name_hint, walk
from hspcgan.pipeline.sources.fingerprints import MAX_CAPTION_BYTES, hash_lines, text_state
from hspcgan.pipeline.sources.readers.caption_files import captions_of
from hspcgan.pipeline.sources.split import ImageStates, first_of_each_key, split_by_image

CAPTION_SUFFIXES = {".txt", ".json"}
_KNOWN = IMAGE_SUFFIXES | OTHER_IMAGES | CAPTION_SUFFIXES
_EXPECTED = "PATH/[train/|test/]NAME.{jpg,jpeg,jfif,png,webp,bmp} with NAME.txt (one caption per line) or NAME.json"


@dataclass(frozen=True)
class _Files:
    image: Path | None
    captions: tuple[Path, ...]
    problem: str | None = None


class FolderSource:
    """
    Images below a folder, including subfolders; a top-level folder train/, test/ or val/ sets the split.

    Links are followed and hidden names are left out, as in `walk`.
    """

    def __init__(self, path: Path, test_fraction: float) -> None:
        self.root, self.fraction = path, test_fraction
        self._files, self._closed = walk(self.root)
        self._pictures = ImageStates()
        for path in self._files:
            if path.suffix.lower() not in _KNOWN and path.is_symlink() and not os.path.exists(path):
                self._closed[path] = f"a broken link: {os.readlink(path)}"

    def entries(self) -> Sequence[Entry]:
        captions: dict[Path, list[Path]] = {}
        for path in self._files:
            if path.suffix.lower() in CAPTION_SUFFIXES:
                captions.setdefault(path.with_suffix(""), []).append(path)
        images = [path for path in self._files if path.suffix.lower() in IMAGE_SUFFIXES]
        if not images:
            kinds = Counter(path.suffix.lower() or "no suffix" for path in self._files)
            found = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(6)) or "nothing"
            raise UserError(f"no images in {self.root}; found {found}; expected {_EXPECTED}")
        entries = [self._entry(path, _Files(path, tuple(captions.pop(path.with_suffix(""), ())))) for path in images]
        entries, unusable = first_of_each_key(entries)
        # Unusable files come last; each becomes a reject.
        unusable += [self._entry(path, _Files(None, (), problem)) for path, problem in sorted(self._closed.items())]
        for path in self._files:
            if path.suffix.lower() in OTHER_IMAGES:
                problem = f"not a supported image format: {path.suffix}; expected {', '.join(sorted(IMAGE_SUFFIXES))}"
                unusable.append(self._entry(path, _Files(None, tuple(captions.pop(path.with_suffix(""), ())), problem)))
        without_image = "captions without an image of the same name"
        unusable += [
            self._entry(path, _Files(None, (path,), without_image))
            for _, paths in sorted(captions.items())
            for path in paths
        ]
        return split_by_image(entries, self.fraction, lambda entry: self._pictures.identity(entry.ref.image)) + unusable

    def _entry(self, path: Path, files: _Files) -> Entry:
        inside = path.relative_to(self.root)
        split = "test" if len(inside.parts) > 1 and inside.parts[0].lower() in TEST_NAMES else "train"
        key = inside if files.image is None else inside.with_suffix("")  # the stem may be the key of an image
        return Entry(key.as_posix(), split, inside.as_posix(), files)

    def read(self, entry: Entry) -> Item:
        files: _Files = entry.ref
        problem = files.problem
        captions: tuple[object, ...] = ()
        try:
            captions = _read_captions(files.captions)
        except ValueError as error:
            problem = problem or str(error)
        if files.image is None:
            return Item(entry, None, captions, problem)
        if problem is None and not captions:
            problem = f"no captions: expected {files.image.stem}.txt or {files.image.stem}.json"
        try:
            return Item(entry, read_bytes(files.image), captions, problem)
        except OSError as error:
            hint = name_hint(files.image) if isinstance(error, FileNotFoundError) else ""
            return Item(entry, None, captions, f"cannot be read: {error.strerror or error}{hint}")

    def signature(self) -> str:
        lines = [f"{path.relative_to(self.root).as_posix()}\t{why}" for path, why in sorted(self._closed.items())]
        for path in self._files:
            suffix = path.suffix.lower()
            if suffix in IMAGE_SUFFIXES | OTHER_IMAGES:
                seen = self._pictures.state(path)
            elif suffix in CAPTION_SUFFIXES:
                seen = text_state(path)
            else:
                continue
            lines.append(f"{path.relative_to(self.root).as_posix()}\t{seen}")
        return hash_lines(lines)


def _read_captions(paths: tuple[Path, ...]) -> tuple[object, ...]:
    """Returns the captions of one image; raises UserError with the reason when its caption files cannot be used."""
    if not paths:
        return ()
    files: dict[str, Callable[[], bytes]] = {}
    for path in paths:
        suffix = path.suffix.lower()
        if suffix in files:
            raise UserError(f"two caption files; keep one: {', '.join(path.name for path in paths)}")
        files[suffix] = partial(_caption_file, path)
    return captions_of(files, paths[0].stem, lines=True)


def _caption_file(path: Path) -> bytes:
    try:
        return read_bytes(path, MAX_CAPTION_BYTES)
    except OSError as error:
        raise UserError(f"unreadable captions: {path.name}: {error.strerror or error}") from error

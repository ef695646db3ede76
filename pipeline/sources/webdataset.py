"""WebDataset tar shards, as written by img2dataset.

    PATH/[train/|test/]00000.tar    KEY.jpg (or png, webp) with KEY.txt (one caption) or KEY.json
    PATH/00000.parquet, PATH/00000_stats.json    not read
    PATH/00001.tar.gz               rejected: members are read in place, which a compressed shard does not allow

A key is the folder of the shard plus the path of a member up to the first dot of its name: train/000000000. The caption
is KEY.txt, or `captions` or `caption` in KEY.json, see `captions_of`. Of several images with one key, the first is
used, in the order of shards and then of suffixes, and each of the others is a reject.
Members are read in place by offset and never unpacked, so names cannot escape the folder.
"""

import re
from array import array
from collections.abc import Iterator, Sequence
from copy import copy
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import Any

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.user_files import MAX_BYTES, UnfitFileError, is_local, open_regular
from hspcgan.pipeline.sources.base import TEST_NAMES, Entry, Item, list_folders
from hspcgan.pipeline.sources.files_below import IMAGE_SUFFIXES, walk
from hspcgan.pipeline.sources.fingerprints import MAX_CAPTION_BYTES, hash_lines
from hspcgan.pipeline.sources.readers.caption_files import captions_of
from hspcgan.pipeline.sources.readers.tar_shard import CAPTION_SUFFIXES, SampleMembers, Span, image_suffixes, list_shard
from hspcgan.pipeline.sources.split import first_of_each_key, split_by_image

_EXPECTED = "PATH/[train/|test/]NNNNN.tar, uncompressed, holding KEY.jpg and KEY.txt or KEY.json"
_SHARD = re.compile(r"\.(tar(\.(gz|bz2|xz|zst|lz4))?|tgz|tbz2?|txz|tzst)$", re.IGNORECASE)


class _Sample:
    """A listed sample in compact form, since millions are held in memory; only the sha256 of its image is kept."""

    __slots__ = ("image_sha256", "problem", "spans", "suffixes", "tar")

    def __init__(self, members: SampleMembers) -> None:
        self.tar, self.problem = members.tar, members.problem
        suffixes = tuple(members.files)
        self.suffixes = _SUFFIXES.setdefault(suffixes, suffixes)
        self.spans = array("q", (number for span in members.files.values() for number in span)).tobytes()
        images = image_suffixes(members.files)
        self.image_sha256 = bytes.fromhex(members.seen[images[0]].split()[1]) if images else b""

    @property
    def files(self) -> dict[str, Span]:
        numbers = memoryview(self.spans).cast("q")
        return {suffix: (numbers[2 * n], numbers[2 * n + 1]) for n, suffix in enumerate(self.suffixes)}


_SUFFIXES: dict[tuple[str, ...], tuple[str, ...]] = {}
"""The combinations of suffixes that occur; samples share these objects, which saves memory."""


class WebDatasetSource:
    """Samples in tar shards, in shard order; a truncated shard gives its complete samples and one reject."""

    def __init__(self, path: Path, test_fraction: float) -> None:
        self.root, self.fraction = path, test_fraction
        files, self._closed = walk(self.root) if isinstance(self.root, Path) else (sorted(self.root.rglob("*")), {})
        self.shards = [path for path in files if _SHARD.search(path.name)]
        if not any(shard.suffix.lower() == ".tar" for shard in self.shards):
            raise UserError(f"no tar shards: found {list_folders(self.root)}; expected {_EXPECTED}; set data.path")

    @cached_property
    def _listed(self) -> tuple[list[tuple[str, _Sample]], str]:
        """The list of (key, sample) in order, and the signature."""
        samples: list[tuple[str, _Sample]] = []
        _require_ranges(self.shards[0])

        def lines() -> Iterator[str]:
            closed = (("?", SampleMembers(path, problem=why)) for path, why in sorted(self._closed.items()))
            for key, members in chain(chain.from_iterable(map(list_shard, self.shards)), closed):
                yield f"{members.tar.relative_to(self.root).as_posix()}\t{key}\t{members.problem}"
                yield from (f"{suffix}\t{members.seen[suffix]}" for suffix in sorted(members.files))
                samples.append((key, _Sample(members)))

        return samples, hash_lines(lines())

    def entries(self) -> Sequence[Entry]:
        entries: list[Entry] = []
        unusable: list[Entry] = []
        for key, members in self._listed[0]:
            shard = members.tar.relative_to(self.root)
            split = "test" if shard.parts[0].lower() in TEST_NAMES else "train"
            folder, where = shard.parent.as_posix(), f"{shard.as_posix()}:{key}"
            own = key if folder == "." else f"{folder}/{key}"
            images = image_suffixes(members.files)
            if images:
                entries.append(Entry(own, split, where, members))
            else:
                unusable.append(Entry(own, split, where, members))
            alone = _Sample(SampleMembers(members.tar))  # the captions belong to the first image
            entries += [Entry(own, split, where + suffix, alone) for suffix in images[1:] if suffix in IMAGE_SUFFIXES]
        fix = "rename or remove one of them, or put the shards of each run into a separate folder"
        entries, others = first_of_each_key(entries, _rejected, fix)
        return split_by_image(entries, self.fraction, _image_identity) + others + unusable

    def read(self, entry: Entry) -> Item:
        members: _Sample = entry.ref
        problem: str | None = None
        captions: tuple[object, ...] = ()
        try:
            captions = _read_captions(members)
        except ValueError as error:
            problem = str(error)
        images = image_suffixes(members.files)
        if members.problem is not None or not images:
            without = f"no image: the sample has only {_suffixes(members)}"
            return Item(entry, None, captions, members.problem or without)
        try:
            return Item(entry, _content(members, images[0]), captions, problem)
        except OSError as error:
            if not is_local(members.tar):
                raise
            return Item(entry, None, captions, f"cannot be read: {error.strerror or error}")

    def signature(self) -> str:
        return self._listed[1]


def _require_ranges(shard: Path) -> None:
    """Raises an error of fsspec if a web server sends whole files only: each member would be the whole tar."""
    if getattr(shard, "protocol", "") in ("http", "https"):
        with open_regular(shard) as file:
            file.seek(1)
            file.read(1)


def _rejected(sample: _Sample, why: str) -> _Sample:
    rejected = copy(sample)
    rejected.problem = why
    return rejected


def _image_identity(entry: Entry) -> str:
    """Returns what identifies the image of an entry: its size and the sha256 of its beginning and end."""
    sample: _Sample = entry.ref
    return f"{sample.files[image_suffixes(sample.files)[0]][1]} {sample.image_sha256.hex()}"


def _content(members: _Sample, suffix: str) -> bytes:
    offset, size = members.files[suffix]
    if size == 0:
        return b""  # an empty range cannot be requested
    if not is_local(members.tar):
        remote: Any = members.tar  # one request for these bytes; an open file would read megabytes ahead
        return remote.fs.cat_file(remote.path, start=offset, end=offset + size)
    if size > MAX_BYTES:
        raise UnfitFileError(f"the image has {size:,} bytes, more than the {MAX_BYTES:,} allowed")
    with open_regular(members.tar) as file:
        file.seek(offset)
        return file.read(size)


def _suffixes(members: _Sample) -> str:
    return ", ".join(suffix or "a file without a suffix" for suffix in members.files)


def _read_captions(members: _Sample) -> tuple[object, ...]:
    """Reads the captions of a sample; raises UserError with the reason if there are none."""
    there = [suffix for suffix in CAPTION_SUFFIXES if suffix in members.files]
    if not there:
        raise UserError(f"no captions: neither .txt nor .json among {_suffixes(members)}")
    return captions_of({suffix: partial(_caption_file, members, suffix) for suffix in there}, "KEY", lines=False)


def _caption_file(members: _Sample, suffix: str) -> bytes:
    size = members.files[suffix][1]
    if size > MAX_CAPTION_BYTES:
        raise UserError(f"{suffix} has {size:,} bytes, more than {MAX_CAPTION_BYTES:,} allowed")
    return _content(members, suffix)

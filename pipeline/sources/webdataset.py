"""WebDataset tar shards, as written by img2dataset.

    PATH/[train/|test/]00000.tar    KEY.jpg (or png, webp) with KEY.txt (one caption) or KEY.json
    PATH/00000.parquet, PATH/00000_stats.json    not read
    PATH/00001.tar.gz               rejected: members are read in place, which a compressed shard does not allow

A key is the folder of the shard plus the path of a member up to the first dot of its name: train/000000000. The caption
is KEY.txt, or `captions` or `caption` in KEY.json, see `captions_of`. Of several images with one key, the first is
used, in the order of shards and then of suffixes, and each of the others is a reject.
Members are read in place by offset and never unpacked, so names cannot escape the folder.
"""

import hashlib
import re
import tarfile
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.user_files import MAX_BYTES, UnfitFileError, is_local, open_regular
from hspcgan.pipeline.sources.base import TEST_NAMES, Entry, Item, list_folders
from hspcgan.pipeline.sources.caption_files import captions_of
from hspcgan.pipeline.sources.files_below import IMAGE_SUFFIXES, OTHER_IMAGES, walk
from hspcgan.pipeline.sources.fingerprints import MAX_CAPTION_BYTES, hash_lines, sampled_sha256
from hspcgan.pipeline.sources.split import first_of_each_key, split_by_image

_EXPECTED = "PATH/[train/|test/]NNNNN.tar, uncompressed, holding KEY.jpg and KEY.txt or KEY.json"
_SHARD = re.compile(r"\.(tar(\.(gz|bz2|xz|zst|lz4))?|tgz|tbz2?|txz|tzst)$", re.IGNORECASE)
_COMPRESSED = {
    b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"\x04\x22\x4d\x18": "lz4",
}  # fmt: skip
"""First bytes of compressed files."""
_CAPTIONS = (".txt", ".json")
MAX_HEADER = 2**20
"""Bytes of a long name or of the PAX fields of a member."""
AFTER_END = 2**16
"""Bytes after the end of a tar that are examined; writers fill a tar with zeros up to a multiple of 10 KB."""
Span = tuple[int, int]
"""Offset and length of a member's content in its tar, in bytes."""


@dataclass
class _SampleMembers:
    """A sample to which members are added while its shard is listed."""

    tar: Path
    files: dict[str, Span] = field(default_factory=dict)  # by suffix, lower case, from the first dot on
    seen: dict[str, str] = field(default_factory=dict)  # by suffix: sha256 of a caption, else `sampled_sha256`
    problem: str | None = None


class _Sample:
    """A listed sample in compact form, since millions are held in memory; only the sha256 of its image is kept."""

    __slots__ = ("image_sha256", "problem", "spans", "suffixes", "tar")

    def __init__(self, members: _SampleMembers) -> None:
        self.tar, self.problem = members.tar, members.problem
        suffixes = tuple(members.files)
        self.suffixes = _SUFFIXES.setdefault(suffixes, suffixes)
        self.spans = array("q", (number for span in members.files.values() for number in span)).tobytes()
        images = _images(members)
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

        def lines() -> Iterator[str]:
            closed = (("?", _SampleMembers(path, problem=why)) for path, why in sorted(self._closed.items()))
            for key, members in chain(chain.from_iterable(map(_list, self.shards)), closed):
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
            images = _images(members)
            if images:
                entries.append(Entry(own, split, where, members))
            else:
                unusable.append(Entry(own, split, where, members))
            entries += [Entry(own, split, where + suffix, members) for suffix in images[1:] if suffix in IMAGE_SUFFIXES]
        fix = "rename or remove one of them, or put the shards of each run into a separate folder"
        entries, others = first_of_each_key(entries, _rejected, fix)
        return split_by_image(entries, self.fraction, _image_identity) + others + unusable

    def read(self, entry: Entry) -> Item:
        members: _Sample = entry.ref
        if members.problem is not None:
            return Item(entry, None, (), members.problem)
        problem: str | None = None
        captions: tuple[object, ...] = ()
        try:
            captions = _read_captions(members)
        except ValueError as error:
            problem = str(error)
        images = _images(members)
        if not images:
            return Item(entry, None, captions, f"no image: the sample has only {', '.join(members.files)}")
        try:
            return Item(entry, _content(members, images[0]), captions, problem)
        except OSError as error:
            return Item(entry, None, captions, f"cannot be read: {error.strerror or error}")

    def signature(self) -> str:
        return self._listed[1]


class _HeaderReader:
    """The file that tarfile reads headers from; limits a single read, since a header may state any length."""

    def __init__(self, file: BinaryIO) -> None:
        self.seek, self.tell, self._read = file.seek, file.tell, file.read

    def read(self, size: int) -> bytes:
        if size > MAX_HEADER:
            raise tarfile.ReadError(f"a header of {size:,} bytes, more than the {MAX_HEADER:,} allowed")
        return self._read(size)


def _list(tar: Path) -> list[tuple[str, _SampleMembers]]:
    """Returns (key, members) for each sample of a shard, then the members that cannot be used, with their problems."""
    samples: dict[str, _SampleMembers] = {}
    unusable = []
    try:
        size = tar.stat().st_size
        with open_regular(tar) as file, tarfile.open(fileobj=_HeaderReader(file), mode="r:") as archive:  # type: ignore[call-overload]
            for member in archive:
                if member.size < 0:  # the next header would be an earlier one, again and again
                    raise tarfile.ReadError(f"{member.name} has a negative size")
                if member.isdir() or PurePosixPath(member.name).name.startswith("._"):  # macOS's metadata
                    continue
                key, suffix = _split_name(member.name)
                problem = None
                if not member.isreg() or member.issparse():
                    problem = "a link, a device or a sparse file; expected plain files"
                elif member.offset_data + member.size > size:
                    problem = "the tar ends inside this member"
                elif suffix in samples.get(key, _SampleMembers(tar)).files:
                    problem = "the name occurs twice"
                if problem is not None:
                    unusable.append((member.name, _SampleMembers(tar, problem=problem)))
                else:
                    members = samples.setdefault(key, _SampleMembers(tar))
                    members.seen[suffix] = _member_hash(file, suffix, member.offset_data, member.size)
                    members.files[suffix] = (member.offset_data, member.size)
            if after := _after_end(file, archive.offset):
                unusable.append(("?", _SampleMembers(tar, problem=after)))
    except (tarfile.TarError, OSError, ValueError, LookupError, ArithmeticError, MemoryError) as error:
        # tarfile raises any of these for odd sizes, numbers and PAX fields
        unusable.append(("?", _SampleMembers(tar, problem=_unreadable_message(tar, error))))
    for key, sample in samples.items():
        others = [suffix for suffix in _images(sample)[1:] if suffix in OTHER_IMAGES]
        unusable += [(key + s, _SampleMembers(tar, problem=f"not a supported image format: {s}")) for s in others]
    return [*samples.items(), *unusable]


def _after_end(file: BinaryIO, offset: int) -> str | None:
    """Returns a message if data follows the end of a tar, otherwise None; raises ReadError if the end is missing."""
    file.seek(offset)
    rest = file.read(AFTER_END)
    # tarfile treats a damaged header as the end; the true end is marked by blocks of zeros.
    if rest[: tarfile.BLOCKSIZE] != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError(f"the tar has no end marker; a header at byte {offset:,} is damaged or truncated")
    if not rest.strip(b"\0"):
        return None
    return (
        f"data after the end of the tar at byte {offset:,} is not read; if these are several tars, store each in a file"
    )


def _unreadable_message(tar: Path, error: Exception) -> str:
    try:
        with open_regular(tar) as file:
            start = file.read(6)
    except OSError:
        start = b""
    for mark, kind in _COMPRESSED.items():
        if start.startswith(mark):
            return f"compressed with {kind}, but members are read in place; unpack it to a plain .tar in this folder"
    return f"not a complete tar: {error}; if the download was interrupted, download it again"


def _member_hash(file: BinaryIO, suffix: str, offset: int, size: int) -> str:
    """Returns the hash of a member of an open tar; reopening a tar at a URL would download megabytes."""
    if suffix not in _CAPTIONS or size > MAX_CAPTION_BYTES:
        return sampled_sha256(file, offset, size)
    file.seek(offset)
    return hashlib.sha256(file.read(size)).hexdigest()


def _split_name(name: str) -> tuple[str, str]:
    path = PurePosixPath(name)
    if not path.name:  # "." or "/"
        return name, ""
    stem, dot, suffix = path.name.partition(".")
    return path.with_name(stem or path.name).as_posix(), (dot + suffix).lower()


def _images(members: _SampleMembers | _Sample) -> list[str]:
    """Returns the suffixes of the images in a sample, sorted, supported formats first."""
    return [s for kind in (IMAGE_SUFFIXES, OTHER_IMAGES) for s in sorted(members.files) if s in kind]


def _rejected(sample: _Sample, why: str) -> _Sample:
    return _Sample(_SampleMembers(sample.tar, problem=why))


def _image_identity(entry: Entry) -> str:
    """Returns what identifies the image of an entry: its size and the sha256 of its beginning and end."""
    sample: _Sample = entry.ref
    return f"{sample.files[_images(sample)[0]][1]} {sample.image_sha256.hex()}"


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


def _read_captions(members: _Sample) -> tuple[object, ...]:
    """Reads the captions of a sample; raises UserError with the reason if there are none."""
    there = [suffix for suffix in _CAPTIONS if suffix in members.files]
    if not there:
        raise UserError(f"no captions: neither .txt nor .json among {', '.join(members.files)}")
    for suffix in there:
        if members.files[suffix][1] > MAX_CAPTION_BYTES:
            raise UserError(f"{suffix} has {members.files[suffix][1]:,} bytes, more than {MAX_CAPTION_BYTES:,} allowed")
    contents = {suffix: _content(members, suffix) for suffix in there}
    return captions_of(contents.get(".txt"), contents.get(".json"), "KEY", lines=False)

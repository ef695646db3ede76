"""Lists the samples of a tar shard with the offsets of their members; a damaged tar gives its complete samples."""

import hashlib
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.user_files import is_local, open_regular
from hspcgan.pipeline.sources.files_below import IMAGE_SUFFIXES, OTHER_IMAGES
from hspcgan.pipeline.sources.fingerprints import MAX_CAPTION_BYTES, sampled_sha256

_COMPRESSED = {
    b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"\x04\x22\x4d\x18": "lz4",
    b"PK\x03\x04": "zip",
}  # fmt: skip
"""First bytes of compressed files."""
CAPTION_SUFFIXES = (".txt", ".json")
MAX_HEADER = 2**20
"""Bytes of a long name or of the PAX fields of a member."""
AFTER_END = 2**16
"""Bytes after the end of a tar that are examined; writers fill a tar with zeros up to a multiple of 10 KB."""
Span = tuple[int, int]
"""Offset and length of a member's content in its tar, in bytes."""


@dataclass
class SampleMembers:
    """A sample to which members are added while its shard is listed."""

    tar: Path
    files: dict[str, Span] = field(default_factory=dict)  # by suffix, lower case, from the first dot on
    seen: dict[str, str] = field(default_factory=dict)  # by suffix: sha256 of a caption, else `sampled_sha256`
    problem: str | None = None


def list_shard(tar: Path) -> list[tuple[str, SampleMembers]]:
    """Returns (key, members) for each sample of a shard, then the members that cannot be used, with their problems."""
    samples: dict[str, SampleMembers] = {}
    unusable = []
    no_image: dict[str, str] = {}  # by key: a member with the name of an image that cannot be used
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
                elif suffix in samples.get(key, SampleMembers(tar)).files:
                    problem = "the name occurs twice"
                if problem is not None:
                    unusable.append((member.name, SampleMembers(tar, problem=problem)))
                    if image_suffixes([suffix]):
                        no_image.setdefault(key, f"no image: {member.name} is not usable: {problem}")
                else:
                    members = samples.setdefault(key, SampleMembers(tar))
                    members.seen[suffix] = _member_hash(file, suffix, member.offset_data, member.size)
                    members.files[suffix] = (member.offset_data, member.size)
            if after := _after_end(file, archive.offset):
                unusable.append(("?", SampleMembers(tar, problem=after)))
    except (tarfile.TarError, OSError, ValueError, LookupError, ArithmeticError, MemoryError, RecursionError) as error:
        # tarfile raises any of these for odd sizes, numbers, PAX fields and hundreds of extended headers in a row
        if isinstance(error, OSError) and not is_local(tar):
            raise  # the network, not the tar
        unusable.append(("?", SampleMembers(tar, problem=_unreadable_message(tar, error))))
    for key, sample in samples.items():
        sample.problem = None if image_suffixes(sample.files) else no_image.get(key)
        others = [suffix for suffix in image_suffixes(sample.files)[1:] if suffix in OTHER_IMAGES]
        unusable += [(key + s, SampleMembers(tar, problem=f"not a supported image format: {s}")) for s in others]
    return [*samples.items(), *unusable]


class _HeaderReader:
    """The file that tarfile reads headers from; limits a single read, since a header may state any length."""

    def __init__(self, file: BinaryIO) -> None:
        self.seek, self.tell, self._read = file.seek, file.tell, file.read

    def read(self, size: int) -> bytes:
        if size > MAX_HEADER:
            raise tarfile.ReadError(f"a header of {size:,} bytes, more than the {MAX_HEADER:,} allowed")
        return self._read(size)


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
    if isinstance(error, OSError) and not isinstance(error, UserError):
        return f"cannot be read: {error.strerror or error}"
    if isinstance(error, ValueError | OverflowError) and not isinstance(error, UserError | UnicodeError):
        error = tarfile.ReadError("a header has a number that is too large or no number")
    if isinstance(error, RecursionError):
        error = tarfile.ReadError("too many extended headers before a member")
    return f"not a complete tar: {error}; if the download was interrupted, download it again"


def _member_hash(file: BinaryIO, suffix: str, offset: int, size: int) -> str:
    """Returns the hash of a member of an open tar; reopening a tar at a URL would download megabytes."""
    if suffix not in CAPTION_SUFFIXES or size > MAX_CAPTION_BYTES:
        return sampled_sha256(file, offset, size)
    file.seek(offset)
    return hashlib.sha256(file.read(size)).hexdigest()


def _split_name(name: str) -> tuple[str, str]:
    path = PurePosixPath(name)
    if not path.name:  # "." or "/"
        return name, ""
    stem, dot, suffix = path.name.partition(".")
    return path.with_name(stem or path.name).as_posix(), (dot + suffix).lower()


def image_suffixes(files: Iterable[str]) -> list[str]:
    """Returns the suffixes of images among those of a sample's files, sorted, supported formats first."""
    return [s for kind in (IMAGE_SUFFIXES, OTHER_IMAGES) for s in sorted(files) if s in kind]
